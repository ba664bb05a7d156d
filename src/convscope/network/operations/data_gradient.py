"""A convolution's gradient for its input: where the filters are frozen, a packed convolution of its own.

With stride 1 it is the convolution with the filters turned around. With few input channels, as for a picture, oneDNN
leaves most of its vectors empty; there the gradients of `phases` x `phases` neighboring pixels are computed as that
many more channels and put into place, 2 to 4 times as fast, strides included. Everything else is
oneDNN's transposed convolution. The values agree with torch's own gradient to 1e-6 of the largest one, those of large
3x3 convolutions to 1e-5 (`winograd`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from convscope.network.operations.checks import Sizes, per_axis
from convscope.network.operations.fused import (
    FastConvolution,
    PackedConvolution,
    fused_convolution,
    is_for_onednn,
    prepare_convolution,
    prepare_fastest,
)

FEW_CHANNELS = (
    6  # of an input whose gradient is computed by phases: a picture, or its numbers above and below 0
)


class DataGradient(Protocol):
    """Turns the gradient of a convolution's output into that of its input, whose (height, width) is `size`."""

    def __call__(self, gradient: Tensor, size: Sequence[int], addend: Tensor | None = None) -> Tensor:
        """Return the gradient, plus `addend` where there is one, which is written over unless it is a view."""


def prepare_data_gradient(
    weight: Tensor,
    output_shape: Sequence[int],
    *,
    stride: Sizes = 1,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> DataGradient | None:
    """Return the function that computes the gradient, packed for outputs of about this shape; None without oneDNN.

    >>> spread = prepare_data_gradient(weight, y.shape, padding=1)
    >>> spread(torch.ones_like(y), x.shape[2:])  # torch.autograd.grad(convolution(x, ...).sum(), x)
    """
    if weight.dim() != 4 or not is_for_onednn(weight):
        return None
    strides, paddings, dilations = (
        per_axis(value, 2, what)
        for what, value in (("stride", stride), ("padding", padding), ("dilation", dilation))
    )
    square = strides[0] == strides[1] and max(dilations) == groups == 1
    if square and weight.shape[1] <= FEW_CHANNELS:
        return _by_phases(weight, output_shape, strides[0], paddings)
    kernel = weight.shape[2:]
    margin = [d * (k - 1) - p for d, k, p in zip(dilations, kernel, paddings, strict=True)]
    if max(strides) > 1 or min(margin) < 0:
        return _Transposed(weight, output_shape, (paddings, strides, dilations, groups))
    flipped = _turned(weight, groups)
    packed = prepare_fastest(flipped, None, output_shape, padding=margin, dilation=dilations, groups=groups)
    return None if packed is None else _Turned(packed)


def _turned(weight: Tensor, groups: int) -> Tensor:
    """Return the filters from outputs to inputs, rotated by half a turn."""
    outputs, inputs, *kernel = weight.shape
    by_group = weight.reshape(groups, outputs // groups, inputs, *kernel).transpose(1, 2)
    return by_group.reshape(groups * inputs, outputs // groups, *kernel).flip(2, 3)


@dataclass(frozen=True)
class _Turned:
    packed: FastConvolution

    def __call__(self, gradient: Tensor, size: Sequence[int], addend: Tensor | None = None) -> Tensor:
        return fused_convolution(gradient, self.packed, addend)


_Sides = tuple[int, ...]


class _Transposed:
    def __init__(
        self, weight: Tensor, output_shape: Sequence[int], window: tuple[_Sides, _Sides, _Sides, int]
    ) -> None:
        self.window, self.kernel = window, tuple(weight.shape[2:])
        padding, stride, dilation, groups = window
        self.filters = torch.ops.mkldnn._reorder_convolution_transpose_weight(
            weight.contiguous(), padding, (0, 0), stride, dilation, groups, list(output_shape)
        )

    def __call__(self, gradient: Tensor, size: Sequence[int], addend: Tensor | None = None) -> Tensor:
        padding, stride, dilation, groups = self.window
        axes = zip(size, gradient.shape[2:], self.kernel, padding, stride, dilation, strict=True)
        more = [length - ((g - 1) * s - 2 * p + d * (k - 1) + 1) for length, g, k, p, s, d in axes]
        where = padding, more, stride, dilation, groups
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        run = torch.ops.mkldnn._convolution_transpose_pointwise
        output: Tensor = run(gradient, self.filters, None, *where, "none", [], "")
        return output if addend is None else output.add_(addend)


@dataclass(frozen=True)
class _ByPhases:
    packed: PackedConvolution
    phases: int
    kernel: tuple[int, ...]

    def __call__(self, gradient: Tensor, size: Sequence[int], addend: Tensor | None = None) -> Tensor:
        blocks = [-(-length // self.phases) for length in size]
        window = zip(
            blocks, gradient.shape[2:], self.packed.stride, self.packed.padding, self.kernel, strict=True
        )
        short = [max(0, s * (count - 1) + k - g - 2 * p) for count, g, s, p, k in window]
        if any(short):
            gradient = F.pad(gradient, [0, short[1], 0, short[0]])
        blocked = fused_convolution(gradient, self.packed)[:, :, : blocks[0], : blocks[1]]
        output = _in_place(blocked, self.phases)[:, :, : size[0], : size[1]]
        return output if addend is None else output + addend


def _in_place(blocked: Tensor, phases: int) -> Tensor:
    """Return what `pixel_shuffle` does, in half its time, with each channel by itself in memory as a picture has it."""
    count, blocks, rows, columns = blocked.shape
    channels = blocks // phases**2
    pixels = blocked.reshape(count, channels, phases, phases, rows, columns).permute(0, 1, 4, 2, 5, 3)
    return pixels.reshape(count, channels, rows * phases, columns * phases)


def _by_phases(
    weight: Tensor, output_shape: Sequence[int], stride: int, padding: Sequence[int]
) -> _ByPhases | None:
    """Return the gradient as a convolution that gives one channel for each pixel of a block, and each channel.

    Pixel ``phases a + r`` of the input is reached from position ``(phases / stride) a + t`` of the output through
    place ``r + padding - stride t`` of the kernel.
    """
    phases = max(2, stride)
    down, across = (
        _taps(size, stride, pad, phases) for size, pad in zip(weight.shape[2:], padding, strict=True)
    )
    blocks = torch.einsum("ocyx,ity,jux->cijotu", weight.float(), down[0], across[0])
    filters = blocks.flatten(0, 2).to(weight.dtype)
    packed = prepare_convolution(
        filters, None, output_shape, stride=phases // stride, padding=(down[1], across[1])
    )
    return None if packed is None else _ByPhases(packed, phases, tuple(filters.shape[2:]))


def _taps(size: int, stride: int, padding: int, phases: int) -> tuple[Tensor, int]:
    """Return which place of the kernel, one-hot, each pixel of a block meets at each tap, and the new padding."""
    first = min(0, -((size - 1 - padding) // stride))
    taps = torch.arange(first, (phases - 1 + padding) // stride + 1)
    places = torch.arange(phases)[:, None] + padding - stride * taps
    return (places[:, :, None] == torch.arange(size)).float(), -first
