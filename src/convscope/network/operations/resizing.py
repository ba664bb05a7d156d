"""Enlarging and shrinking, with each convention for where an output's pixel lies in the input.

One axis after the other: each output position is a sum of 1, 2 or 4 positions of the input.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import floor
from typing import Literal

import torch
from torch import Tensor

from convscope.errors import InputError
from convscope.network.operations.checks import dimensions, whole_numbers
from convscope.network.operations.registry import operation

Interpolation = Literal["nearest", "linear", "cubic"]
Coordinates = Literal[
    "half_pixel", "pytorch_half_pixel", "half_pixel_symmetric", "asymmetric", "align_corners"
]
Nearest = Literal["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"]


@operation(reads_sizes=True)
def resize(
    input: Tensor,
    sizes: Tensor | None = None,
    *,
    shape: Sequence[int] = (),
    scales: Sequence[float] = (),
    interpolation: Interpolation = "nearest",
    coordinates: Coordinates = "half_pixel",
    nearest: Nearest = "round_prefer_floor",
    cubic: float = -0.75,
    by_scale: bool = False,
) -> Tensor:
    """Return the input with its axes in other sizes: those of `shape` (0: as it is), or `scales` times as large.

    A second input gives the sizes as numbers, or with `by_scale` the scales. `coordinates` are ONNX's names for where
    pixel x lies: "half_pixel" ``(x + 0.5) / scale - 0.5``, "asymmetric" ``x / scale`` (TensorFlow 1), "align_corners".
    """
    if sizes is not None and by_scale:
        scales = sizes.tolist()
    elif sizes is not None:
        shape = whole_numbers(sizes, ())
    given = scales or shape
    if len(given) > input.dim() or min(given, default=0) < 0:
        raise InputError(f"{dimensions(input.shape)} cannot be resized to {list(given)}")
    for axis, wanted in enumerate(given):
        size = input.shape[axis]
        new = floor(size * wanted) if scales else int(wanted) or size
        factor = float(wanted) if scales else new / size
        if new < 1:
            raise InputError(f"nothing is left of axis {axis} of {dimensions(input.shape)}")
        if new != size or factor != 1:
            places = _places(new, size, factor, coordinates).to(input.dtype)
            input = _along(input, axis, places, interpolation, nearest, cubic)
    return input


@operation
def resize_corners(
    input: Tensor,
    reference: Tensor | None = None,
    *,
    size: tuple[int, int] = (0, 0),
    shrink: int = 1,
    zoom: int = 1,
    crop: tuple[int, int] = (0, 0),
) -> Tensor:
    """Return a map resized bilinearly so that its corners stay: the Interp layer of DeepLab, PSPNet and ICNet.

    First `crop` rows and columns go (before, behind). The size is that of `reference`, or `size`, or what `shrink` and
    then `zoom` make of it: ``(n - 1) / shrink + 1``, ``(n - 1) zoom + 1``.
    """
    before, behind = crop
    height, width = (length - before - behind for length in input.shape[2:])
    if input.dim() != 4 or min(height, width, shrink, zoom) < 1 or min(crop) < 0:
        raise InputError(f"nothing is left to resize of {dimensions(input.shape)}")
    input = input[:, :, before : before + height, before : before + width]
    if reference is not None:
        size = (reference.shape[2], reference.shape[3])
    elif not all(size):
        sizes = [((length - 1) // shrink + 1 - 1) * zoom + 1 for length in (height, width)]
        size = (sizes[0], sizes[1])
    return resize(input, shape=(0, 0, *size), interpolation="linear", coordinates="align_corners")


def _places(new: int, size: int, factor: float, coordinates: Coordinates) -> Tensor:
    """Return where in the input each output position lies."""
    x = torch.arange(new, dtype=torch.float64)
    match coordinates:
        case "asymmetric":
            return x / factor
        case "align_corners":
            return x * (size - 1) / (new - 1) if new > 1 else x * 0
        case "pytorch_half_pixel" if new == 1:
            return x * 0
        case "half_pixel_symmetric":
            adjusted = new / (size * factor)
            center = size / 2
            return center * (1 - adjusted) + (x + 0.5) / factor - 0.5
        case "half_pixel" | "pytorch_half_pixel":
            return (x + 0.5) / factor - 0.5
    raise InputError(f"pixels do not lie {coordinates!r}")


def _along(
    input: Tensor, axis: int, places: Tensor, interpolation: str, nearest: Nearest, cubic: float
) -> Tensor:
    last = input.shape[axis] - 1

    def taken(index: Tensor) -> Tensor:
        return input.index_select(axis, index.clamp(0, last).long().to(input.device))

    if interpolation == "nearest":
        return taken(_nearest(places, nearest))
    along = [1] * axis + [-1] + [1] * (input.dim() - axis - 1)
    begin = places.floor()
    share = (places - begin).to(input).reshape(along)
    if interpolation == "linear":
        # Outside the first and the last position there is nothing to go between: the edge goes on.
        return taken(begin) * (1 - share) + taken(begin + 1) * share
    if interpolation != "cubic":
        raise InputError(f"interpolation is nearest, linear or cubic, not {interpolation!r}")
    weights = _cubic(share, cubic)
    terms = [taken(begin + step) * weight for step, weight in zip((-1, 0, 1, 2), weights, strict=True)]
    return terms[0] + terms[1] + terms[2] + terms[3]


def _nearest(places: Tensor, how: Nearest) -> Tensor:
    match how:
        case "floor":
            return places.floor()
        case "ceil":
            return places.ceil()
        case "round_prefer_ceil":
            return (places + 0.5).floor()
    return (places - 0.5).ceil()


def _cubic(share: Tensor, a: float) -> tuple[Tensor, ...]:
    """Return the weights of the four positions around (Keys, 1981)."""

    def far(x: Tensor) -> Tensor:
        return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a

    def near(x: Tensor) -> Tensor:
        return ((a + 2) * x - (a + 3)) * x * x + 1

    return far(share + 1), near(share), near(1 - share), far(2 - share)
