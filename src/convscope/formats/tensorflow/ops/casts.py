"""Numbers of one type as another's, and bits of whole numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from convscope.formats.operation_plan import OperationPlan
from convscope.formats.tensorflow.constants import Array, folds, whole_sizes
from convscope.formats.tensorflow.node import Node
from convscope.formats.tensorflow.ops.convolution import maps
from convscope.formats.tensorflow.tensors import FLOATING, WHOLE
from convscope.formats.tensorflow.translation import Operands, refuse, translates
from convscope.network.operations.quantization import combine_bits, round_to_type

_SMALL_FLOATS = {"DT_FLOAT8_E4M3FN": "float8_e4m3fn", "DT_FLOAT8_E5M2": "float8_e5m2"}
_BITS = {
    "BitwiseAnd": "and",
    "BitwiseOr": "or",
    "BitwiseXor": "xor",
    "Invert": "not",
    "LeftShift": "shift_left",
    "RightShift": "shift_right",
}


@translates("Cast")
def _cast(operands: Operands) -> OperationPlan:
    """Between floats nothing; a float that becomes whole loses what is behind its point, a truth is 1 or 0."""
    before, behind = operands.node.text("SrcT"), operands.node.text("DstT")
    _require_known(operands.node)
    if behind == "DT_BOOL" and before != "DT_BOOL":
        return OperationPlan("compare", [operands.value(0)], {}, {"relation": "not_equal", "number": 0.0})
    if behind in _SMALL_FLOATS:
        attributes = {"type": _SMALL_FLOATS[behind], "saturate": False}
        return OperationPlan("round_to_type", [operands.value(0)], {}, attributes)
    if behind in WHOLE and WHOLE[behind].itemsize < 4 and before not in (behind, "DT_BOOL"):
        whole = {"bits": 8 * WHOLE[behind].itemsize, "signed": WHOLE[behind].kind == "i"}
        return OperationPlan("wrap", [operands.value(0)], {}, whole)
    if behind in WHOLE and before and before not in (*WHOLE, "DT_BOOL"):
        return OperationPlan("round_off", [operands.value(0)], {}, {**maps(operands), "to": "trunc"})
    return OperationPlan("identity", [operands.value(0)], {}, maps(operands))


@translates("Bitcast")
def _same_bits(operands: Operands) -> OperationPlan:
    """Codes as the whole numbers that they are; of any other type the bits mean something else."""
    before, behind = (operands.node.text(name).replace("DT_Q", "DT_") for name in ("T", "type"))
    if before != behind:
        raise refuse(operands.node, f"from {before} to {behind}")
    return OperationPlan("identity", [operands.value(0)], {}, maps(operands))


@folds("Cast")
def _known_cast(node: Node, inputs: Sequence[Array]) -> Array:
    behind, (numbers,) = node.text("DstT"), inputs
    _require_known(node)
    if numbers.dtype == object:  # sizes stay sizes
        return numbers if behind in FLOATING else whole_sizes(numbers)
    if behind in _SMALL_FLOATS:
        floats = torch.from_numpy(np.array(numbers, np.float32))
        return np.asarray(round_to_type(floats, type=_SMALL_FLOATS[behind], saturate=False).numpy())
    if behind in FLOATING:
        return numbers.astype(np.float32)
    narrow = WHOLE.get(behind)
    if narrow is not None and numbers.dtype.kind in "iu" and narrow.itemsize < 4:
        numbers = numbers.astype(narrow)  # what is too large comes around again
    return numbers.astype(np.int64)


def _require_known(node: Node) -> None:
    """Refuse a type that is not among those read here, of which nobody could say what becomes of the numbers."""
    if node.text("DstT") not in (*FLOATING, *_SMALL_FLOATS, *WHOLE, "DT_BOOL"):
        raise refuse(node, "to a type of numbers that it does not read")


@translates(*_BITS)
def _bits(operands: Operands) -> OperationPlan:
    places = [operands.value(place) for place in range(len(operands))]
    return OperationPlan("combine_bits", places, {}, _manner(operands.node))


@folds(*_BITS)
def _known_bits(node: Node, inputs: Sequence[Array]) -> Array:
    whole = [torch.from_numpy(np.array(array, np.int64)) for array in inputs]
    return np.asarray(combine_bits(*whole, **_manner(node)).numpy())


def _manner(node: Node) -> dict[str, Any]:
    kind = WHOLE.get(node.text("T", "DT_INT32"), WHOLE["DT_INT32"])
    return {"manner": _BITS[node.op], "bits": 8 * kind.itemsize, "signed": kind.kind == "i"}
