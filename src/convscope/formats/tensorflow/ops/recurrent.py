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


@translates("LSTMBlockCell")
def _block_lstm_cell(operands: Operands) -> OperationPlan:
    """One step; the same seven outputs."""
    node = operands.node
    if any(operands.known(place) is None for place in (3, 7)):
        raise refuse(node, "whose weights are worked out from the picture")
    parameters = {"weight": operands.parameter(3), "bias": operands.parameter(7)}
    if node.flag("use_peephole"):
        parameters |= {role: operands.parameter(4 + place) for role, place in _PEEPHOLES.items()}
    attributes = {"forget_bias": node.number("forget_bias", 1.0), "limit": node.number("cell_clip", 3.0)}
    return OperationPlan(
        "block_lstm_step", [operands.value(place) for place in range(3)], parameters, attributes, 7
    )


@translates("GRUBlockCell")
def _block_gru_cell(operands: Operands) -> OperationPlan:
    """One step; four outputs: the two gates, the candidate, and the answer."""
    if any(operands.known(place) is None for place in range(2, 6)):
        raise refuse(operands.node, "whose weights are worked out from the picture")
    roles = {"gate_weight": 2, "weight": 3, "gate_bias": 4, "bias": 5}
    parameters = {role: operands.parameter(place) for role, place in roles.items()}
    return OperationPlan("block_gru_step", [operands.value(0), operands.value(1)], parameters, {}, 4)
