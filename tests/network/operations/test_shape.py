"""The same numbers in another shape (Caffe's reshape, flatten, tile and crop tests)."""

import numpy as np
import pytest
import torch

from convscope.errors import InputError
from convscope.network.operations.shape import crop, flatten, identity, reshape, tile

INPUT = torch.tensor(np.random.default_rng(0).normal(size=(2, 3, 6, 5)))


@pytest.mark.parametrize(
    ("keywords", "expected"),
    [
        ({"shape": (0, -1, 1, 1)}, (2, 90, 1, 1)),
        ({"shape": (0, 0, 0, 0)}, (2, 3, 6, 5)),
        ({"shape": (0, 3, 10, -1)}, (2, 3, 10, 3)),
        ({"shape": (3, 10, -1), "axis": 1}, (2, 3, 10, 3)),
        ({"shape": (1, 1, 1), "axis": 0, "num_axes": 0}, (1, 1, 1, 2, 3, 6, 5)),
        ({"shape": (1, 1, 1), "axis": 2, "num_axes": 0}, (2, 3, 1, 1, 1, 6, 5)),
        ({"shape": (1, 1, 1), "axis": -1, "num_axes": 0}, (2, 3, 6, 5, 1, 1, 1)),
        ({"shape": (-1,), "axis": 1, "num_axes": 2}, (2, 18, 5)),
        ({"shape": (6, 2, 3, 5)}, (6, 2, 3, 5)),
        ({"shape": ()}, None),
    ],
)
def test_reshape(keywords, expected):
    """The cases of test_reshape_layer.cpp."""
    if expected is None:
        assert reshape(INPUT[:1, :1, :1, :1], **keywords).shape == ()
        return
    output = reshape(INPUT, **keywords)
    assert output.shape == expected
    assert torch.equal(output.flatten(), INPUT.flatten())
    layout = INPUT.contiguous(memory_format=torch.channels_last)
    assert torch.equal(reshape(layout, **keywords), output)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"shape": (10, 17)}, "2x3x6x5 does not fit into shape .10, 17.: the network fixes this size"),
        ({"shape": (7, -1)}, "2x3x6x5 does not fit into shape .7, -1."),
        ({"shape": (0, 0, 0, 0, 0)}, "copies an axis that 2x3x6x5 does not have"),
        ({"shape": (1,), "axis": 3, "num_axes": 2}, "2 axes from axis 3 do not exist"),
    ],
)
def test_a_shape_that_does_not_fit_is_refused(keywords, message):
    with pytest.raises(InputError, match=message):
        reshape(INPUT, **keywords)


@pytest.mark.parametrize(
    ("keywords", "expected"),
    [
        ({}, (2, 90)),
        ({"axis": 2}, (2, 3, 30)),
        ({"end_axis": -2}, (2, 18, 5)),
        ({"axis": 0, "end_axis": -2}, (36, 5)),
    ],
)
def test_flatten(keywords, expected):
    output = flatten(INPUT, **keywords)
    assert output.shape == expected
    assert torch.equal(output.flatten(), INPUT.flatten())


@pytest.mark.parametrize("axis", [0, 1, 2, 3, -1])
def test_tile(axis):
    np.testing.assert_array_equal(tile(INPUT, tiles=3, axis=axis), np.concatenate([INPUT] * 3, axis))


def test_identity():
    assert identity(INPUT) is INPUT


@pytest.mark.parametrize(
    ("keywords", "expected"),
    [
        ({"axis": 0}, (slice(0, 2), slice(0, 4), slice(0, 5), slice(0, 3))),
        ({}, (slice(None), slice(None), slice(0, 5), slice(0, 3))),
        ({"axis": -1}, (slice(None), slice(None), slice(None), slice(0, 3))),
        ({"axis": 0, "offsets": (0, 1, 1, 2)}, (slice(0, 2), slice(1, 5), slice(1, 6), slice(2, 5))),
        ({"axis": 2, "offsets": (1,)}, (slice(None), slice(None), slice(1, 6), slice(1, 4))),
    ],
)
def test_crop(keywords, expected):
    """test_crop_layer.cpp crops (2, 5, 6, 5) by (2, 4, 5, 3)."""
    input = torch.arange(300.0).reshape(2, 5, 6, 5).requires_grad_()
    output = crop(input, torch.zeros(2, 4, 5, 3), **keywords)
    assert torch.equal(output, input[expected])
    output.backward(output.detach())
    gradient = torch.zeros(2, 5, 6, 5)
    gradient[expected] = input.detach()[expected]
    assert torch.equal(input.grad, gradient)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"offsets": (2, 2)}, "5 numbers from 2 on do not lie inside 2x5x6x5 in axis 2"),
        ({"offsets": (1, 1, 1)}, r"with offsets \[1, 1, 1\]"),
    ],
)
def test_a_crop_outside_is_refused(keywords, message):
    with pytest.raises(InputError, match=message):
        crop(torch.zeros(2, 5, 6, 5), torch.zeros(2, 4, 5, 3), **keywords)
