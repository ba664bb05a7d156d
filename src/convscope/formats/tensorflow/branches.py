"""TensorFlow 1's side inputs and branches: training or looking is decided here, so that one branch remains.

A network of 2016 has, beside the picture, a placeholder that says whether it is trained, and how much of a dropout is
kept. Looked at, it is never trained; what hangs on that, ``tf.cond`` (Switch and Merge), is followed on that side.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from convscope.formats.tensorflow.node import Node, OutputReference
from convscope.formats.tensorflow.tensors import Array, to_array

_SWITCHES = ("Switch", "RefSwitch")
_MERGES = ("Merge", "RefMerge")
_PASSING = ("Identity", "PlaceholderWithDefault")
_KEPT = ("keep", "kept")
_DROPPED = ("dropout", "drop_rate", "drop_prob", "droprate")


def inference_values(nodes: Sequence[Node]) -> Iterator[tuple[str, Array, str]]:
    """Yield (name, value, why) of each placeholder that is no picture but says how the network is used."""
    by_name = {node.name: node for node in nodes}
    for node in nodes:
        if node.op not in ("Placeholder", "PlaceholderV2", "PlaceholderWithDefault"):
            continue
        word = node.name.lower()
        if node.text("dtype") == "DT_BOOL":
            stated = _constant_numbers(node, by_name)
            if stated is None or (stated.size == 1 and stated.item() and "train" in word):
                yield node.name, np.asarray(False), f"{node.name!r} is False: it is not trained"
        elif node.op != "PlaceholderWithDefault" and len(node.shape() or ()) == 0:
            if any(part in word for part in _KEPT):
                yield node.name, np.float32(1), f"{node.name!r} is 1: everything is kept"
            elif any(part in word for part in _DROPPED):
                yield node.name, np.float32(0), f"{node.name!r} is 0: nothing is dropped"


def follow_branches(nodes: Sequence[Node], values: Mapping[str, Array]) -> list[Node]:
    """Return the nodes, in their order, without the branches that are never taken.

    A Switch whose truth is known and the Merge of what remains become Identities; other ones stay as they are.
    """
    by_name = {node.name: node for node in nodes}
    dead: set[OutputReference] = set()
    renamed: dict[OutputReference, OutputReference] = {}
    followed: list[Node] = []
    for node in nodes:
        alive = tuple(read for read in node.inputs if read not in dead)
        inputs = tuple(renamed.get(read, read) for read in alive)
        if len(alive) < len(node.inputs) and not (node.op in _MERGES and len(alive) == 1):
            dead.update(OutputReference(node.name, output) for output in range(_MOST_OUTPUTS))
            continue
        if node.op in _MERGES and len(alive) == 1:
            dead.add(OutputReference(node.name, 1))  # which of the two it was
            node = replace(node, op="Identity")
        elif node.op in _SWITCHES and (truth := _truth(node.inputs[1].node, by_name, values)) is not None:
            dead.add(OutputReference(node.name, int(not truth)))
            renamed[OutputReference(node.name, int(truth))] = OutputReference(node.name, 0)
            node, inputs = replace(node, op="Identity"), inputs[:1]
        followed.append(replace(node, inputs=inputs))
    return followed


_MOST_OUTPUTS = 64


def _truth(name: str, by_name: Mapping[str, Node], values: Mapping[str, Array]) -> bool | None:
    """Return what a node says, where it is true or false whatever the picture."""
    negated = False
    for _ in by_name:
        if name in values:
            return bool(values[name].item()) != negated if values[name].size == 1 else None
        node = by_name[name]
        if node.op == "Const":
            value = _constant_numbers(node, by_name)
            return bool(value.item()) != negated if value is not None and value.size == 1 else None
        if node.op == "LogicalNot":
            negated = not negated
        elif node.op not in (*_PASSING, *_SWITCHES):
            return None
        name = node.inputs[0].node
    return None


def _constant_numbers(node: Node, by_name: Mapping[str, Node]) -> Array | None:
    """Return the numbers of a constant, or of a placeholder's default."""
    while node.op in _PASSING and node.inputs:
        node = by_name[node.inputs[0].node]
    if node.op != "Const" or "value" not in node.attributes:
        return None
    return to_array(node.attributes["value"].tensor, node.name)
