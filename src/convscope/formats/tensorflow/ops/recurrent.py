"""Recurrent layers in one op: fused kernels for an LSTM over a whole sequence, or for one step of it."""

from __future__ import annotations

from convscope.formats.operation_plan import OperationPlan
from convscope.formats.tensorflow.translation import Operands, refuse, translates, whole_numbers

_PEEPHOLES = {"into": 0, "through": 1, "out": 2}


@translates("BlockLSTM", "BlockLSTMV2")
def _block_lstm(operands: Operands) -> OperationPlan:
    """Seven outputs: gates and memory at each time, the answers last."""
    node, newer = operands.node, operands.node.op == "BlockLSTMV2"
    if any(operands.known(place) is None for place in (4, 8)):
        raise refuse(node, "whose weights are worked out from the picture")
    parameters = {"weight": operands.parameter(4), "bias": operands.parameter(8)}
    if node.flag("use_peephole"):
        parameters |= {role: operands.parameter(5 + place) for role, place in _PEEPHOLES.items()}
    attributes = {
        "forget_first": newer,
        "forget_bias": 0.0 if newer else node.number("forget_bias", 1.0),
        "limit": node.number("cell_clip", 0.0 if newer else 3.0),
        "steps": whole_numbers(operands, 0, "length")[0],
    }
    return OperationPlan(
        "block_lstm", [operands.value(place) for place in (1, 2, 3)], parameters, attributes, 7
    )
