"""Pooling with exactly Caffe's arithmetic (pooling_layer.cpp, spp_layer.cpp).

Caffe rounds the number of windows up. Only where there is padding does it drop a last window that would
start in the far padding; without padding such a window stays, empty. Rounding is "ceil_inside" where every
window begins inside, as torch and ONNX have it. A maximum
ignores padding (an empty window gives -FLT_MAX); an average counts it, but not what hangs over it. Caffe
allows a padding of up to kernel - 1, torch up to half the kernel.

`padding` is one number, one an axis, (top, left, bottom, right), or "same" as TensorFlow has it.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from convscope.errors import InputError
from convscope.network.operations.checks import (
    Padding,
    Sizes,
    around,
    dimensions,
    margins,
    per_axis,
    require_picture_axes,
)
from convscope.network.operations.registry import operation
from convscope.network.operations.shape_rules import pool_shape, pooled_to_one_shape, windows_along
from convscope.network.operations.windows import pooling_window

Rounding = Literal["ceil", "ceil_inside", "floor"]

LOWEST = -3.4028234663852886e38
"""-FLT_MAX, where Caffe begins every maximum, whatever the precision."""


class _Windows(NamedTuple):
    """How the windows lie along one axis: `number` of them, from -padding on, `stride` apart.

    `behind` is how much padding there is behind the input; between a window's positions lie `dilation` - 1 others.
    """

    kernel: int
    stride: int
    padding: int
    size: int
    number: int
    behind: int
    dilation: int = 1

    @property
    def extent(self) -> int:
        """How many positions a window spans."""
        return self.dilation * (self.kernel - 1) + 1

    @property
    def built_in(self) -> bool:
        """Whether torch's own pooling makes the same windows."""
        last_start = (self.number - 1) * self.stride - self.padding
        even = self.padding == self.behind and 2 * self.padding <= self.kernel
        return even and last_start < self.size

    @property
    def border(self) -> tuple[int, int]:
        """How far the windows reach over the input, before and behind; negative where they stop short."""
        return self.padding, (self.number - 1) * self.stride + self.extent - self.size - self.padding

    def lengths(self, count_padding: bool) -> list[int]:
        """How many positions of the input (and its padding) each window covers, for windows without dilation."""
        starts = [index * self.stride - self.padding for index in range(self.number)]
        if count_padding:
            return [min(start + self.kernel, self.size + self.behind) - start for start in starts]
        return [min(start + self.kernel, self.size) - max(start, 0) for start in starts]


@operation(shape=pool_shape, window=pooling_window, part="pooling", per_channel=True, relevance="routed")
def max_pool(
    input: Tensor,
    *,
    kernel: Sizes,
    stride: Sizes = 1,
    padding: Padding = 0,
    rounding: Rounding = "ceil",
    dilation: Sizes = 1,
) -> Tensor:
    """Return the largest value of each window; of equal ones the first gets the gradient.

    `input` is (batch, channels, height, width); sizes are one number or (vertical, horizontal). Raises
    InputError where not a single window fits.
    """
    rows, columns = windows_of(input, kernel, stride, padding, rounding, dilation)
    input, dilations = channels_innermost(input), (rows.dilation, columns.dilation)
    kernels, strides = (rows.kernel, columns.kernel), (rows.stride, columns.stride)
    if rows.built_in and columns.built_in:
        paddings = (rows.padding, columns.padding)
        return F.max_pool2d(input, kernels, strides, paddings, dilations, rounding != "floor")
    padded = F.pad(input, around([rows.border, columns.border]), value=LOWEST)
    return F.max_pool2d(padded, kernels, strides, 0, dilations)


