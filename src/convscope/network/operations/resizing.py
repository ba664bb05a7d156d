"""Enlarging and shrinking, with each convention for where an output's pixel lies in the input.

One axis after the other: each output position is a weighted sum of a few positions of the input. Sizes and places
follow onnxruntime to the last bit: both come from scales in single precision.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, frexp, ldexp, pi
from typing import Literal

import torch
from torch import Tensor

from convscope.errors import InputError
from convscope.network.operations.checks import dimensions, whole_numbers
from convscope.network.operations.registry import operation

Interpolation = Literal["nearest", "linear", "cubic", "lanczos3", "lanczos5", "gaussian", "mitchell"]
Coordinates = Literal[
    "half_pixel",
    "pytorch_half_pixel",
    "half_pixel_symmetric",
    "asymmetric",
    "align_corners",
    "tf_half_pixel_for_nn",
    "tf_crop_and_resize",
    "asymmetric_ratio",
    "half_pixel_ratio",
]
Nearest = Literal["round_prefer_floor", "round_prefer_ceil", "floor", "ceil", "simple"]
Aspect = Literal["stretch", "not_larger", "not_smaller"]


@operation(reads_sizes=True, relevance="routed")
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
    antialias: bool = False,
    exclude_outside: bool = False,
    aspect: Aspect = "stretch",
    region: Sequence[float] = (),
    outside: float = 0.0,
    subpixels: int = 0,
) -> Tensor:
    """Return the input with its axes in other sizes: those of `shape` (0: as it is), or `scales` times as large.

    A second input gives the sizes as numbers, or with `by_scale` the scales. `coordinates` are ONNX's names for where
    pixel x lies: "half_pixel" ``(x + 0.5) / scale - 0.5``, "asymmetric" ``x / scale``, "align_corners".
    "asymmetric_ratio" ``x * ratio`` and "half_pixel_ratio" ``(x + 0.5) * ratio`` are TensorFlow's, which multiplies by
    the size before over the size after: it rounds otherwise.
    With `aspect` all sizes grow alike, so that none is larger (or smaller) than wanted. "tf_crop_and_resize" shows the
    `region` (each axis's start, then each one's end, from 0 to 1), and `outside` where that leaves the input; an axis
    that keeps its size shows all of it, as in onnxruntime.
    Places between pixels are rounded to `subpixels` parts of one: TensorFlow's cubic has a table of 1,024.
    "lanczos3" and "lanczos5" reach over so many pixels on each side; "gaussian" and "mitchell" (Mitchell and Netravali,
    1988) smooth at the same size too.
    """
    if sizes is not None and by_scale:
        scales = sizes.tolist()
    elif sizes is not None:
        shape = whole_numbers(sizes, ())
    targets = scales or shape
    if len(targets) > input.dim() or min(targets, default=0) < 0:
        raise InputError(f"{dimensions(input.shape)} cannot be resized to {list(targets)}")
    if coordinates == "tf_crop_and_resize":
        count = len(region) // 2
        parts: list[tuple[float, float] | None] = list(zip(region[:count], region[count:], strict=True))
    else:
        parts = [None] * len(targets)
    lengths = _lengths(input.shape, shape, scales, aspect)
    if any(new < 1 for new, _ in lengths):
        raise InputError(f"nothing is left of {dimensions(input.shape)} resized to {list(targets)}")
    manner = _Manner(
        interpolation, nearest, cubic, antialias, exclude_outside, outside if any(parts) else None, subpixels
    )
    smooths = interpolation in SMOOTHING
    same_size = all(new == size for (new, _), size in zip(lengths, input.shape, strict=False))
    if same_size and not smooths:
        return input  # as onnxruntime does, whatever the scales and the region are
    for axis, ((new, factor), part) in enumerate(zip(lengths, parts, strict=True)):
        size = input.shape[axis]
        if new != size or factor != 1 or (smooths and axis > 1):
            places = _places(new, size, factor, coordinates, part or (0.0, 1.0))
            input = _along(input, axis, places, factor, manner)
    return input


@operation(relevance="routed")
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


@dataclass(frozen=True)
class _Manner:
    """How the positions of the input around a place become one number."""

    interpolation: Interpolation
    nearest: Nearest
    cubic: float
    antialias: bool
    exclude_outside: bool
    outside: float | None
    subpixels: int


def _single(number: float) -> float:
    """Return a number as single precision keeps it."""
    share, power = frexp(number)
    return ldexp(round(share * 2**24), power - 24)


def _lengths(
    sizes: Sequence[int],
    shape: Sequence[int],
    scales: Sequence[float],
    aspect: Aspect,
) -> list[tuple[int, float]]:
    """Return each axis's new size, and the factor by which places are reckoned."""
    if scales:
        # Onnxruntime multiplies in single precision: 20 times 0.65 are 13 there, and 12.99 in double. Of a region too
        # it takes the whole axis' size, as ONNX's own evaluator does, whatever the specification's text says.
        return [
            (int(_single(size * _single(scale))), _single(scale))
            for size, scale in zip(sizes, scales, strict=False)
        ]
    if aspect == "stretch":
        return [(new or size, _single((new or size) / size)) for size, new in zip(sizes, shape, strict=False)]
    ratios = [new / size for size, new in zip(sizes, shape, strict=False) if new]
    ratio = _single(min(ratios) if aspect == "not_larger" else max(ratios))
    return [
        (floor(ratio * size + 0.5), ratio) if new else (size, 1.0)
        for size, new in zip(sizes, shape, strict=False)
    ]


