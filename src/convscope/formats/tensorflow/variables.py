"""Variables become constants: their numbers lie in a checkpoint, under the keys that the graph's own saver reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from convscope.formats.protobuf.message import Message
from convscope.formats.protobuf.schema import load_schema
from convscope.formats.protobuf.wire import as_text
from convscope.formats.tensorflow.checkpoint import VariableCheckpoint
from convscope.formats.tensorflow.node import Node, OutputReference

VARIABLES = ("Variable", "VariableV2", "VarHandleOp", "AutoReloadVariable")
_READING = ("ReadVariableOp", "ReadVariableXlaSplitND")
_ASSIGNING = ("Assign", "AssignVariableOp", "AssignVariableXlaConcatND")
_RESTORING = ("RestoreV2", "Restore", "RestoreSlice")


def filled(nodes: Sequence[Node], checkpoint: VariableCheckpoint | None) -> list[Node]:
    """Return the nodes with the numbers of their variables; those that the checkpoint lacks stay as they are."""
    if checkpoint is None:
        return list(nodes)
    keys = _keys(nodes)
    nodes_filled: list[Node] = []
    for node in nodes:
        if node.op in VARIABLES:
            own = (keys.get(node.name, node.name), node.name, node.text("shared_name"))
            key = next((key for key in own if key in checkpoint.entries), None)
            node = node if key is None else _constant(node, checkpoint.tensor(key))
        elif node.op in _READING:
            node = replace(node, op="Identity", inputs=node.inputs[:1])
        nodes_filled.append(node)
    return nodes_filled


def _constant(node: Node, tensor: Message) -> Node:
    schema = load_schema(__package__)
    value = Message(schema["AttrValue"], tensor=tensor)
    return Node(node.name, "Const", (), {"value": value})


def _keys(nodes: Sequence[Node]) -> dict[str, str]:
    """Return each variable's key, as what restores them has it: a list of keys, and an assignment for each."""
    by_name = {node.name: node for node in nodes}
    keys: dict[str, str] = {}
    for node in nodes:
        if node.op not in _ASSIGNING or len(node.inputs) < 2:
            continue
        variable, value = (_origin(read, by_name) for read in node.inputs[:2])
        restored = by_name.get(value.node)
        if restored is None or restored.op not in _RESTORING or len(restored.inputs) < 2:
            continue
        stated = by_name[_origin(restored.inputs[1], by_name).node].attributes.get("value")
        texts = [] if stated is None else stated.tensor.string_val
        if value.output < len(texts):
            keys[variable.node] = as_text(bytes(texts[value.output]))
    return keys


def _origin(read: OutputReference, by_name: Mapping[str, Node]) -> OutputReference:
    while (node := by_name.get(read.node)) is not None and node.op == "Identity" and node.inputs:
        read = node.inputs[0]
    return read
