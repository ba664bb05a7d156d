"""Recurrent layers."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from convscope.formats.onnx.constants import Array, Constant
from convscope.formats.onnx.node import Node
from convscope.formats.onnx.operators.parameters import inputs_by_role, with_parameters
from convscope.formats.onnx.operators.registry import reads, writes
from convscope.formats.onnx.writer import Part
from convscope.formats.operation_plan import OperationPlan

_DIRECTIONS = ("forward", "reverse", "bidirectional")
_ACTIVATIONS = {"activations": "activations", "alpha": "activation_alpha", "beta": "activation_beta"}


@reads("RNN", "GRU", "LSTM", inputs=3)
def read_recurrent(node: Node) -> OperationPlan:
    """Turn a recurrent layer into one of its cells, forward, backward or both."""
    node.require("direction", *_DIRECTIONS)
    attributes: dict[str, Any] = {
        "cell": node.type_name.lower(),
        "backward": node.attributes.get("direction", "forward") == "reverse",
        "limit": float(node.attributes.get("clip", 0.0)),
        "reset_after": bool(node.attributes.get("linear_before_reset", 0)),
        "coupled": bool(node.attributes.get("input_forget", 0)),
        "batch_first": bool(node.attributes.get("layout", 0)),
    }
    for ours, theirs in _ACTIVATIONS.items():
        if theirs in node.attributes:
            attributes[ours] = tuple(node.attributes[theirs])
    roles = inputs_by_role(node, "weight", "hidden_weight", "bias")
    roles |= inputs_by_role(node, "peephole", first=7)
    others = inputs_by_role(node, "lengths", "hidden", "cell", first=4)
    attributes["given"] = tuple(others)
    makes = 3 if node.type_name == "LSTM" else 2
    read = (node.inputs[0], *others.values())
    return with_parameters(node, "recurrent_sequence", roles, attributes, inputs=read, outputs=makes)


@reads("DynamicQuantizeLSTM", inputs=3)
def read_quantized_recurrent(node: Node) -> OperationPlan:
    """Turn onnxruntime's DynamicQuantizeLSTM into an LSTM with what its weights' codes stand for."""
    names = list(node.inputs[:8])
    for at, codes_at in ((8, 1), (10, 2)):
        codes, scale, zero = (node.constant(index) for index in (codes_at, at, at + 1))
        if codes is None or scale is None or zero is None:
            raise node.refusal("its weights are worked out while the network runs: store them in the file")
        directions, rows, columns = codes.shape
        load = partial(_turned, codes, scale, zero)
        names[codes_at] = node.derived(f"weight {codes_at}", (directions, columns, rows), load)
    plan = read_recurrent(replace(node, type_name="LSTM", inputs=tuple(names)))
    return replace(plan, attributes={**plan.attributes, "in_codes": True})


def _turned(codes: Constant, scale: Constant, zero: Constant) -> Array:
    """Return weights (directions, gates x features, inputs) of codes that have inputs before gates."""
    directions = codes.shape[0]
    scales, zeros = (one.array.reshape(directions, 1, -1).astype(np.float32) for one in (scale, zero))
    weights: Array = ((codes.array.astype(np.float32) - zeros) * scales).transpose(0, 2, 1)
    return weights


@writes("recurrent_sequence")
def write_recurrent(part: Part) -> None:
    """Write an RNN, a GRU or an LSTM."""
    if part.attributes.get("in_codes"):
        raise part.refusal("it rounds what it multiplies; save a .convscope instead")
    given = dict(zip(part.attributes.get("given", ()), part.inputs[1:], strict=True))
    if "lengths" in given:
        given["lengths"] = part.step("Cast", given["lengths"], to=6)
    names = [part.inputs[0], *(part.parameter(role) for role in ("weight", "hidden_weight", "bias"))]
    names += [given.get(name, "") for name in ("lengths", "hidden", "cell")] + [part.parameter("peephole")]
    while not names[-1]:
        names.pop()
    cell, directions = part.attributes["cell"], part.parameter_shape("weight")[0]
    backward = part.attributes.get("backward")
    attributes: dict[str, Any] = {
        "hidden_size": part.parameter_shape("hidden_weight")[2],
        "direction": "bidirectional" if directions == 2 else "reverse" if backward else "forward",
    }
    if limit := float(part.attributes.get("limit", 0.0)):
        attributes["clip"] = limit
    if part.attributes.get("reset_after") and cell == "gru":
        attributes["linear_before_reset"] = 1
    if part.attributes.get("batch_first"):
        attributes["layout"] = 1
    if part.attributes.get("coupled") and cell == "lstm":
        attributes["input_forget"] = 1
    for ours, theirs in _ACTIVATIONS.items():
        if values := tuple(part.attributes.get(ours, ())):
            attributes[theirs] = values
    part.writer.node(cell.upper(), names, part.outputs, **attributes)
