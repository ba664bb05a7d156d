"""Sizes as numbers, and what is made from them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from convscope.formats.onnx.node import Node, Step
from convscope.formats.onnx.translation.registry import translates


@translates("Shape")
def shape(node: Node) -> Step:
    """Turn a Shape into sizes."""
    attributes = {name: int(node.attributes[name]) for name in ("start", "end") if name in node.attributes}
    return Step("shape_of", node.inputs, attributes=attributes)


@translates("Size")
def count(node: Node) -> Sequence[Step]:
    """Turn a Size into the product of the sizes."""
    product: dict[str, Any] = {"summary": "product", "keep_axes": False}
    return [Step("shape_of", node.inputs), Step("reduce", ("",), attributes=product)]


@translates("ConstantOfShape")
def constant_of_shape(node: Node) -> Step:
    """Turn a ConstantOfShape whose shape is worked out into a fill."""
    value = node.attributes.get("value")
    number = 0.0 if value is None else float(value.array.reshape(-1)[0])
    return Step("fill", node.inputs, attributes={"value": number})


@translates("Range", inputs=3)
def count_up(node: Node) -> Step:
    """Turn a Range into one."""
    return Step("count_up", node.inputs)
