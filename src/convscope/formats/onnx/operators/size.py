"""Sizes as numbers, what is made from them, and numbers that are values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from convscope.formats.onnx.node import Node
from convscope.formats.onnx.operators.registry import (
    reads,
    writes,
)
from convscope.formats.onnx.writer import FLOAT, Part
from convscope.formats.operation_plan import OperationPlan


@reads("Shape")
def read_shape(node: Node) -> OperationPlan:
    """Turn a Shape into sizes."""
    attributes = {name: int(node.attributes[name]) for name in ("start", "end") if name in node.attributes}
    return OperationPlan("shape_of", node.inputs, attributes=attributes)


@reads("Size")
def read_count(node: Node) -> Sequence[OperationPlan]:
    """Turn a Size into the product of the sizes."""
    product: dict[str, Any] = {"summary": "product", "keep_axes": False}
    return [OperationPlan("shape_of", node.inputs), OperationPlan("reduce", ("",), attributes=product)]


@reads("ConstantOfShape")
def read_constant_of_shape(node: Node) -> OperationPlan:
    """Turn a ConstantOfShape whose shape is worked out into a fill."""
    value = node.attributes.get("value")
    number = 0.0 if value is None else float(value.array.reshape(-1)[0])
    return OperationPlan("fill", node.inputs, attributes={"value": number})


@reads("ConstantFill")
def read_constant_fill(node: Node) -> OperationPlan:
    """Turn a ConstantFill, which PyTorch wrote before opset 9, into a fill of the shape that it reads."""
    node.require("input_as_shape", 1, None)
    if node.attributes.get("extra_shape"):
        raise node.refusal("it adds axes (extra_shape): export the network with opset 9 or later")
    return OperationPlan("fill", node.inputs, attributes={"value": float(node.attributes.get("value", 0.0))})


@reads("Range", inputs=3)
def read_arange(node: Node) -> OperationPlan:
    """Turn a Range into one."""
    return OperationPlan("arange", node.inputs)


@writes("shape_of")
def write_shape_of(part: Part) -> None:
    """Write a Shape."""
    attributes = {
        name: value for name in ("start", "end") if (value := part.attributes.get(name)) is not None
    }
    part.write("Cast", part.step("Shape", *part.inputs, **attributes), to=FLOAT)


@writes("tensor")
def write_numbers(part: Part) -> None:
    """Write plain numbers."""
    values = np.array(part.attributes["values"], np.float32)
    shape = part.attributes.get("shape")
    part.write("Identity", part.numbers(values if shape is None else values.reshape(tuple(shape))))


@writes("fill")
def write_fill(part: Part) -> None:
    """Write a number as often as a size says."""
    size = part.whole(part.inputs[0])
    part.write("Expand", part.numbers(float(part.attributes.get("value", 0.0))), size)


@writes("arange")
def write_arange(part: Part) -> None:
    """Write a Range."""
    part.write(
        "Range", *(part.step("Reshape", value, part.numbers(np.array([], np.int64))) for value in part.inputs)
    )


@writes("constant", "initializer")
def write_constant(part: Part) -> None:
    """Write parameters that are values themselves."""
    for key, output in zip(part.operation.parameters.values(), part.operation.outputs, strict=True):
        value = part.writer.parameter(key)
        if shape := part.attributes.get("shape"):
            value = part.step("Reshape", value, part.numbers(list(shape)))
        if order := part.attributes.get("order"):
            value = part.step("Transpose", value, perm=tuple(order))
        part.writer.node("Identity", [value], [output])


@writes("assert_shape")
def write_asserted_shape(part: Part) -> None:
    """Write the input as it is: the sizes that the file says its inputs have are the only ones that go through."""
    part.write("Identity", part.inputs[0])
