"""The same numbers in another shape."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from torch import Tensor

from convscope.errors import InputError
from convscope.network.operations.checks import axis_index, dimensions
from convscope.network.operations.registry import operation


@operation
def identity(input: Tensor) -> Tensor:
    """Return the input: what dropout does outside training."""
    return input


@operation
def flatten(input: Tensor, *, axis: int = 1, end_axis: int = -1) -> Tensor:
    """Return the axes from `axis` to `end_axis`, both included, as one."""
    return input.flatten(axis_index(axis, input), axis_index(end_axis, input))


@operation
def reshape(input: Tensor, *, shape: Sequence[int], axis: int = 0, num_axes: int = -1) -> Tensor:
    """Return the input in another shape; 0 copies the size at its place, -1 is worked out from the rest.

    `shape` replaces the `num_axes` axes from `axis` on (-1: all to the end). Raises InputError where the
    numbers do not fill it.
    """
    start = axis if axis >= 0 else input.dim() + axis + 1
    end = input.dim() if num_axes == -1 else start + num_axes
    if not 0 <= start <= end <= input.dim():
        raise InputError(f"{num_axes} axes from axis {axis} do not exist in {dimensions(input.shape)}")
    if any(size == 0 and start + at >= input.dim() for at, size in enumerate(shape)):
        raise InputError(f"shape {list(shape)} copies an axis that {dimensions(input.shape)} does not have")
    new = [size or input.shape[start + at] for at, size in enumerate(shape)]
    full = [*input.shape[:start], *new, *input.shape[end:]]
    known = prod([size for size in full if size != -1])
    if full.count(-1) > 1 or (input.numel() % known if -1 in full else input.numel() != known):
        raise InputError(
            f"{dimensions(input.shape)} does not fit into shape {full}: the network fixes this size"
        )
    return input.reshape(full)


@operation
def tile(input: Tensor, *, tiles: int, axis: int = 1) -> Tensor:
    """Return the input repeated `tiles` times along the axis."""
    at = axis_index(axis, input)
    return input.repeat([tiles if index == at else 1 for index in range(input.dim())])


@operation
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
