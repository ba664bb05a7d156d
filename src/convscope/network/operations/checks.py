"""What the operations ask of their inputs, refused in words instead of by torch's inside."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from convscope.errors import InputError

Sizes = int | Sequence[int]


def dimensions(shape: Sequence[int] | None, by: str = "x") -> str:
    """Write a shape for a message: ``1x3x224x224``; ``?`` where it is not known.

    >>> dimensions((1, 3, 224, 224))
    '1x3x224x224'
    """
    return "?" if shape is None else by.join(map(str, shape)) or "a single number"


def per_axis(value: Sizes, axes: int, what: str) -> tuple[int, ...]:
    """Return one number an axis: a single one counts for all of them.

    >>> per_axis(3, 2, "kernel")
    (3, 3)
    """
    sizes = (value,) if isinstance(value, int) else tuple(value)
    if len(sizes) == 1:
        return sizes * axes
    if len(sizes) != axes:
        raise InputError(
            f"{what} is given for {len(sizes)} axes, the input has {axes}: give one number or {axes}"
        )
    return sizes


def axis_index(axis: int, tensor: Tensor) -> int:
    """Return the axis counted from the front, as Caffe counts: -1 is the last one."""
    if not -tensor.dim() <= axis < tensor.dim():
        raise InputError(f"axis {axis} does not exist in an input of {dimensions(tensor.shape)}")
    return axis % tensor.dim()


def require_picture_axes(input: Tensor, what: str) -> None:
    """Refuse what is not (batch, channels, height, width), or is empty."""
    if input.dim() != 4:
        raise InputError(
            f"{what} needs batch x channels x height x width, the input is {dimensions(input.shape)}"
        )
    require_filled(input, what)


def require_filled(input: Tensor, what: str) -> None:
    """Refuse an input without a single number in it."""
    if input.numel() == 0:
        raise InputError(f"{what} needs at least one number, the input is empty: {dimensions(input.shape)}")


def require_same_shape(inputs: Sequence[Tensor], what: str) -> None:
    """Refuse inputs of different shapes."""
    if any(other.shape != inputs[0].shape for other in inputs[1:]):
        shapes = ", ".join(dimensions(tensor.shape) for tensor in inputs)
        raise InputError(f"{what} needs inputs of one shape, these are {shapes}")


def require_indices(index: Tensor, count: int, what: str) -> Tensor:
    """Return the indices as integers; refuse those outside 0 .. count-1."""
    index = index.long()
    looked_at = not (index.is_meta or torch.compiler.is_compiling() or index.numel() == 0)
    if looked_at and (int(index.min()) < 0 or int(index.max()) >= count):
        found = f"{int(index.min())} to {int(index.max())}"
        raise InputError(f"{what} needs indices from 0 to {count - 1}, these go from {found}")
    return index
