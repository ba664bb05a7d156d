"""Resize and Upsample, of all versions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, get_args

import numpy as np

from convscope.formats.onnx.node import Node
from convscope.formats.onnx.operators.arithmetic import cut_off
from convscope.formats.onnx.operators.registry import (
    reads,
    writes,
)
from convscope.formats.onnx.writer import Part
from convscope.formats.operation_plan import OperationPlan
from convscope.network.operations.resizing import Aspect, Coordinates, Nearest, nearest_indices

_MODES = {"nearest": "nearest", "linear": "linear", "bilinear": "linear", "cubic": "cubic"}


_NEAREST = ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")


# TensorFlow's names for where pixels lie, and what comes closest in ONNX.
_OF_RATIO: Mapping[str, tuple[Coordinates, Nearest]] = {
    "asymmetric_ratio": ("asymmetric", "floor"),
    "half_pixel_ratio": ("half_pixel", "round_prefer_ceil"),
}


_COORDINATES = tuple(name for name in get_args(Coordinates) if name not in _OF_RATIO)


_POLICIES = get_args(Aspect)


@reads("Resize", "Upsample")
def read_resize(node: Node) -> OperationPlan | Sequence[OperationPlan]:
    """Turn a Resize or an Upsample into a resize; between whole numbers are whole numbers, cut off."""
    plan = _resize(node)
    between = _MODES[node.attributes.get("mode", "nearest")] != "nearest"
    return [plan, cut_off()] if between and node.is_integer(0) else plan


def _resize(node: Node) -> OperationPlan:
    """Return the resize itself; the size or the scales may be worked out while it runs."""
    old = node.type_name == "Upsample" or node.opset < 11
    node.require("mode", *_MODES)
    attributes: dict[str, Any] = {"interpolation": _MODES[node.attributes.get("mode", "nearest")]}
    attributes |= {"coordinates": "asymmetric", "nearest": "simple"} if old else _conventions(node)
    scales_at, sizes_at = (1, None) if old else (2, 3)
    if "scales" in node.attributes:
        return OperationPlan(
            "resize", node.inputs[:1], attributes={"scales": node.attributes["scales"], **attributes}
        )
    if "height_scale" in node.attributes:  # the first Upsample of all
        scales = (1.0, 1.0, node.attributes["height_scale"], node.attributes["width_scale"])
        return OperationPlan("resize", node.inputs[:1], attributes={"scales": scales, **attributes})
    if sizes_at is not None and node.has(sizes_at):
        return _to(node, sizes_at, "shape", attributes)
    return _to(node, scales_at, "scales", {**attributes, "by_scale": True})


def _conventions(node: Node) -> dict[str, Any]:
    """Return the attributes of a Resize that are not their defaults, by our names."""
    node.require("coordinate_transformation_mode", *_COORDINATES)
    node.require("nearest_mode", *_NEAREST)
    node.require("keep_aspect_ratio_policy", *_POLICIES)
    conventions = {
        "coordinates": node.attributes.get("coordinate_transformation_mode", "half_pixel"),
        "nearest": node.attributes.get("nearest_mode", "round_prefer_floor"),
    }
    for ours, theirs, default in (
        ("cubic", "cubic_coeff_a", -0.75),
        ("aspect", "keep_aspect_ratio_policy", "stretch"),
        ("outside", "extrapolation_value", 0.0),
    ):
        if (value := node.attributes.get(theirs, default)) != default:
            conventions[ours] = value
    conventions |= {name: True for name in ("antialias", "exclude_outside") if node.attributes.get(name, 0)}
    if conventions["coordinates"] == "tf_crop_and_resize":
        conventions["region"] = _region(node)
    return conventions


def _region(node: Node) -> tuple[float, ...]:
    """Return what part of each axis is shown: every axis's start, then every axis's end."""
    region = node.numbers(1, "region")
    if region is None:
        raise node.refusal("it shows a region, and has none")
    numbers, rank = region.reshape(-1).tolist(), node.rank()
    axes = _axes(node)
    whole = [0.0] * rank + [1.0] * rank
    for place, axis in enumerate(axes):
        whole[axis], whole[axis + rank] = numbers[place], numbers[place + len(axes)]
    return tuple(whole)


def _axes(node: Node) -> tuple[int, ...]:
    rank = node.rank()
    return tuple(axis % rank for axis in node.attributes.get("axes", range(rank)))


def _to(node: Node, index: int, name: str, attributes: dict[str, Any]) -> OperationPlan:
    given, rank, axes = node.constant(index), node.rank(), _axes(node)
    if given is None or not given.size:
        if axes != tuple(range(rank)) or not node.has(index):
            raise node.refusal("its size is worked out while the network runs, for some axes only")
        return OperationPlan("resize", (node.inputs[0], node.inputs[index]), attributes=attributes)
    attributes.pop("by_scale", None)
    before = node.shape(0) or ()
    whole: list[Any] = [0] * rank if name == "shape" else [1.0] * rank
    for axis, value in zip(axes, given.array.tolist(), strict=True):
        # What stays is copied from the input, so that other batches fit too.
        stays = name == "shape" and value == before[axis] and "aspect" not in attributes
        whole[axis] = 0 if stays else value
    return OperationPlan("resize", node.inputs[:1], attributes={name: tuple(whole), **attributes})


@writes("resize")
def write_resize(part: Part) -> None:
    """Write a Resize."""
    mode = part.attributes.get("interpolation", "nearest")
    if mode not in ("nearest", "linear", "cubic") or part.attributes.get("antialias"):
        raise part.refusal(
            f"its Resize has no {mode}" + (" with antialias" if part.attributes.get("antialias") else "")
        )
    coordinates = part.attributes.get("coordinates", "half_pixel")
    nearest = part.attributes.get("nearest", "round_prefer_floor")
    if coordinates in _OF_RATIO:
        coordinates, nearest = _as_onnx_rounds(part, coordinates, nearest)
    attributes = {
        "mode": mode,
        "exclude_outside": int(mode == "cubic" and bool(part.attributes.get("exclude_outside"))),
        "coordinate_transformation_mode": coordinates,
        "nearest_mode": nearest,
        "cubic_coeff_a": float(part.attributes.get("cubic", -0.75)),
    }
    scales, shape = tuple(part.attributes.get("scales", ())), tuple(part.attributes.get("shape", ()))
    if len(part.inputs) > 1:
        by_scale = part.attributes.get("by_scale")
        sizes = (part.inputs[1],) if by_scale else ("", part.whole(part.inputs[1]))
    elif scales:
        sizes = (part.numbers(np.array(scales, np.float32)),)
    else:
        sizes = ("", _size(part, shape))
    part.write("Resize", part.inputs[0], "", *sizes, **attributes)


def _as_onnx_rounds(part: Part, coordinates: Any, nearest: Any) -> tuple[Any, Any]:
    """Return ONNX's words for TensorFlow's nearest pixels; refuse a size where ONNX takes others."""
    words = _OF_RATIO[coordinates]
    for size, new in zip(part.shape(), part.attributes.get("shape", ()), strict=False):
        if new and not nearest_indices(new, size, *words).equal(
            nearest_indices(new, size, coordinates, nearest)
        ):
            raise part.refusal(f"its Resize of {size} to {new} takes other pixels than ONNX's does")
    return words


def _size(part: Part, shape: tuple[int, ...]) -> str:
    """Return the sizes wanted; those that stay are looked up while the network runs."""
    first = next((index for index, size in enumerate(shape) if size), len(shape))
    sizes = [size or part.shape()[index] for index, size in enumerate(shape)]
    if not first:
        return part.numbers(np.array(sizes, np.int64))
    begin = part.step("Shape", part.inputs[0], end=first)
    return part.step("Concat", begin, part.numbers(np.array(sizes[first:], np.int64)), axis=0)
