"""Ops of sizes that give several things, each of which is known beforehand: as many nodes of one output."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from convscope.formats.tensorflow.constants import Array, folds
from convscope.formats.tensorflow.node import Node, OutputReference

PLACES = "PlacesOfListDiff"
"""An op that TensorFlow does not have: the second output of its ListDiff."""


def one_output_each(nodes: Sequence[Node]) -> list[Node]:
    """Return the nodes, in their order, with each output of a ShapeN and of a ListDiff as a node of its own."""
    return list(_apart(nodes))


def _apart(nodes: Sequence[Node]) -> Iterator[Node]:
    outputs: dict[OutputReference, OutputReference] = {}
    for before in nodes:
        node = replace(before, inputs=tuple(outputs.get(read, read) for read in before.inputs))
        parts = list(_parts(node))
        outputs |= {
            OutputReference(node.name, at): OutputReference(part.name, 0) for at, part in enumerate(parts)
        }
        yield from parts or (node,)


def _parts(node: Node) -> Iterator[Node]:
    if node.op == "ShapeN":
        for at, read in enumerate(node.inputs):
            yield replace(node, op="Shape", name=f"{node.name}/{at}" if at else node.name, inputs=(read,))
    if node.op == "ListDiff":
        yield node
        yield replace(node, op=PLACES, name=f"{node.name}/idx")


@folds("ListDiff", PLACES)
def _left_over(node: Node, inputs: Sequence[Array]) -> Array:
    """Return the numbers of the first list that the second does not have, or where they are."""
    all_numbers, taken = inputs[0].ravel(), {int(number) for number in inputs[1].ravel()}
    places = [at for at, number in enumerate(all_numbers) if int(number) not in taken]
    return np.array(places, np.int64) if node.op == PLACES else all_numbers[places]
