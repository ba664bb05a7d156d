"""Many numbers into few (Caffe's reduction and argmax tests)."""

import numpy as np
import pytest
import torch

from convscope.errors import InputError
from convscope.network.operations.reduction import argmax, reduce, reduction

INPUT = torch.tensor(np.random.default_rng(0).normal(size=(2, 3, 4, 5)))
X = INPUT.numpy()


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
@pytest.mark.parametrize("coefficient", [1.0, 2.3])
@pytest.mark.parametrize(
    ("operation", "function"),
    [
        ("sum", np.sum),
        ("absolute_sum", lambda x, axis: np.abs(x).sum(axis)),
        ("sum_of_squares", lambda x, axis: (x**2).sum(axis)),
        ("mean", np.mean),
    ],
)
def test_all_axes_behind_are_reduced(operation, function, coefficient, axis):
    axes = tuple(range(axis % 4, 4))
    output = reduction(INPUT, operation=operation, axis=axis, coefficient=coefficient)
    assert output.shape == X.shape[: axis % 4]
    np.testing.assert_allclose(output, coefficient * function(X, axes), rtol=1e-9)


def sorted_as_caffe(row, top_k):
    """Caffe sorts (number, index) pairs from large to small: of equal numbers the higher index comes first."""
    return sorted(((number, index) for index, number in enumerate(row)), reverse=True)[:top_k]


@pytest.mark.parametrize("top_k", [1, 2, 5])
@pytest.mark.parametrize("ties", [False, True])
def test_the_largest_of_each_entry(top_k, ties):
    input = INPUT.round() if ties else INPUT
    expected = [sorted_as_caffe(row, top_k) for row in input.reshape(2, -1).tolist()]
    index = argmax(input, top_k=top_k)
    assert index.shape == (2, 1, top_k, 1)
    assert index.dtype == input.dtype
    assert index.flatten(1).tolist() == [[at for _, at in row] for row in expected]
    both = argmax(input, top_k=top_k, out_max_val=True)
    assert both.shape == (2, 2, top_k, 1)
    assert both[:, 0].flatten(1).tolist() == [[at for _, at in row] for row in expected]
    assert both[:, 1].flatten(1).tolist() == [[number for number, _ in row] for row in expected]


@pytest.mark.parametrize("top_k", [1, 2])
@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_the_largest_along_an_axis(axis, top_k):
    input = INPUT.round()
    rows = np.moveaxis(input.numpy(), axis, -1)
    expected = [sorted_as_caffe(row, top_k) for row in rows.reshape(-1, rows.shape[-1])]
    for out_max_val, which in ((False, 1), (True, 0)):
        found = np.moveaxis(argmax(input, top_k=top_k, axis=axis, out_max_val=out_max_val).numpy(), axis, -1)
        np.testing.assert_array_equal(
            found.reshape(-1, top_k), [[pair[which] for pair in row] for row in expected]
        )


def test_a_vector_an_entry_has_three_axes():
    assert argmax(INPUT[:, :, 0, 0]).shape == (2, 1, 1)


def test_more_than_there_are_is_refused():
    with pytest.raises(InputError, match="the 4 largest needs as many numbers, the input is 2x3x4x5"):
        argmax(INPUT, top_k=4, axis=1)
    with pytest.raises(InputError, match="argmax needs at least one number"):
        argmax(torch.zeros(2, 0))


def test_a_summary_that_is_none_is_refused():
    with pytest.raises(InputError, match=r"a summary is mean, sum, maximum, .*; not 'median'"):
        reduce(INPUT, summary="median")


@pytest.mark.parametrize(
    ("summary", "of_itself"),
    [("mean", X), ("sum", X), ("maximum", X), ("l1", np.abs(X)), ("l2", np.abs(X)), ("sum_of_squares", X**2)],
)
def test_without_axes_each_number_is_a_summary_of_itself(summary, of_itself):
    """As TensorFlow, Keras and ONNX's noop_with_empty_axes have it; ONNX alone takes none for all."""
    np.testing.assert_allclose(reduce(INPUT, summary=summary, axes=()), of_itself, rtol=1e-12)
    whole = reduce(INPUT, summary=summary, axes=(), empty_is_all=True, keep_axes=False)
    assert torch.equal(whole, reduce(INPUT, summary=summary, keep_axes=False)) and whole.shape == ()