@operation(window=pooling_window, part="pooling", relevance="routed")
def max_pool_with_mask(
    input: Tensor, *, kernel: Sizes, stride: Sizes = 1, padding: Padding = 0, rounding: Rounding = "ceil"
) -> tuple[Tensor, Tensor]:
    """Return what `max_pool` does, and where in height x width each value was: ``row * width + column``.

    The positions are whole numbers in the input's own type, -1 for an empty window.
    """
    rows, columns = windows_of(input, kernel, stride, padding, rounding)
    kernels, strides = (rows.kernel, columns.kernel), (rows.stride, columns.stride)
    padded = F.pad(channels_innermost(input), around([rows.border, columns.border]), value=LOWEST)
    values, places = F.max_pool2d(padded, kernels, strides, return_indices=True)
    row, column = places // padded.shape[3] - rows.padding, places % padded.shape[3] - columns.padding
    inside = (row >= 0) & (row < rows.size) & (column >= 0) & (column < columns.size)
    return values, torch.where(inside, row * columns.size + column, -1).to(input.dtype)


@operation(window=pooling_window, part="pooling", relevance="routed")
def max_pool_with_argmax(
    input: Tensor, *, kernel: Sizes, stride: Sizes = 1, padding: Padding = 0, with_batch: bool = False
) -> tuple[Tensor, Tensor]:
    """Return what `max_pool` does, and where in height x width x channels each value was, as TensorFlow counts.

    `with_batch` counts through all pictures, else each begins at 0.
    """
    values, places = max_pool_with_mask(
        input, kernel=kernel, stride=stride, padding=padding, rounding="floor"
    )
    batch, channels, height, width = input.shape
    if input.numel() > 2**24 and input.dtype == torch.float32:
        raise InputError(f"places in {dimensions(input.shape)} are too many for single precision")
    places = places * channels + torch.arange(channels).to(places)[:, None, None]
    if with_batch:
        places = places + torch.arange(batch).to(places)[:, None, None, None] * (height * width * channels)
    return values, places


@operation(
    shape=pool_shape, window=pooling_window, part="pooling", per_channel=True, relevance="shared", affine=True
)
def average_pool(
    input: Tensor,
    *,
    kernel: Sizes,
    stride: Sizes = 1,
    padding: Padding = 0,
    rounding: Rounding = "ceil",
    count_padding: bool = True,
) -> Tensor:
    """Return the mean of each window: padding counts as zeros, what hangs over it does not count.

    Without `count_padding` a mean is that of the input's own numbers, as TensorFlow has it.
    """
    rows, columns = windows_of(input, kernel, stride, padding, rounding)
    input = channels_innermost(input)
    kernels, strides = (rows.kernel, columns.kernel), (rows.stride, columns.stride)
    if rows.built_in and columns.built_in:
        paddings, ceil = (rows.padding, columns.padding), rounding != "floor"
        return F.avg_pool2d(input, kernels, strides, paddings, ceil, count_padding)
    padded = F.pad(input, around([rows.border, columns.border]))
    total = F.avg_pool2d(padded, kernels, strides, divisor_override=1)
    heights, widths = (input.new_tensor(axis.lengths(count_padding)) for axis in (rows, columns))
    return total / torch.outer(heights, widths)


@operation(part="summary", sees="map", relevance="routed")
def global_max_pool(input: Tensor) -> Tensor:
    """Return the largest value of each channel: (batch, channels, 1, 1)."""
    require_picture_axes(input, "pooling")
    return max_pool(input, kernel=input.shape[2:])


@operation(part="summary", sees="map", relevance="routed")
def global_max_pool_with_mask(input: Tensor) -> tuple[Tensor, Tensor]:
    """Return the largest value of each channel, and where it was: ``row * width + column``."""
    require_picture_axes(input, "pooling")
    return max_pool_with_mask(input, kernel=input.shape[2:])


@operation(
    shape=pooled_to_one_shape, part="summary", sees="map", per_channel=True, relevance="shared", affine=True
)
def global_average_pool(input: Tensor) -> Tensor:
    """Return the mean of each channel: (batch, channels, 1, 1)."""
    require_picture_axes(input, "pooling")
    return input.mean((2, 3), keepdim=True)


