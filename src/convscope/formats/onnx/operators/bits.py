"""Whole numbers bit by bit."""

from __future__ import annotations

from convscope.formats.onnx.element_types import BITS, UNSIGNED
from convscope.formats.onnx.node import Node
from convscope.formats.onnx.operators.registry import reads
from convscope.formats.operation_plan import OperationPlan

_OPERATORS = {"BitwiseAnd": "and", "BitwiseOr": "or", "BitwiseXor": "xor", "BitwiseNot": "not"}


@reads(*_OPERATORS)
def read_bits(node: Node) -> OperationPlan:
    """Turn a bitwise operator into one on whole numbers of its type."""
    return OperationPlan("combine_bits", node.inputs, attributes=_of_type(node, _OPERATORS[node.type_name]))


@reads("BitShift", inputs=2)
def read_shift(node: Node) -> OperationPlan:
    """Turn a BitShift into one."""
    node.require("direction", "LEFT", "RIGHT")
    manner = "shift_left" if node.attributes["direction"] == "LEFT" else "shift_right"
    return OperationPlan("combine_bits", node.inputs, attributes=_of_type(node, manner))


def _of_type(node: Node, manner: str) -> dict[str, object]:
    kind = node.type_of(0)
    if kind not in BITS:
        raise node.refusal("it is of whole numbers only")
    return {"manner": manner, "bits": BITS[kind], "signed": kind not in UNSIGNED}
