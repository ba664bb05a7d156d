"""The packed gradient against torch's own, in float64."""

from typing import Any

import pytest
import torch
from torch import Tensor

from convscope.network.operations.convolution import convolution
from convscope.network.operations.data_gradient import _in_place, prepare_data_gradient

GENERATOR = torch.Generator().manual_seed(0)
CASES = [
    ((1, 3, 31, 30), (8, 3, 3, 3), {"padding": 1}),
    ((1, 3, 61, 60), (16, 3, 7, 7), {"stride": 2, "padding": 3}),
    ((1, 3, 67, 67), (8, 3, 11, 11), {"stride": 4}),
    ((2, 1, 20, 21), (8, 1, 5, 3), {"padding": (4, 0)}),
    ((1, 4, 20, 21), (8, 4, 3, 3), {"stride": 3, "padding": 1}),
    ((1, 2, 12, 12), (8, 2, 1, 1), {"stride": 2}),
    ((2, 16, 14, 13), (24, 16, 3, 3), {"padding": 1}),
    ((1, 16, 14, 14), (24, 16, 3, 3), {"padding": (1, 3)}),
    ((1, 16, 7, 7), (8, 16, 1, 1), {}),
    ((1, 16, 15, 14), (24, 16, 3, 3), {"stride": 2, "padding": 1}),
    ((1, 16, 14, 14), (8, 16, 1, 1), {"stride": (2, 1)}),
    ((1, 8, 27, 27), (16, 4, 5, 5), {"padding": 2, "groups": 2}),
    ((1, 32, 14, 15), (32, 1, 3, 3), {"padding": 1, "groups": 32}),
    ((1, 32, 14, 15), (32, 1, 3, 3), {"padding": 1, "stride": 2, "groups": 32}),
    ((1, 8, 20, 20), (8, 8, 3, 3), {"padding": (2, 4), "dilation": (2, 4)}),
    ((1, 3, 20, 20), (8, 3, 3, 3), {"stride": 2, "dilation": 2}),
]

pytestmark = pytest.mark.skipif(
    prepare_data_gradient(torch.zeros(1, 1, 1, 1), (1, 1, 1, 1)) is None,
    reason="torch was built without oneDNN",
)


def normal(*shape: int) -> Tensor:
    return torch.randn(shape, generator=GENERATOR)


@pytest.mark.parametrize(("input_shape", "weight_shape", "window"), CASES)
def test_it_is_torchs_gradient(input_shape: Any, weight_shape: Any, window: dict[str, Any]) -> None:
    input, weight = normal(*input_shape).double().requires_grad_(), normal(*weight_shape)
    output = convolution(input, weight=weight.double(), **window)
    assert isinstance(output, Tensor)
    gradient = normal(*output.shape)
    (expected,) = torch.autograd.grad(output, input, gradient.double())
    spread = prepare_data_gradient(weight, output.shape, **window)
    assert spread is not None
    addend = normal(*input_shape)
    for found, wanted in (
        (spread(gradient, input.shape[2:]), expected),
        (spread(gradient, input.shape[2:], addend), expected + addend),
    ):
        assert found.shape == input.shape
        assert (found - wanted).abs().max() <= 2e-6 * wanted.abs().max()


def test_packed_for_one_size_it_runs_on_any_other() -> None:
    for weight, window in (
        (normal(8, 3, 7, 7), {"stride": 2, "padding": 3}),
        (normal(8, 6, 3, 3), {"stride": 2}),
    ):
        spread = prepare_data_gradient(weight, (1, 8, 16, 16), **window)
        assert spread is not None
        for size in (21, 22, 23, 24):
            input = normal(2, weight.shape[1], size, size + 3).requires_grad_()
            output = convolution(input, weight=weight, **window)
            assert isinstance(output, Tensor)
            gradient = normal(*output.shape)
            (expected,) = torch.autograd.grad(output, input, gradient)
            torch.testing.assert_close(spread(gradient, input.shape[2:]), expected, rtol=1e-4, atol=1e-4)


def test_other_precisions_have_to_do_without() -> None:
    assert prepare_data_gradient(normal(8, 3, 3, 3).double(), (1, 8, 4, 4)) is None


def test_pixels_are_put_into_place_as_torch_does() -> None:
    blocked = normal(2, 12, 3, 5).contiguous(memory_format=torch.channels_last)
    assert torch.equal(_in_place(blocked, 2), torch.nn.functional.pixel_shuffle(blocked, 2))
    assert _in_place(blocked, 2).is_contiguous()
