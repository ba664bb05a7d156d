"""What one position of a resized map sees of the map before: as many neighbors as the interpolation reaches.

The same places as `convscope.network.operations.resizing` reckons, in fractions and for positions without end.
"""

from __future__ import annotations

from fractions import Fraction
from math import floor
from typing import Any

from convscope.network.graph import Operation
from convscope.network.operations.registry import Shape, Window
from convscope.network.operations.resizing import REACHES, SMOOTHING

_Axis = tuple[Fraction, Fraction, Fraction]  # kernel, stride and padding
_ATEN = {
    "nearest2d": ("nearest", "asymmetric"),
    "nearest_exact2d": ("nearest", "half_pixel"),
    "bilinear2d": ("linear", "half_pixel"),
    "bicubic2d": ("cubic", "half_pixel"),
}


def resized_window(operation: Operation, before: Shape, after: Shape) -> Window | None:
    """Return the window of an operation that only moves pixels, for (height, width) before and after; None for others.

    Fractions: position i sees the whole numbers from ``i * stride - padding`` to that plus ``kernel - 1``.
    """
    attributes = _as_resize(operation)
    if attributes is None or attributes.get("coordinates") == "tf_crop_and_resize":
        return None
    scales = tuple(attributes.get("scales") or ())
    factors = scales[-2:] if len(scales) in (2, 4) else ()
    axes = [
        _axis(attributes, size, new, _factor(factors[at : at + 1], size, new))
        for at, (size, new) in enumerate(zip(before, after, strict=True))
    ]
    first, second = axes
    kernel, stride, padding = zip(first, second, strict=True)
    return kernel, stride, padding


def _as_resize(operation: Operation) -> dict[str, Any] | None:
    """Return the attributes as those of `resize`; blocks of channels that become pixels are read as the nearest."""
    attributes = dict(operation.attributes)
    match operation.kind:
        case "resize":
            return attributes
        case "resize_codes":
            corners, centers = attributes.get("corners"), attributes.get("centers")
            coordinates = "half_pixel" if centers else "align_corners" if corners else "asymmetric"
            return None if corners and centers else {"interpolation": "linear", "coordinates": coordinates}
        case "resize_corners" if not any(attributes.get("crop", ())):
            return {"interpolation": "linear", "coordinates": "align_corners"}
        case "depth_to_space" | "space_to_depth":
            return {"interpolation": "blocks"}
        case "aten":
            name = attributes["operator"].removeprefix("_")
            if name in ("pixel_shuffle", "pixel_unshuffle"):
                return {"interpolation": "blocks"}
            smooth = name.endswith("_aa")
            known = _ATEN.get(name.removeprefix("upsample_").removesuffix("_aa"))
            if known is None or not name.startswith("upsample_"):
                return None
            rest = attributes["arguments"][1:]
            corners = "nearest" not in name and rest[1] is True
            scales = rest[-1] if isinstance(rest[-1], tuple | list) and rest[0] is None else ()
            numbers = scales if all(isinstance(scale, int | float) for scale in scales) else ()
            how = {"interpolation": known[0], "coordinates": "align_corners" if corners else known[1]}
            return (
                how
                | {"nearest": "floor" if how["coordinates"] == "asymmetric" else "round_prefer_ceil"}
                | {
                    "scales": tuple(numbers),
                    "antialias": smooth,
                }
            )
    return None


def _factor(scales: tuple[float, ...], size: int, new: int) -> Fraction:
    """Return how many times as large the axis gets: the scale it was given, where that makes this size."""
    if scales and int(size * scales[0] + 1e-4) == new:
        return Fraction(scales[0]).limit_denominator(1024)
    return Fraction(new, size)


def _axis(attributes: dict[str, Any], size: int, new: int, factor: Fraction) -> _Axis:
    interpolation = attributes.get("interpolation", "nearest")
    half = Fraction(1, 2)
    if interpolation == "blocks":
        if new >= size:
            return 2 - 1 / factor, 1 / factor, (factor - 1) / factor
        return 1 / factor, 1 / factor, Fraction(0)
    if new == size and factor == 1 and interpolation not in SMOOTHING:
        return Fraction(1), Fraction(1), Fraction(0)
    stride, start = 1 / factor, Fraction(0)
    match attributes.get("coordinates", "half_pixel"):
        case "align_corners":
            stride = Fraction(size - 1, new - 1) if new > 1 else Fraction(0)
        case "pytorch_half_pixel" if new == 1:
            stride = Fraction(0)
        case "half_pixel_symmetric":
            start = Fraction(size, 2) * (1 - new / (size * factor)) + half * stride - half
        case "half_pixel" | "pytorch_half_pixel":
            start = half * stride - half
        case "tf_half_pixel_for_nn":
            start = half * stride
        case "asymmetric_ratio" | "half_pixel_ratio" as name:
            stride = Fraction(size, new)
            start = half * stride if name == "half_pixel_ratio" else start
    # Places lie on a lattice; `between` keeps a border that a tap does not reach from being counted.
    between = Fraction(1, 16 * stride.denominator * start.denominator)
    if interpolation != "nearest":
        narrow = min(factor, Fraction(1)) if attributes.get("antialias") else Fraction(1)
        reach = Fraction(REACHES[interpolation]) / narrow
        between = min(between, Fraction(1, 16 * reach.denominator * stride.denominator * start.denominator))
        return 2 * reach - 2 * between + 1, stride, reach - between - start
    last = _last_nearest(attributes.get("nearest", "round_prefer_floor"), factor, between)
    kernel, padding = 2 - between, 1 - between - start - last
    if factor.denominator & (factor.denominator - 1):  # single precision decides which of two is the nearer
        kernel, padding = kernel + 4 * between, padding + 2 * between
    if floor(start + last) < 0:  # of places outside the border line is taken
        kernel += 1
    if floor(start + (new - 1) * stride + last) >= size:
        kernel, padding = kernel + 1, padding + 1
    return kernel, stride, padding


def _last_nearest(how: str, factor: Fraction, between: Fraction) -> Fraction:
    """Return what to add to a place so that the whole number below is the nearest one."""
    up = 1 - between
    match how:
        case "simple":
            return up if factor < 1 else Fraction(0)
        case "floor":
            return Fraction(0)
        case "ceil":
            return up
        case "round_prefer_ceil":
            return Fraction(1, 2)
    return Fraction(1, 2) - between