def _places(
    new: int, size: int, factor: float, coordinates: Coordinates, region: tuple[float, float]
) -> Tensor:
    """Return where in the input each output position lies."""
    x = torch.arange(new, dtype=torch.float32)
    by = torch.tensor(factor)  # torch would multiply by a plain number's reciprocal, which rounds otherwise
    match coordinates:
        case "asymmetric":
            return x / by
        case "align_corners":
            return x * (size - 1) / (new - 1) if new > 1 else x * 0
        case "pytorch_half_pixel" if new == 1:
            return x * 0
        case "half_pixel_symmetric":
            adjusted = _single(new / _single(size * factor))
            return _single(size / 2 * _single(1 - adjusted)) + (x + 0.5) / by - 0.5
        case "half_pixel" | "pytorch_half_pixel":
            return (x + 0.5) / by - 0.5
        case "tf_half_pixel_for_nn":
            return (x + 0.5) / by
        case "asymmetric_ratio":
            return x * torch.tensor(_single(size / new))
        case "half_pixel_ratio":
            return (x + 0.5) * torch.tensor(_single(size / new))
        case "tf_crop_and_resize":
            start, end = region
            if new == 1:
                return x * 0 + 0.5 * (start + end) * (size - 1)
            return start * (size - 1) + x * (end - start) * (size - 1) / (new - 1)
    raise InputError(f"pixels do not lie {coordinates!r}")


def _along(input: Tensor, axis: int, places: Tensor, factor: float, manner: _Manner) -> Tensor:
    last = input.shape[axis] - 1

    def taken(index: Tensor) -> Tensor:
        return input.index_select(axis, index.clamp(0, last).long().to(input.device))

    def spread(row: Tensor) -> Tensor:
        return row.to(input).reshape([1] * axis + [-1] + [1] * (input.dim() - axis - 1))

    if manner.interpolation == "nearest":
        resized = taken(_nearest(places, manner.nearest, factor))
    else:
        indices, weights = _taps(places, factor, last, manner)
        terms = [taken(index) * spread(weight) for index, weight in zip(indices, weights, strict=True)]
        resized = torch.stack(terms).sum(0) if len(terms) > 4 else sum(terms[1:], terms[0])
    if manner.outside is None:
        return resized
    return torch.where(spread((places < 0) | (places > last)) != 0, manner.outside, resized)


def nearest_indices(new: int, size: int, coordinates: Coordinates, nearest: Nearest) -> Tensor:
    """Return which positions of an axis are taken where it gets another size, by the nearest."""
    factor = _single(new / size)
    return _nearest(_places(new, size, factor, coordinates, (0.0, 1.0)), nearest, factor).clamp(0, size - 1)


def _nearest(places: Tensor, how: Nearest, factor: float) -> Tensor:
    match how:
        case "simple":  # what onnxruntime does before opset 11
            return places.ceil() if factor < 1 else places.floor()
        case "floor":
            return places.floor()
        case "ceil":
            return places.ceil()
        case "round_prefer_ceil":
            return (places + 0.5).floor()
    return (places - 0.5).ceil()


def _taps(places: Tensor, factor: float, last: int, manner: _Manner) -> tuple[list[Tensor], list[Tensor]]:
    """Return the positions each output is made of, and their weights; both one row a tap."""
    if manner.interpolation not in REACHES:
        raise InputError(f"interpolation is nearest or {', '.join(REACHES)}, not {manner.interpolation!r}")
    reach = REACHES[manner.interpolation]
    # Shrinking with antialias, the filter is as much wider as the picture gets smaller.
    narrow = min(factor, 1.0) if manner.antialias else 1.0
    steps = range(1 - ceil(reach / narrow), ceil(reach / narrow) + 1)
    begin = places.floor()
    if parts := manner.subpixels:
        places = begin + ((places - begin) * parts).round() / parts
    indices = [begin + step for step in steps]
    distances = [(index - places).abs() * narrow for index in indices]
    weights = [_weight(distance, manner) for distance in distances]
    if manner.exclude_outside:
        weights = [
            torch.where((index < 0) | (index > last), 0.0, weight)
            for index, weight in zip(indices, weights, strict=True)
        ]
    if manner.exclude_outside or manner.antialias:
        total = torch.stack(weights).sum(0)
        weights = [weight / total for weight in weights]
    return indices, weights


REACHES = {"linear": 1.0, "cubic": 2.0, "lanczos3": 3.0, "lanczos5": 5.0, "gaussian": 1.5, "mitchell": 2.0}
SMOOTHING = ("gaussian", "mitchell")


def _weight(distance: Tensor, manner: _Manner) -> Tensor:
    reach = REACHES[manner.interpolation]
    match manner.interpolation:
        case "cubic":
            return _cubic(distance, manner.cubic)
        case "lanczos3" | "lanczos5":
            angle = pi * distance.clamp(min=1e-3)
            window = reach * angle.sin() * (angle / reach).sin() / angle.square()
            return torch.where(distance > reach, 0.0, torch.where(distance < 1e-3, 1.0, window))
        case "gaussian":  # its deviation is a third of its reach, as in TensorFlow
            return torch.where(distance < reach, (-4.5 * (distance / reach).square()).exp(), 0.0)
        case "mitchell":
            near = (7 / 6 * distance - 2) * distance * distance + 8 / 9
            far = ((-7 / 18 * distance + 2) * distance - 10 / 3) * distance + 16 / 9
            return torch.where(distance < 1, near, torch.where(distance < 2, far, 0.0))
    return (1 - distance).clamp(min=0)


def _cubic(distance: Tensor, a: float) -> Tensor:
    """Return the weight of a position so far away (Keys, 1981)."""
    near = ((a + 2) * distance - (a + 3)) * distance * distance + 1
    far = ((a * distance - 5 * a) * distance + 8 * a) * distance - 4 * a
    return torch.where(distance <= 1, near, torch.where(distance < 2, far, 0.0))
