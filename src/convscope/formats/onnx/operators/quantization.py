"""Networks of eight bits: what they round is rounded here too, everything else is computed with floats."""

from __future__ import annotations

from typing import Any

import numpy as np

from convscope.formats.onnx.constants import named_type
from convscope.formats.onnx.element_types import BITS, FLOAT8E8M0, NAMES, SMALL_FLOATS, range_of
from convscope.formats.onnx.node import Node
from convscope.formats.onnx.operators.parameters import inputs_by_role, with_parameters
from convscope.formats.onnx.operators.registry import (
    reads,
    writes,
)
from convscope.formats.onnx.writer import Part
from convscope.formats.operation_plan import OperationPlan


@reads("QuantizeLinear", inputs=2)
def read_quantize(node: Node) -> OperationPlan:
    """Turn a QuantizeLinear into rounding to the whole numbers of its type, or to a small float's numbers."""
    if node.output_types[0] in SMALL_FLOATS - {FLOAT8E8M0}:
        return _to_small_floats(node)
    node.require("saturate", 1)
    return with_parameters(
        node, "quantize", inputs_by_role(node, "scale", "zero"), _bounds(node) | _axis(node)
    )


def _to_small_floats(node: Node) -> OperationPlan:
    zero = node.constant(2)
    if node.has(2) and (zero is None or zero.array.any()):
        raise node.refusal("its zero point is not 0, and floats have no other")
    settings = {"type": NAMES[node.output_types[0]], "saturate": bool(node.attributes.get("saturate", 1))}
    return with_parameters(node, "quantize", inputs_by_role(node, "scale"), settings | _axis(node))


@reads("DequantizeLinear", inputs=2)
def read_dequantize(node: Node) -> OperationPlan:
    """Turn a DequantizeLinear into one."""
    return with_parameters(node, "dequantize", inputs_by_role(node, "scale", "zero"), _axis(node))


def _axis(node: Node) -> dict[str, Any]:
    return {"axis": int(node.attributes.get("axis", 1))}


def _bounds(node: Node) -> dict[str, Any]:
    kind = node.output_types[0]
    if kind not in BITS:
        raise node.refusal(f"it rounds to {named_type(kind)}: export it for whole numbers of eight bits")
    low, high = range_of(kind)
    return {"low": low, "high": high}


@writes("quantize")
def write_quantize(part: Part) -> None:
    """Write the rounding of eight bits with floats."""
    if part.attributes.get("type"):
        raise part.refusal("it rounds to small floats, which came with a later version of ONNX")
    scale, step = (_written_scales(part, role) for role in ("scale", "step"))
    steps = part.step("Div", part.inputs[0], step or scale)
    if step:
        steps = part.step("Mul", part.step("Round", steps), part.step("Div", step, scale))
    steps = part.step("Round", steps)
    zero = _written_scales(part, "zero")
    steps = part.step("Add", steps, zero) if zero else steps
    bounds = [part.numbers(float(part.attributes.get(*item))) for item in (("low", 0), ("high", 255))]
    part.write("Clip", steps, *bounds)


@writes("dequantize")
def write_dequantize(part: Part) -> None:
    """Write what whole numbers stand for."""
    zero = _written_scales(part, "zero")
    centered = part.step("Sub", part.inputs[0], zero) if zero else part.inputs[0]
    part.write("Mul", centered, _written_scales(part, "scale"))


def _written_scales(part: Part, role: str) -> str:
    tensor = part.tensor(role)
    if tensor is None:
        return ""
    rank, axis = len(part.shape()), part.attributes.get("axis", 1)
    shape = [1] * rank if tensor.size > 1 else []
    if tensor.size > 1:
        shape[axis] = tensor.size
    return part.step("Reshape", part.parameter(role), part.numbers(np.array(shape, np.int64)))


@writes("wrap")
def write_wrap(part: Part) -> None:
    """Write what comes around again when it is too large."""
    bits = int(part.attributes["bits"])
    low = -(2.0 ** (bits - 1)) if part.attributes["signed"] else 0.0
    raised = part.step("Sub", part.inputs[0], part.numbers(low))
    turns = part.step("Floor", part.step("Div", raised, part.numbers(2.0**bits)))
    part.write("Sub", part.inputs[0], part.scaled(turns, 2.0**bits))
