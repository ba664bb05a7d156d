"""TensorFlow 1 writes dropout as arithmetic with random numbers; a network that is looked at drops nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from convscope.formats.tensorflow.node import Node, OutputReference

_RANDOM = ("RandomUniform", "StatelessRandomUniform", "StatelessRandomUniformV2")
_MASKING = ("Mul", "Select", "SelectV2")
_SCALING = ("Mul", "RealDiv", "Div")
_PICTURES = ("Placeholder", "PlaceholderV2", "PlaceholderWithDefault")


def without_dropout(nodes: Sequence[Node], values: Mapping[str, object]) -> list[Node]:
    """Return the nodes with each product of a picture's numbers and a random mask as an Identity.

    The division by how much is kept, which stands before it in the same scope, is passed over. `values` are inputs
    that are no picture.
    """
    by_name = {node.name: node for node in nodes}
    random: set[str] = set()
    visited: set[str] = set()
    remaining = []
    for node in nodes:
        data = [read for read in node.inputs if read.node in visited and read.node not in random]
        if node.op in _RANDOM or any(read.node in random for read in node.inputs):
            if not (node.op in _MASKING and data):
                random.add(node.name)
                continue
            node = replace(node, op="Identity", inputs=(_unscaled(data[0], node, by_name, visited),))
        if data or (node.op in _PICTURES and node.name not in values):
            visited.add(node.name)
        remaining.append(node)
    return remaining if len(remaining) > 1 else list(nodes)


def _unscaled(
    read: OutputReference, mask: Node, by_name: Mapping[str, Node], visited: set[str]
) -> OutputReference:
    """Return what was divided by how much is kept, where that is the same dropout's."""
    before = by_name[read.node]
    same = before.name.rpartition("/")[0] == mask.name.rpartition("/")[0] != ""
    if same and before.op in _SCALING:
        return next((one for one in before.inputs if one.node in visited), read)
    return read