@operation(part="summary", sees="map")
def spp(input: Tensor, *, pyramid_height: int, pool: Literal["max", "average"] = "max") -> Tensor:
    """Return each channel pooled over 1, 4, 16 ... bins, side by side: the same length for every input size.

    He et al., *Spatial pyramid pooling in deep convolutional networks* (2014). Raises InputError where the
    picture is too small for the finest level, as in Caffe.
    """
    require_picture_axes(input, "spatial pyramid pooling")
    pooling = max_pool if pool == "max" else average_pool
    levels = []
    for level in range(pyramid_height):
        bins = 2**level
        kernel = [-(-size // bins) for size in input.shape[2:]]
        padding = [(k * bins - size + 1) // 2 for k, size in zip(kernel, input.shape[2:], strict=True)]
        levels.append(pooling(input, kernel=kernel, stride=kernel, padding=padding))
    if pyramid_height == 1:
        return levels[0]
    return torch.cat([level.flatten(1) for level in levels], 1)


def windows_of(
    input: Tensor,
    kernel: Sizes,
    stride: Sizes = 1,
    padding: Padding = 0,
    rounding: Rounding = "ceil",
    dilation: Sizes = 1,
) -> tuple[_Windows, _Windows]:
    """Return how pooling's windows lie over an input, down and across; InputError where none fits."""
    require_picture_axes(input, "pooling")
    sizes = (("kernel", kernel), ("stride", stride), ("dilation", dilation))
    kernels, strides, dilations = (per_axis(value, 2, what) for what, value in sizes)
    borders = margins(padding, input.shape[2:], kernels, strides, dilations)
    padded, axes = any(map(any, borders)), []
    for size, k, s, d, (p, q) in zip(input.shape[2:], kernels, strides, dilations, borders, strict=True):
        if min(k, s, d) < 1 or not 0 <= min(p, q) <= max(p, q) < d * (k - 1) + 1:
            raise InputError(
                f"pooling needs 0 <= padding < kernel and a stride, found {max(p, q)}, {k} and {s}"
            )
        count = windows_along(size, (k, s, d), (p, q), rounding, padded)
        if count < 1:
            place = f"{dimensions(input.shape)} with padding {p}"
            raise InputError(
                f"a pooling window of {k} pixels does not fit into {place}: use a larger picture"
            )
        axes.append(_Windows(k, s, p, size, count, q, d))
    return axes[0], axes[1]


def channels_innermost(input: Tensor) -> Tensor:
    """On a processor, torch pools channels_last memory 15 to 20 times faster; the values are the same."""
    return input.contiguous(memory_format=torch.channels_last) if input.device.type == "cpu" else input


@operation(part="rearrangement", relevance="routed")
def max_unpool(
    input: Tensor,
    places: Tensor,
    *,
    size: tuple[int, int] = (0, 0),
    scale: tuple[int, int] = (2, 2),
    less: tuple[int, int] = (0, 0),
) -> Tensor:
    """Return each number at the place that `max_pool_with_mask` found it, zeros elsewhere.

    The map is `size` (height, width) large, or `scale` times the input's, `less` rows and columns. Of two numbers
    with one place the last stays.
    Badrinarayanan et al., *SegNet* (2015).
    """
    require_picture_axes(input, "unpooling")
    if places.shape != input.shape:
        raise InputError(f"{dimensions(input.shape)} needs a place each, found {dimensions(places.shape)}")
    by_scale = (input.shape[2] * scale[0] - less[0], input.shape[3] * scale[1] - less[1])
    height, width = size if all(size) else by_scale
    if input.is_meta:
        return input.new_empty((*input.shape[:2], height, width))
    index = places.flatten(2).long()
    if index.numel() and int(index.max()) >= height * width:
        raise InputError(f"the places of a larger map do not fit into {height} x {width}")
    inside = index >= 0  # empty windows have none
    flat = input.new_zeros((*input.shape[:2], height * width + 1))
    flat = flat.scatter(2, torch.where(inside, index, height * width), input.flatten(2))
    return flat[:, :, :-1].reshape(*input.shape[:2], height, width)
