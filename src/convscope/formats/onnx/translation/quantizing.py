"""Networks of eight bits: what they round is rounded here too, everything else is computed with floats."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from convscope.formats.onnx.node import Node, Step
from convscope.formats.onnx.translation.registry import TRANSLATORS, translates

_RANGES = {"u1": (0, 255), "i1": (-128, 127), "u2": (0, 65535), "i2": (-32768, 32767)}


@translates("QuantizeLinear", inputs=2)
def quantize(node: Node) -> Step:
    """Turn a QuantizeLinear into rounding to the whole numbers of its type."""
    node.require("block_size", 0)
    return Step("quantize", node.inputs[:1], _scales(node, 1), _bounds(node, 2) | _axis(node))


@translates("DequantizeLinear", inputs=2)
def dequantize(node: Node) -> Step:
    """Turn a DequantizeLinear into one."""
    node.require("block_size", 0)
    return Step("dequantize", node.inputs[:1], _scales(node, 1), _axis(node))


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


def _refuse(node: Node) -> Sequence[Step]:
    raise node.refusal(
        "it computes with whole numbers; save the network with QuantizeLinear and DequantizeLinear (QDQ) instead"
    )


TRANSLATORS |= dict.fromkeys(
    (
        "QLinearConv",
        "QLinearMatMul",
        "ConvInteger",
        "MatMulInteger",
        "DynamicQuantizeLinear",
    ),
    _refuse,
)
