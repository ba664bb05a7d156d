"""The same numbers in another shape."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Literal

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from convscope.errors import InputError
from convscope.network.operations.checks import around, axis_index, dimensions, whole_numbers
from convscope.network.operations.registry import operation
from convscope.network.operations.shape_rules import padded_shape, reshaped_shape
from convscope.network.operations.windows import margin_window


@operation(pointwise=True, part="rearrangement", relevance="passed", affine=True)
def identity(input: Tensor) -> Tensor:
    """Return the input: what dropout does outside training."""
    return input


@operation(part="rearrangement", relevance="routed", affine=True)
def flatten(input: Tensor, *, axis: int = 1, end_axis: int = -1) -> Tensor:
    """Return the axes from `axis` to `end_axis`, both included, as one."""
    return input.flatten(axis_index(axis, input), axis_index(end_axis, input))


@operation(shape=reshaped_shape, part="rearrangement", reads_sizes=True, relevance="routed", affine=True)
def reshape(
    input: Tensor,
    size: Tensor | None = None,
    *,
    shape: Sequence[int] = (),
    axis: int = 0,
    num_axes: int = -1,
) -> Tensor:
    """Return the input in another shape; 0 copies the size at its place, -1 is worked out from the rest.

    `shape` replaces the `num_axes` axes from `axis` on (-1: all to the end); a second input gives it as numbers.
    Raises InputError where the input does not fill it.
    """
    shape = whole_numbers(size, shape)
    start = axis if axis >= 0 else input.dim() + axis + 1
    end = input.dim() if num_axes == -1 else start + num_axes
    if not 0 <= start <= end <= input.dim():
        raise InputError(f"{num_axes} axes from axis {axis} do not exist in {dimensions(input.shape)}")
    if any(size == 0 and start + at >= input.dim() for at, size in enumerate(shape)):
        raise InputError(f"shape {list(shape)} copies an axis that {dimensions(input.shape)} does not have")
    new = [size or input.shape[start + at] for at, size in enumerate(shape)]
    full = [*input.shape[:start], *new, *input.shape[end:]]
    product = prod([size for size in full if size != -1])
    if full.count(-1) > 1 or (input.numel() % product if -1 in full else input.numel() != product):
        raise InputError(
            f"{dimensions(input.shape)} does not fit into shape {full}: the network fixes this size"
        )
    return input.reshape(full)


@operation(relevance="routed", affine=True)
def permute(input: Tensor, *, order: Sequence[int] = (), completed: bool = False) -> Tensor:
    """Return the axes in another order: axis i of the output is axis ``order[i]`` of the input; reversed without one.

    Where it is to be `completed`, the axes that it does not name follow as they are.

    >>> permute(torch.zeros(1, 4, 5, 3), order=(0, 3, 1, 2)).shape
    torch.Size([1, 3, 4, 5])
    """
    if completed:
        order = [*order, *(axis for axis in range(input.dim()) if axis not in order)]
    order = tuple(order) or tuple(range(input.dim()))[::-1]
    if sorted(order) != list(range(input.dim())):
        raise InputError(f"{list(order)} is no order of the axes of {dimensions(input.shape)}")
    return input.permute(order)


@operation(shape=padded_shape, window=margin_window, reads_sizes=True, relevance="routed")
def pad(
    input: Tensor,
    widths: Tensor | None = None,
    *,
    padding: Sequence[int] = (),
    axis: int = 2,
    mode: Literal["constant", "reflect", "symmetric", "replicate", "wrap"] = "constant",
    value: float = 0.0,
) -> Tensor:
    """Return the input with a border: of `value`, mirrored, its edge, or its other end; a negative one cuts off.

    "symmetric" mirrors the outermost numbers too, "reflect" does not.

    `padding` is for the axes from `axis` on: how much before each, then how much behind each; a second input gives it
    as numbers.
    """
    start, padding = axis_index(axis, input), whole_numbers(widths, padding)
    axes = input.dim() - start
    if len(padding) != 2 * axes:
        raise InputError(
            f"padding has {len(padding)} numbers for {axes} axes of {dimensions(input.shape)}, not {2 * axes}"
        )
    borders = list(zip(padding[:axes], padding[axes:], strict=True))
    if any(size + sum(border) < 1 for size, border in zip(input.shape[start:], borders, strict=True)):
        raise InputError(f"nothing of {dimensions(input.shape)} is left when {list(padding)} is cut off")
    if mode == "constant":
        return F.pad(input, around(borders), mode, value)
    while len(borders) > max(1, input.dim() - 2) and borders[0] == (0, 0):
        borders, start = borders[1:], start + 1
    if mode in ("reflect", "replicate") and start > 1 and len(borders) < 4:
        return F.pad(input, around(borders), mode)  # torch mirrors maps, not batches
    for at, (before, behind) in enumerate(borders, start=start):
        cut = [max(0, -before), max(0, -behind)]
        input = input.narrow(at, cut[0], input.shape[at] - sum(cut))
        input = input.index_select(at, _border(mode, input.shape[at], before, behind).to(input.device))
    return input


def _border(mode: str, size: int, before: int, behind: int) -> Tensor:
    """Return which positions of an axis stand there once it has a border."""
    places = torch.arange(-max(0, before), size + max(0, behind))
    match mode:
        case "wrap":
            return places % size
        case "symmetric":
            places = places % (2 * size)
            return torch.minimum(places, 2 * size - 1 - places)
        case "reflect":
            places = places % max(1, 2 * size - 2)
            return torch.minimum(places, (2 * size - 2 - places).clamp(min=0))
    return places.clamp(0, size - 1)


@operation(relevance="routed")
def tile(input: Tensor, *, tiles: int, axis: int = 1) -> Tensor:
    """Return the input repeated `tiles` times along the axis."""
    at = axis_index(axis, input)
    return input.repeat([tiles if index == at else 1 for index in range(input.dim())])


@operation(sees="first", relevance="routed")
def crop(input: Tensor, reference: Tensor, *, axis: int = 2, offsets: Sequence[int] = ()) -> Tensor:
    """Return the part of the input that has the reference's size in the axes from `axis` on.

    `offsets` say where it begins: none (0), one for all of these axes, or one each.
    """
    start = axis_index(axis, input)
    cropped = range(start, input.dim())
    if reference.dim() != input.dim() or len(offsets) not in (0, 1, len(cropped)):
        shapes = f"{dimensions(input.shape)} to {dimensions(reference.shape)}"
        raise InputError(f"cannot crop {shapes} from axis {start} with offsets {list(offsets)}")
    begins = [0] * len(cropped) if not offsets else list(offsets) * (len(cropped) if len(offsets) == 1 else 1)
    for index, begin in zip(cropped, begins, strict=True):
        size = reference.shape[index]
        if begin + size > input.shape[index]:
            raise InputError(
                f"{size} numbers from {begin} on do not lie inside {dimensions(input.shape)} in axis {index}"
            )
        input = input.narrow(index, begin, size)
    return input
