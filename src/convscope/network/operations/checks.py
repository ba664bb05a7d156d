"""What the operations ask of their inputs, refused in words instead of by torch's inside."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from convscope.errors import InputError

Sizes = int | Sequence[int]
Padding = int | str | Sequence[int]
"""One number, one an axis, all those before and then all those behind, or "same" ("same_lower")."""


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


def margins(
    padding: Padding, sizes: Sequence[int], kernel: Sizes, stride: Sizes, dilation: Sizes = 1
) -> list[tuple[int, int]]:
    """Return how far an axis of each size is padded, as (before, behind).

    "same" is as much as makes ``size / stride`` windows, rounded up; where that is odd, the one more is behind
    (TensorFlow, ONNX's SAME_UPPER), or before with "same_lower".

    >>> margins("same", (224, 224), 3, 2), margins((0, 1, 2, 3), (9, 9), 3, 1)
    ([(0, 1), (0, 1)], [(0, 2), (1, 3)])
    """
    axes = len(sizes)
    if not isinstance(padding, str):
        if not isinstance(padding, int) and axes > 0 and len(padding) == 2 * axes:
            return list(zip(padding[:axes], padding[axes:], strict=True))
        return [(each, each) for each in per_axis(padding, axes, "padding")]
    if padding not in ("same", "same_lower"):
        raise InputError(f"padding is numbers, 'same' or 'same_lower', not {padding!r}")
    triple = (("kernel", kernel), ("stride", stride), ("dilation", dilation))
    windows = zip(sizes, *(per_axis(value, axes, what) for what, value in triple), strict=True)
    margins_by_axis = []
    for size, k, s, d in windows:
        total = max(0, (-(-size // max(s, 1)) - 1) * s + d * (k - 1) + 1 - size)
        less, more = total // 2, total - total // 2
        margins_by_axis.append((less, more) if padding == "same" else (more, less))
    return margins_by_axis


def around(borders: Sequence[tuple[int, int]]) -> list[int]:
    """Return (before, behind) of each axis as torch's ``pad`` takes them: the last axis first.

    >>> around([(0, 1), (2, 3)])
    [2, 3, 0, 1]
    """
    return [side for border in reversed(borders) for side in border]


def whole_numbers(given: Tensor | None, otherwise: Sequence[int]) -> tuple[int, ...]:
    """Return the numbers of a tensor as whole ones, or the others where there is none."""
    if given is None:
        return tuple(otherwise)
    return tuple(int(number) for number in given.reshape(-1).tolist())


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
        span = f"{int(index.min())} to {int(index.max())}"
        raise InputError(f"{what} needs indices from 0 to {count - 1}, these go from {span}")
    return index
