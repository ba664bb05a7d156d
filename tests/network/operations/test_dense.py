"""Fully-connected layers, look-ups, scales and biases (Caffe's inner product, embed, scale and bias tests)."""

import numpy as np
import pytest
import torch

from convscope.errors import InputError
from convscope.network.operations.dense import bias, dense, embed, scale


def normal(*shape, seed=0):
    return torch.tensor(np.random.default_rng(seed).normal(size=shape))


@pytest.mark.parametrize("transpose", [False, True])
@pytest.mark.parametrize(
    ("axis", "count", "shape"), [(1, 60, (2, 10)), (2, 20, (2, 3, 10)), (-1, 5, (2, 3, 4, 10))]
)
def test_a_fully_connected_layer_is_a_matrix_product(transpose, axis, count, shape):
    input, weight, shift = normal(2, 3, 4, 5), normal(10, count, seed=1), normal(10, seed=2)
    stored = weight.t().contiguous() if transpose else weight
    output = dense(input, weight=stored, bias=shift, axis=axis, transpose=transpose)
    expected = (input.numpy().reshape(-1, count) @ weight.numpy().T + shift.numpy()).reshape(shape)
    np.testing.assert_allclose(output, expected)
    np.testing.assert_allclose(
        dense(input, weight=stored, axis=axis, transpose=transpose), expected - shift.numpy(), atol=1e-12
    )


def test_a_fully_connected_layer_says_that_it_fixes_the_input_size():
    message = r"for 60 numbers got 45 \(2x3x3x5\): use the input size .* or cast the layer into a convolution"
    with pytest.raises(InputError, match=message):
        dense(normal(2, 3, 3, 5), weight=normal(10, 60))


@pytest.mark.parametrize("has_bias", [False, True])
def test_embed_looks_rows_up(has_bias):
    table, shift = normal(5, 10), normal(10, seed=1) if has_bias else None
    index = torch.tensor([[4.0], [2.0], [2.0], [3.0]])
    output = embed(index, weight=table, bias=shift)
    assert output.shape == (4, 1, 10)
    for place, row in enumerate((4, 2, 2, 3)):
        assert torch.equal(output[place, 0], table[row] + (shift if has_bias else 0))


@pytest.mark.parametrize("wrong", [5.0, -1.0])
def test_embed_refuses_what_is_not_in_the_table(wrong):
    with pytest.raises(InputError, match="needs indices from 0 to 4"):
        embed(torch.tensor([0.0, wrong]), weight=normal(5, 10))


# (shape of the factor, axis) and the same factor with all its axes, as test_scale_layer.cpp broadcasts.
BROADCASTS = {
    "eltwise": ((2, 3, 4, 5), 0, (2, 3, 4, 5)),
    "begin": ((2, 3), 0, (2, 3, 1, 1)),
    "middle": ((3, 4), 1, (1, 3, 4, 1)),
    "end": ((4, 5), 2, (1, 1, 4, 5)),
    "channels": ((3,), 1, (1, 3, 1, 1)),
    "negative axis": ((5,), -1, (1, 1, 1, 5)),
    "scalar": ((), 1, (1, 1, 1, 1)),
    "scalar at an axis": ((), 2, (1, 1, 1, 1)),
}


@pytest.mark.parametrize("name", BROADCASTS)
def test_factors_and_shifts_lie_along_the_axes(name):
    shape, axis, full = BROADCASTS[name]
    input, factor, shift = normal(2, 3, 4, 5), normal(*shape, seed=1), normal(*shape, seed=2)
    product, total = input.numpy() * factor.numpy().reshape(full), input.numpy() + shift.numpy().reshape(full)
    np.testing.assert_allclose(scale(input, weight=factor, axis=axis), product)
    np.testing.assert_allclose(scale(input, factor, axis=axis), product)
    np.testing.assert_allclose(bias(input, bias=shift, axis=axis), total)
    np.testing.assert_allclose(bias(input, shift, axis=axis), total)
    both = product + shift.numpy().reshape(full)
    np.testing.assert_allclose(scale(input, weight=factor, bias=shift, axis=axis), both)
    np.testing.assert_allclose(scale(input, factor, bias=shift, axis=axis), both)


def test_what_does_not_lie_along_the_axes_is_refused():
    for function in (scale, bias):
        with pytest.raises(InputError, match="3x5 numbers do not lie along axis 1 of 2x3x4x5"):
            function(normal(2, 3, 4, 5), normal(3, 5))
        with pytest.raises(InputError, match="or a second input"):
            function(normal(2, 3, 4, 5))
