"""Pooling over any number of axes, one after the other: a window's maximum, mean or length is that of its rows.

What is of height x width and has windows without gaps is `pooling`'s, which is faster.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from convscope.errors import InputError
from convscope.network.operations.checks import Padding, Sizes, dimensions, margins, per_axis, whole_numbers
from convscope.network.operations.pooling import LOWEST, Rounding
from convscope.network.operations.registry import operation
from convscope.network.operations.shape_rules import windows_along
from convscope.network.operations.windows import pooling_window


class _Windows(NamedTuple):
    """How `number` windows lie along an axis; they reach `more` positions over what is behind it."""

    axis: int
    kernel: int
    stride: int
    dilation: int
    number: int
    before: int
    behind: int
    more: int

    def of(self, input: Tensor, filling: float) -> Tensor:
        """Return the windows' numbers as a last axis."""
        rest = [0, 0] * (input.dim() - 1 - self.axis)
        padded = F.pad(input, [*rest, self.before, self.more], value=filling)
        extent = self.dilation * (self.kernel - 1) + 1
        windows = padded.unfold(self.axis, extent, self.stride).narrow(self.axis, 0, self.number)
        return windows[..., :: self.dilation]

    def lengths(self, size: int, counted: bool) -> Tensor:
        """Return how many positions of the input (and of its padding, `counted`) each window covers."""
        starts = torch.arange(self.number).reshape(-1, 1) * self.stride - self.before
        places = starts + torch.arange(self.kernel) * self.dilation
        first, end = (-self.before, size + self.behind) if counted else (0, size)
        return ((places >= first) & (places < end)).sum(1)


def _windows(
    input: Tensor, kernel: Sizes, stride: Sizes, padding: Padding, rounding: Rounding, dilation: Sizes
) -> list[_Windows]:
    axes, sizes = input.dim() - 2, input.shape[2:]
    numbers = (("kernel", kernel), ("stride", stride), ("dilation", dilation))
    columns = [per_axis(value, axes, what) for what, value in numbers]
    borders = margins(padding, sizes, *columns)
    padded, windows = any(map(any, borders)), []
    for at, (k, s, d, border) in enumerate(zip(*columns, borders, strict=True)):
        if min(k, s, d) < 1 or min(border) < 0:
            raise InputError(f"pooling needs a kernel, a stride and padding, found {k}, {s} and {border}")
        count = windows_along(sizes[at], (k, s, d), border, rounding, padded)
        if count < 1:
            raise InputError(f"a pooling window of {k} does not fit into {dimensions(input.shape)}")
        more = max(0, (count - 1) * s + d * (k - 1) + 1 - sizes[at] - border[0])
        windows.append(_Windows(2 + at, k, s, d, count, border[0], border[1], more))
    return windows[
        ::-1
    ]  # the last axis first: of equal numbers the first as they are counted through is the largest


@operation(window=pooling_window, part="pooling", per_channel=True)
def pool_along_axes(
    input: Tensor,
    *,
    kernel: Sizes,
    stride: Sizes = 1,
    padding: Padding = 0,
    rounding: Rounding = "floor",
    dilation: Sizes = 1,
    summary: Literal["maximum", "mean", "length"] = "maximum",
    exponent: float = 2.0,
    count_padding: bool = False,
) -> Tensor:
    """Return each window's largest number, mean, or length ``(sum |x|^p)^(1/p)``, over all axes behind the channels.

    A mean is of the input's own numbers, or with `count_padding` of the padding's zeros too.
    """
    pooled = input.abs().pow(exponent) if summary == "length" else input
    for windows in _windows(input, kernel, stride, padding, rounding, dilation):
        if summary == "maximum":  # of equal ones the first gets the gradient
            pooled = windows.of(pooled, LOWEST).max(-1).values
            continue
        size, pooled = pooled.shape[windows.axis], windows.of(pooled, 0.0).sum(-1)
        if summary == "mean":
            lengths = windows.lengths(size, count_padding).to(pooled)
            pooled = pooled / lengths.reshape(-1, *[1] * (input.dim() - 1 - windows.axis))
    return pooled.pow(1 / exponent) if summary == "length" else pooled


@operation(window=pooling_window, part="pooling", relevance="routed")
def max_pool_with_indices(
    input: Tensor,
    *,
    kernel: Sizes,
    stride: Sizes = 1,
    padding: Padding = 0,
    rounding: Rounding = "floor",
    dilation: Sizes = 1,
    by_columns: bool = False,
) -> tuple[Tensor, Tensor]:
    """Return each window's largest number, and where it was among all numbers of the input, counted through.

    With `by_columns` the last two axes are counted the other way around.
    """
    if input.numel() > 2**24 and input.dtype == torch.float32:
        raise InputError(f"places in {dimensions(input.shape)} are too many for single precision")
    places = torch.arange(input.numel(), dtype=input.dtype, device=input.device)
    if by_columns and input.dim() > 3:
        places = places.reshape(*input.shape[:-2], input.shape[-1], input.shape[-2]).mT
    pooled, places = input, places.reshape(input.shape)
    for windows in _windows(input, kernel, stride, padding, rounding, dilation):
        pooled, largest = windows.of(pooled, LOWEST).max(-1)
        places = windows.of(places, -1.0).gather(-1, largest.unsqueeze(-1)).squeeze(-1)
    return pooled, places


@operation(part="rearrangement", relevance="routed")
def max_unpool_indices(
    input: Tensor,
    places: Tensor,
    size: Tensor | None = None,
    *,
    kernel: Sizes,
    stride: Sizes = 1,
    padding: Padding = 0,
) -> Tensor:
    """Return each number at the place `max_pool_with_indices` found it, zeros elsewhere; a third input is the size."""
    axes = input.dim() - 2
    kernels, strides = per_axis(kernel, axes, "kernel"), per_axis(stride, axes, "stride")
    borders = margins(padding, input.shape[2:], kernels, strides)
    lengths = [
        (count - 1) * s + k - sum(border)
        for count, s, k, border in zip(input.shape[2:], strides, kernels, borders, strict=True)
    ]
    shape = [*input.shape[:2], *lengths]
    flat = input.new_zeros(shape).flatten()
    looked_at = not (places.is_meta or torch.compiler.is_compiling() or places.numel() == 0)
    if looked_at and not 0 <= int(places.min()) <= int(places.max()) < len(flat):
        raise InputError(f"places up to {int(places.max())} do not lie in {dimensions(shape)}")
    indices = flat.scatter(0, places.flatten().long(), input.flatten()).reshape(shape)
    if size is None:
        return indices
    more = [int(target) - length for target, length in zip(size.tolist()[2:], lengths, strict=True)]
    if min(more, default=0) < 0:
        raise InputError(
            f"{dimensions(lengths)} unpooled does not fit into {dimensions(whole_numbers(size, ())[2:])}"
        )
    return F.pad(indices, [side for each in reversed(more) for side in (0, each)])
