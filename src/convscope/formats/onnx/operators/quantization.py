"""Networks of eight bits: what they round is rounded here too, everything else is computed with floats."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from convscope.formats.onnx.node import Node
from convscope.formats.onnx.operators.registry import (
    READERS,
    reads,
    writes,
)
from convscope.formats.onnx.writer import Part
from convscope.formats.operation_plan import OperationPlan

_RANGES = {"u1": (0, 255), "i1": (-128, 127), "u2": (0, 65535), "i2": (-32768, 32767)}


@reads("QuantizeLinear", inputs=2)
def read_quantize(node: Node) -> OperationPlan:
    """Turn a QuantizeLinear into rounding to the whole numbers of its type."""
    node.require("block_size", 0)
    return OperationPlan("quantize", node.inputs[:1], _scales(node, 1), _bounds(node, 2) | _axis(node))


@reads("DequantizeLinear", inputs=2)
def read_dequantize(node: Node) -> OperationPlan:
    """Turn a DequantizeLinear into one."""
    node.require("block_size", 0)
    return OperationPlan("dequantize", node.inputs[:1], _scales(node, 1), _axis(node))


def _axis(node: Node) -> dict[str, Any]:
    return {"axis": int(node.attributes.get("axis", 1))}


def _scales(node: Node, at: int) -> dict[str, str]:
    roles = {"scale": node.inputs[at]} | ({"zero": node.inputs[at + 1]} if node.has(at + 1) else {})
    if any(name not in node.constants for name in roles.values()):
        raise node.refusal("its scale is worked out while the network runs")
    return roles


def _bounds(node: Node, zero: int) -> dict[str, Any]:
    found = node.constant(zero)
    kind = "u1" if found is None else found.array.dtype.str[1:]
    if kind not in _RANGES:
        raise node.refusal(f"it rounds to numbers of type {kind!r}")
    low, high = _RANGES[kind]
    return {"low": low, "high": high}


def _refuse(node: Node) -> Sequence[OperationPlan]:
    raise node.refusal(
        "it computes with whole numbers; save the network with QuantizeLinear and DequantizeLinear (QDQ) instead"
    )


READERS |= dict.fromkeys(
    (
        "QLinearConv",
        "QLinearMatMul",
        "ConvInteger",
        "MatMulInteger",
        "DynamicQuantizeLinear",
    ),
    _refuse,
)


@writes("quantize")
def write_quantize(part: Part) -> None:
    """Write the rounding of eight bits with floats."""
    steps = part.step("Round", part.step("Div", part.inputs[0], _written_scales(part, "scale")))
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
