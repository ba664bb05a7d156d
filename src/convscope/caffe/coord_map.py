"""`caffe.coord_map`: where a position of one layer lies in another, and the crop that aligns the two.

A map is (axis, scale, shift): the coordinate i of the input lies at ``i * scale + shift`` of the output. Layers
that work position by position have the map (None, 1, 0). Used by fully convolutional networks (Long, Shelhamer
and Darrell 2015) to cut an upsampled answer to its picture's size.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from convscope.caffe.net_spec import Function, Top, layers
from convscope.formats.caffe.aligned_crops import POSITIONS_STAY

CoordinateMap: TypeAlias = tuple[int | None, Any, Any]

PASS_THROUGH_LAYERS = {*POSITIONS_STAY}
IDENTITY: CoordinateMap = (None, 1, 0)


class UndefinedMapException(Exception):
    """A layer whose outputs lie nowhere in particular of its input, such as a fully-connected one."""


class AxisMismatchException(Exception):
    """Two maps that count the spatial axes from different ones."""


def coord_map(fn: Function) -> CoordinateMap:
    """Return the map of one layer; UndefinedMapException where there is none."""
    if fn.type_name in ("Convolution", "Pooling", "Im2col"):
        axis, stride, kernel, padding = _window(fn)
        return axis, 1 / stride, (padding - (kernel - 1) / 2) / stride
    if fn.type_name == "Deconvolution":
        axis, stride, kernel, padding = _window(fn)
        return axis, stride, (kernel - 1) / 2 - padding
    if fn.type_name == "Crop":
        settings = fn.params.get("crop_param", fn.params)
        return settings.get("axis", 2) - 1, 1, -np.array(settings.get("offset", 0), ndmin=1)
    if fn.type_name in PASS_THROUGH_LAYERS:
        return IDENTITY
    raise UndefinedMapException(f"a {fn.type_name} layer has no coordinate map")


def compose(base_map: CoordinateMap, next_map: CoordinateMap) -> CoordinateMap:
    """Return the map through `next_map`, then `base_map`."""
    (base_axis, base_scale, base_shift), (next_axis, scale, shift) = base_map, next_map
    if None not in (base_axis, next_axis) and base_axis != next_axis:
        raise AxisMismatchException(f"one map counts from axis {base_axis}, the other from axis {next_axis}")
    axis = next_axis if base_axis is None else base_axis
    return axis, base_scale * scale, base_scale * shift + base_shift


def inverse(coord_map: CoordinateMap) -> CoordinateMap:
    """Return the map in the other direction."""
    axis, scale, shift = coord_map
    return axis, 1 / scale, -shift / scale


def coord_map_from_to(top_from: Top, top_to: Top) -> CoordinateMap:
    """Return where positions of one output lie in another, through the nearest layer both come from.

    >>> coord_map_from_to(n.score, n.data)
    (1, array([1.]), array([-12.]))

    Raises RuntimeError when no spatial layers connect them.
    """
    from_maps: dict[Top, CoordinateMap] = {}
    _walk(top_from, lambda top, coordinates: from_maps.__setitem__(top, coordinates))
    answer: list[CoordinateMap] = []

    def meet(top: Top, coordinates: CoordinateMap) -> bool:
        if top in from_maps:
            answer.append(compose(coordinates, inverse(from_maps[top])))
        return bool(answer)

    _walk(top_to, meet)
    if not answer:
        raise RuntimeError(
            "could not compute the map between these tops: are they connected by spatial layers?"
        )
    return answer[0]


def crop(top_from: Top, top_to: Top) -> Any:
    """Return a Crop layer's output: `top_from` cut to the part that lies over `top_to`.

    Raises AssertionError where the two have different scales, or the crop would be negative or not whole.
    """
    axis, scale, shift = coord_map_from_to(top_from, top_to)
    if not np.all(scale == 1):
        raise AssertionError(f"scale mismatch on crop: one position is {scale} of the other")
    if not np.all(shift <= 0):
        raise AssertionError(f"cannot crop a negative width: the shift is {shift}")
    if not np.all(np.round(shift) == shift):
        raise AssertionError(f"cannot crop a part of a pixel: the shift is {shift}")
    offset = np.atleast_1d(-np.round(shift)).astype(int).tolist()
    return layers.Crop(
        top_from, top_to, crop_param={"axis": 2 if axis is None else axis + 1, "offset": offset}
    )


def _walk(start: Top, visit: Callable[[Top, CoordinateMap], Any]) -> None:
    """Visit what an output is made from with the map to it, nearest first, until `visit` answers yes."""
    waiting: list[tuple[Top, CoordinateMap]] = [(start, IDENTITY)]
    visited: set[Top] = set()
    while waiting:
        top, coordinates = waiting.pop(0)
        if top in visited:
            continue
        visited.add(top)
        if visit(top, coordinates):
            return
        try:
            step = coord_map(top.fn)
        except UndefinedMapException:
            continue
        # A crop's second input only lends its size: it has no place in the first one's coordinates.
        bottoms = top.fn.inputs[:1] if top.fn.type_name == "Crop" else top.fn.inputs
        waiting += [(bottom, compose(coordinates, step)) for bottom in bottoms]


def _window(fn: Function) -> tuple[int, Any, Any, Any]:
    """Return axis, stride, the kernel's extent and the padding, an array of one number or one an axis each."""
    settings = fn.params.get("convolution_param") or fn.params.get("pooling_param") or fn.params
    if {"pad_h", "pad_w", "kernel_h", "kernel_w", "stride_h", "stride_w"} & set(settings):
        raise AssertionError("coordinate maps do not know _h and _w settings: write kernel_size=[h, w]")
    kernel = np.array(settings["kernel_size"], ndmin=1)
    dilation = np.array(settings.get("dilation", 1), ndmin=1)
    stride = np.array(settings.get("stride", 1), ndmin=1)
    return (
        settings.get("axis", 1),
        stride,
        (kernel - 1) * dilation + 1,
        np.array(settings.get("pad", 0), ndmin=1),
    )
