"""Convolution, its transpose, and the columns both are made of, over any number of spatial axes up to three.

The arithmetic is Caffe's (base_conv_layer.cpp), which rounds down as torch does:
``(size + 2 padding - (dilation (kernel - 1) + 1)) / stride + 1``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod

import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from convscope.errors import InputError
from convscope.network.operations.checks import (
    Padding,
    Sizes,
    around,
    axis_index,
    dimensions,
    margins,
    per_axis,
    require_filled,
)
from convscope.network.operations.registry import Result, one_or_all, operation
from convscope.network.operations.shape_rules import convolution_shape
from convscope.network.operations.windows import convolution_window, deconvolution_window, pooling_window

_CONVOLUTIONS = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
_DECONVOLUTIONS = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}


@operation(
    shape=convolution_shape,
    window=convolution_window,
    filter_rows=True,
    part="filters",
    absorbs=("bias", "batch_norm", "scale", "bias", "relu"),
    relevance="filters",
    affine=True,
)
def convolution(
    *inputs: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: Padding = 0,
    dilation: Sizes = 1,
    groups: int = 1,
    axis: int = 1,
) -> Result:
    """Return each input's responses to the filters; several inputs share them.

    `weight` is (filters, channels / groups, kernel ...); the axes before the channels' `axis` are batch.
    `padding` is one number, one an axis, (top, left, bottom, right) or "same".
    Raises InputError where the channels do not match or the kernel is larger than the padded input.
    """

    def convolve(input: Tensor) -> Tensor:
        kernel, strides, dilations = _window(input, weight, stride, dilation)
        _require_channels(input, weight.shape[1] * groups, "convolution")
        borders = margins(padding, input.shape[2:], kernel, strides, dilations)
        _require_room(input, kernel, strides, borders, dilations)
        paddings = [before for before, _ in borders]
        if any(before != behind for before, behind in borders):
            input, paddings = F.pad(input, around(borders)), [0] * len(borders)
        function = _CONVOLUTIONS[weight.dim() - 2]
        return function(input, weight, bias, strides, paddings, dilations, groups)

    # No spatial axes at all (a kernel without extent) is one axis of size one.
    if weight.dim() == 2:
        whole = weight.unsqueeze(-1)
        flat = convolution(
            *(x.unsqueeze(-1) for x in inputs), weight=whole, bias=bias, groups=groups, axis=axis
        )
        return one_or_all([x.squeeze(-1) for x in ((flat,) if isinstance(flat, Tensor) else flat)])
    return one_or_all([_over_batch(convolve, input, axis) for input in inputs])


@operation(window=deconvolution_window, part="filters", relevance="filters")
def deconvolution(
    *inputs: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    groups: int = 1,
    axis: int = 1,
    output_padding: Sizes = 0,
    size: Sequence[int] = (),
    more_before: bool = False,
) -> Result:
    """Return each input spread out through the filters: a convolution's transpose, which enlarges.

    `weight` is (channels, filters / groups, kernel ...); the output has ``stride (size - 1) + dilation (kernel - 1) +
    1 - padding + output_padding`` positions an axis; `padding` is one number, one an axis or (top, left, bottom,
    right), and `output_padding` adds positions behind. With a `size` the output has that one, whatever the padding: as
    much is cut off before as behind, an odd position behind, or `more_before`.
    """

    def spread(input: Tensor) -> Tensor:
        kernel, strides, dilations = _window(input, weight, stride, dilation)
        _require_channels(input, weight.shape[0], "deconvolution")
        borders = margins(padding, input.shape[2:], kernel, strides, dilations)
        more = per_axis(output_padding, len(kernel), "output_padding")
        if size:
            lengths = zip(input.shape[2:], kernel, strides, dilations, more, strict=True)
            natural = [s * (count - 1) + d * (k - 1) + 1 + m for count, k, s, d, m in lengths]
            borders, more = _to_size(natural, per_axis(size, len(kernel), "size"), more, more_before)
        for length, k, s, (before, behind), d, m in zip(
            input.shape[2:], kernel, strides, borders, dilations, more, strict=True
        ):
            if s * (length - 1) + d * (k - 1) + 1 - before - behind + m < 1:
                raise InputError(
                    f"deconvolution of {dimensions(input.shape)} leaves nothing: padding {before} is too wide"
                )
        function = _DECONVOLUTIONS[weight.dim() - 2]
        paddings = [before for before, _ in borders]
        if all(before == behind for before, behind in borders):
            return function(input, weight, bias, strides, paddings, more, groups, dilations)
        whole = function(input, weight, bias, strides, 0, more, groups, dilations)
        return F.pad(whole, [-side for side in around(borders)])

    return one_or_all([_over_batch(spread, input, axis) for input in inputs])


def _to_size(
    natural: Sequence[int], target: Sequence[int], more: tuple[int, ...], more_before: bool
) -> tuple[list[tuple[int, int]], tuple[int, ...]]:
    """Return the padding, and the positions added behind, that turn the lengths there would be into those wanted."""
    borders = []
    for length, size in zip(natural, target, strict=True):
        less, rest = max(0, length - size) // 2, -(-max(0, length - size) // 2)
        borders.append((rest, less) if more_before else (less, rest))
    return borders, tuple(
        m + max(0, size - length) for m, length, size in zip(more, natural, target, strict=True)
    )


@operation(window=pooling_window, relevance="routed")
def im2col(
    input: Tensor,
    *,
    kernel: Sizes,
    stride: Sizes = 1,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    axis: int = 1,
) -> Tensor:
    """Return the patches a convolution multiplies: (batch, channels x kernel positions, rows, columns)."""

    def columns(input: Tensor) -> Tensor:
        axes = input.dim() - 2
        names = ("kernel", "stride", "padding", "dilation")
        sizes = [
            per_axis(value, axes, name)
            for name, value in zip(names, (kernel, stride, padding, dilation), strict=True)
        ]
        kernels, strides, paddings, dilations = sizes
        _require_room(input, kernels, strides, [(p, p) for p in paddings], dilations)
        patches = F.pad(input, [side for p in reversed(paddings) for side in (p, p)])
        for at in range(axes):
            extent = dilations[at] * (kernels[at] - 1) + 1
            patches = patches.unfold(2 + at, extent, strides[at])[..., :: dilations[at]]
        rows = patches.shape[2 : 2 + axes]
        order = (0, 1, *range(2 + axes, 2 + 2 * axes), *range(2, 2 + axes))
        return patches.permute(order).reshape(input.shape[0], input.shape[1] * prod(kernels), *rows)

    return _over_batch(columns, input, axis)


def _over_batch(function: Callable[[Tensor], Tensor], input: Tensor, axis: int) -> Tensor:
    """Run a function of (batch, channels, ...) with all axes before the channels as the batch."""
    axis = axis_index(axis, input)
    require_filled(input, "convolution")
    if axis == 1:
        return function(input)
    batch = input.shape[:axis]
    output = function(input.reshape(prod(batch), *input.shape[axis:]))
    return output.reshape(*batch, *output.shape[1:])


def _window(input: Tensor, weight: Tensor, stride: Sizes, dilation: Sizes) -> tuple[tuple[int, ...], ...]:
    """Return kernel, stride and dilation, one number a spatial axis."""
    axes = weight.dim() - 2
    if axes not in _CONVOLUTIONS or input.dim() != weight.dim():
        expected = f"an input of {weight.dim()} axes (up to 5)"
        raise InputError(
            f"filters of {dimensions(weight.shape)} need {expected}, this one is {dimensions(input.shape)}"
        )
    settings = (("stride", stride), ("dilation", dilation))
    return tuple(weight.shape[2:]), *(per_axis(value, axes, what) for what, value in settings)


def _require_channels(input: Tensor, channels: int, what: str) -> None:
    if input.shape[1] != channels:
        problem = f"the input of {dimensions(input.shape)} has {input.shape[1]}"
        raise InputError(f"{what} needs {channels} channels, {problem}")


def _require_room(
    input: Tensor,
    kernel: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[tuple[int, int]],
    dilation: Sequence[int],
) -> None:
    for size, k, s, sides, d in zip(input.shape[2:], kernel, stride, padding, dilation, strict=True):
        if min(k, s, d) < 1 or min(sides) < 0:
            raise InputError(
                f"kernel {k}, stride {s} and dilation {d} must be positive, padding {min(sides)} not negative"
            )
        if size + sum(sides) < d * (k - 1) + 1:
            covers = f"a kernel that covers {d * (k - 1) + 1} pixels"
            raise InputError(
                f"{covers} is larger than the input of {dimensions(input.shape)} with padding {max(sides)}: "
                "use a larger picture"
            )
