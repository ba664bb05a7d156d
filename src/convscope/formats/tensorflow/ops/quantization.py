"""Eight bits and less: ranges of numbers as codes, codes as numbers, and what training for them puts between layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from convscope.formats.operation_plan import OperationPlan
from convscope.formats.tensorflow.constants import Array, code_settings, folds, quantize_settings
from convscope.formats.tensorflow.node import Node
from convscope.formats.tensorflow.translation import Operands, translates, whole_numbers
from convscope.network.operations.quantization import round_to_steps


@translates("FakeQuantWithMinMaxArgs")
def _fake_quantization(operands: Operands) -> OperationPlan:
    """What training for eight bits puts between layers: the values, rounded to one of 256 steps."""
    node = operands.node
    limits = {"minimum": node.number("min", -6.0), "maximum": node.number("max", 6.0)}
    return OperationPlan("round_to_steps", [operands.value(0)], {}, {**limits, **_steps(node)})


@translates("FakeQuantWithMinMaxVars", "FakeQuantWithMinMaxVarsPerChannel")
def _fake_quantization_between(operands: Operands) -> OperationPlan:
    return OperationPlan("round_to_steps", _all(operands), {}, _steps(operands.node))


@folds("FakeQuantWithMinMaxVars", "FakeQuantWithMinMaxVarsPerChannel")
def _rounded_filters(node: Node, inputs: Sequence[Array]) -> Array:
    """A network trained for eight bits rounds its filters in the graph."""
    numbers, *limits = (torch.from_numpy(np.array(array, np.float32)) for array in inputs)
    return round_to_steps(numbers, *limits, **_steps(node)).numpy()


def _steps(node: Node) -> dict[str, Any]:
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
