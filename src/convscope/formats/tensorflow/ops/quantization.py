"""Eight bits and less: ranges of numbers as codes, codes as numbers, and what training for them puts between layers."""

from __future__ import annotations

from typing import Any

from convscope.formats.operation_plan import OperationPlan
from convscope.formats.tensorflow.constants import code_settings, quantize_settings
from convscope.formats.tensorflow.translation import Operands, translates, whole_numbers


@translates("FakeQuantWithMinMaxArgs")
def _fake_quantization(operands: Operands) -> OperationPlan:
    """What training for eight bits puts between layers: the values, rounded to one of 256 steps."""
    node = operands.node
    limits = {"minimum": node.number("min", -6.0), "maximum": node.number("max", 6.0)}
    return OperationPlan("round_to_steps", [operands.value(0)], {}, {**limits, **_steps(operands)})


@translates("FakeQuantWithMinMaxVars", "FakeQuantWithMinMaxVarsPerChannel")
def _fake_quantization_between(operands: Operands) -> OperationPlan:
    return OperationPlan("round_to_steps", _all(operands), {}, _steps(operands))


def _steps(operands: Operands) -> dict[str, Any]:
    node = operands.node
    return {"bits": node.integer("num_bits", 8), "narrow": node.flag("narrow_range")}


@translates("Dequantize")
def _dequantize(operands: Operands) -> OperationPlan:
    return OperationPlan("dequantize_range", _all(operands), {}, code_settings(operands.node))


@translates("QuantizeV2")
def _quantize(operands: Operands) -> OperationPlan:
    """Three outputs: the codes, and the lowest and the highest number they stand for."""
    return OperationPlan("quantize_range", _all(operands), {}, quantize_settings(operands.node), 3)


@translates("QuantizeAndDequantizeV2", "QuantizeAndDequantizeV3", "QuantizeAndDequantizeV4")
def _rounded(operands: Operands) -> OperationPlan:
    node, axis = operands.node, operands.node.integer("axis", -1)
    bits: Any = node.integer("num_bits", 8)
    if node.op.endswith("V3"):
        (bits,) = whole_numbers(operands, 3, "number of bits")
    given = node.flag("range_given") or ("range_given" not in node.attributes and node.op.endswith("V3"))
    attributes = {
        "bits": int(bits),
        "signed": node.flag("signed_input") if "signed_input" in node.attributes else True,
        "narrow": node.flag("narrow_range"),
        "axis": None if axis < 0 else axis,
        "to_even": node.text("round_mode", "HALF_TO_EVEN") == "HALF_TO_EVEN",
    }
    inputs = [operands.value(place) for place in range(3 if given else 1)]
    return OperationPlan("round_to_range", inputs, {}, attributes)


def _all(operands: Operands) -> list[str]:
    return [operands.value(place) for place in range(3)]
