"""Convolution and its transpose."""

from __future__ import annotations

from typing import Any

from convscope.formats.onnx.node import Node
from convscope.formats.onnx.operators.registry import (
    reads,
    writes,
)
from convscope.formats.onnx.writer import Part
from convscope.formats.operation_plan import OperationPlan

_SAME = {"SAME_UPPER": "same", "SAME_LOWER": "same_lower", "VALID": 0}


@reads("Conv", inputs=2)
def read_convolution(node: Node) -> OperationPlan:
    """Turn a Conv into a convolution."""
    axes = _axes(node)
    attributes = _window(node, axes) | {"padding": padding_of(node, axes)}
    return OperationPlan("convolution", node.inputs[:1], _filters(node), attributes)


@reads("ConvTranspose", inputs=2)
def read_deconvolution(node: Node) -> OperationPlan:
    """Turn a ConvTranspose into a deconvolution; its padding must be in numbers."""
    axes = _axes(node)
    if (
        node.attributes.get("auto_pad", "NOTSET") not in ("NOTSET", "VALID")
        or "output_shape" in node.attributes
    ):
        raise node.refusal("its padding follows from the output's size; export it with pads instead")
    attributes = _window(node, axes) | {"padding": padding_of(node, axes)}
    if any(more := tuple(node.attributes.get("output_padding", ()))):
        attributes["output_padding"] = more
    return OperationPlan("deconvolution", node.inputs[:1], _filters(node), attributes)


def _axes(node: Node) -> int:
    weight = node.shape(1)
    if node.constant(1) is None or weight is None:
        raise node.refusal("its filters are worked out while the network runs")
    if not 3 <= len(weight) <= 5:
        raise node.refusal(f"its filters have {len(weight)} axes")
    return len(weight) - 2


def _filters(node: Node) -> dict[str, str]:
    roles = {"weight": node.inputs[1]}
    if node.has(2):
        if node.constant(2) is None:
            raise node.refusal("its bias is worked out while the network runs")
        roles["bias"] = node.inputs[2]
    return roles


def _window(node: Node, axes: int) -> dict[str, Any]:
    return {
        "stride": tuple(node.attributes.get("strides", (1,) * axes)),
        "dilation": tuple(node.attributes.get("dilations", (1,) * axes)),
        "groups": int(node.attributes.get("group", 1)),
    }


def padding_of(node: Node, axes: int) -> Any:
    """Return the padding as the operations take it: one number an axis where both sides are alike."""
    automatic = node.attributes.get("auto_pad", "NOTSET")
    if automatic != "NOTSET":
        node.require("auto_pad", *_SAME)
        return _SAME[automatic]
    pads = tuple(node.attributes.get("pads", (0,) * 2 * axes))
    return pads[:axes] if pads[:axes] == pads[axes:] else pads


_AUTOMATIC = {"same": "SAME_UPPER", "same_lower": "SAME_LOWER"}


def each(value: Any, axes: int) -> tuple[int, ...]:
    """Return one number an axis."""
    sizes = (value,) if isinstance(value, int) else tuple(value)
    return sizes * axes if len(sizes) == 1 else sizes


def pads(padding: Any, axes: int) -> dict[str, Any]:
    """Return the attribute that says the padding."""
    if isinstance(padding, str):
        return {"auto_pad": _AUTOMATIC[padding]}
    sides = each(padding, axes)
    return {"pads": sides if len(sides) == 2 * axes else sides * 2}


def _written_window(part: Part) -> dict[str, Any]:
    weight = part.tensor("weight")
    axes = 0 if weight is None else weight.ndim - 2
    if axes < 1 or part.attributes.get("axis", 1) != 1:
        raise part.refusal("its channels are not on axis 1")
    return {
        "strides": each(part.attributes.get("stride", 1), axes),
        "dilations": each(part.attributes.get("dilation", 1), axes),
        "group": int(part.attributes.get("groups", 1)),
        **pads(part.attributes.get("padding", 0), axes),
    }


@writes("convolution", "deconvolution")
def write_convolution(part: Part) -> None:
    """Write a Conv or a ConvTranspose for each input: they share the filters."""
    attributes = _written_window(part)
    op_type = "Conv" if part.operation.kind == "convolution" else "ConvTranspose"
    if more := part.attributes.get("output_padding"):
        attributes["output_padding"] = each(more, len(attributes["strides"]))
    weights = [name for role in ("weight", "bias") if (name := part.parameter(role))]
    for value, output in zip(part.inputs, part.outputs, strict=True):
        part.writer.node(op_type, [value, *weights], [output], **attributes)
