"""Winograd's convolution against torch's own, in float64."""

import pytest
import torch
import torch.nn.functional as F  # noqa: N812

from convscope.network.operations.fused import is_for_onednn, prepare_fastest
from convscope.network.operations.winograd import (
    WinogradConvolution,
    prepare_winograd,
    winograd_convolution,
    winograd_pays,
)

GENERATOR = torch.Generator().manual_seed(0)


def normal(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=GENERATOR)


@pytest.mark.parametrize("padding", [(0, 0), (1, 1), (2, 1)])
@pytest.mark.parametrize("size", [(24, 24), (25, 31), (5, 7), (70, 130)])
def test_it_is_the_convolution(size: tuple[int, int], padding: tuple[int, int]) -> None:
    x, weight, bias = normal(2, 8, *size), normal(12, 8, 3, 3), normal(12)
    exact = F.conv2d(x.double(), weight.double(), bias.double(), padding=padding)
    addend = normal(*exact.shape)
    prepared = prepare_winograd(weight, bias, padding)
    found = winograd_convolution(x, prepared)
    assert (found - exact).norm() < 3e-6 * exact.norm()
    assert torch.allclose(winograd_convolution(x, prepared, addend), found + addend, atol=1e-4)
    assert found.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(winograd_convolution(x, prepared, activation="relu"), found.relu())
    without = winograd_convolution(x, prepare_winograd(weight, None, padding), addend)
    exact = exact - bias.view(1, -1, 1, 1) + addend
    assert (without - exact).norm() < 3e-6 * exact.norm()


def test_channels_of_very_different_sizes_keep_their_own_exactness() -> None:
    scale = torch.logspace(-3, 3, 16)
    x, weight = normal(1, 16, 40, 40), normal(16, 16, 3, 3) * scale.view(-1, 1, 1, 1)
    exact = F.conv2d(x.double(), weight.double(), padding=1)
    found = winograd_convolution(x, prepare_winograd(weight, None, (1, 1)))
    worst = (found - exact).flatten(2).norm(dim=2) / exact.flatten(2).norm(dim=2)
    assert worst.max() < 5e-6


def test_a_picture_has_the_same_bytes_in_a_batch() -> None:
    x, prepared = normal(3, 64, 61, 45), prepare_winograd(normal(128, 64, 3, 3), normal(128), (1, 1))
    together = winograd_convolution(x, prepared, activation="relu")
    for index in range(3):
        assert torch.equal(
            together[index : index + 1],
            winograd_convolution(x[index : index + 1], prepared, activation="relu"),
        )


def test_only_large_convolutions_of_many_filters_use_it() -> None:
    assert winograd_pays((128, 64, 3, 3), (28, 28))
    assert not winograd_pays((128, 64, 3, 3), (14, 28))
    assert not winograd_pays((64, 64, 3, 3), (256, 256))
    assert not winograd_pays((256, 256, 1, 1), (28, 28))


@pytest.mark.skipif(not is_for_onednn(torch.zeros(1)), reason="torch was built without oneDNN")
@pytest.mark.parametrize(
    ("window", "used"),
    [
        ({"padding": 1}, True),
        ({"padding": 3}, False),
        ({"padding": 1, "stride": 2}, False),
        ({"padding": 2, "dilation": 2}, False),
    ],
)
def test_strides_and_dilations_stay_with_the_plain_one(window: dict[str, int], used: bool) -> None:
    packed = prepare_fastest(normal(128, 64, 3, 3), None, (1, 64, 56, 56), **window)
    assert isinstance(packed, WinogradConvolution) == used
