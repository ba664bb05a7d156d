"""Resize and Upsample, of all versions."""

from __future__ import annotations

from typing import Any

from convscope.formats.onnx.node import Node, Step
from convscope.formats.onnx.translation.registry import translates

_COORDINATES = (
    "half_pixel",
    "pytorch_half_pixel",
    "half_pixel_symmetric",
    "asymmetric",
    "align_corners",
)
_MODES = {"nearest": "nearest", "linear": "linear", "bilinear": "linear", "cubic": "cubic"}


@translates("Resize", "Upsample")
def resize(node: Node) -> Step:
    """Turn a Resize or an Upsample into a resize; the size or the scales may be worked out while it runs."""
    old = node.type_name == "Upsample" or node.opset < 11
    node.require("mode", *_MODES)
    attributes: dict[str, Any] = {"interpolation": _MODES[node.attributes.get("mode", "nearest")]}
    attributes |= {"coordinates": "asymmetric", "nearest": "floor"} if old else _conventions(node)
    scales_at, sizes_at = (1, None) if old else (2, 3)
    if "scales" in node.attributes:
        return Step("resize", node.inputs[:1], attributes={"scales": node.attributes["scales"], **attributes})
    if sizes_at is not None and node.has(sizes_at):
        return _to(node, sizes_at, "shape", attributes)
    return _to(node, scales_at, "scales", {**attributes, "by_scale": True})


def _conventions(node: Node) -> dict[str, Any]:
    node.require("coordinate_transformation_mode", *_COORDINATES)
    node.require("exclude_outside", 0)
    node.require("antialias", 0)
    node.require("keep_aspect_ratio_policy", "stretch")
    found = {
        "coordinates": node.attributes.get("coordinate_transformation_mode", "half_pixel"),
        "nearest": node.attributes.get("nearest_mode", "round_prefer_floor"),
    }
    if "cubic_coeff_a" in node.attributes:
        found["cubic"] = node.attributes["cubic_coeff_a"]
    return found


def _to(node: Node, index: int, name: str, attributes: dict[str, Any]) -> Step:
    given, rank = node.constant(index), node.rank()
    axes = tuple(axis % rank for axis in node.attributes.get("axes", range(rank)))
    if given is None or not given.size:
        if axes != tuple(range(rank)) or not node.has(index):
            raise node.refusal("its size is worked out while the network runs, for some axes only")
        return Step("resize", (node.inputs[0], node.inputs[index]), attributes=attributes)
    attributes.pop("by_scale", None)
    before = node.shape(0) or ()
    whole: list[Any] = [0] * rank if name == "shape" else [1.0] * rank
    for axis, value in zip(axes, given.array.tolist(), strict=True):
        # What stays is copied from the input, so that other batches fit too.
        whole[axis] = 0 if name == "shape" and value == before[axis] else value
    return Step("resize", node.inputs[:1], attributes={name: tuple(whole), **attributes})
