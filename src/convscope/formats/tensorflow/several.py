"""Ops of sizes that give several things, each of which is known beforehand: as many nodes of one output."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch

from convscope.formats.tensorflow.constants import FOLDERS, Array, folds, quantize_settings
from convscope.formats.tensorflow.node import Node, OutputReference
from convscope.network.operations.ranges import quantize_range

PLACES = "PlacesOfListDiff"
"""An op that TensorFlow does not have: the second output of its ListDiff."""
CODED = ("KnownCodes", "LowestOfKnownCodes", "HighestOfKnownCodes")
"""Ops that TensorFlow does not have: the outputs of a QuantizeV2 that reads no picture."""


def one_output_each(nodes: Sequence[Node]) -> list[Node]:
    """Return the nodes, in their order, with each output of a ShapeN and of a ListDiff as a node of its own.

    Those of a QuantizeV2 too, where what it codes is known beforehand: a layer's filters.
    """
    return list(_apart(nodes))


def _apart(nodes: Sequence[Node]) -> Iterator[Node]:
    outputs: dict[OutputReference, OutputReference] = {}
    known: set[str] = set()
    for before in nodes:
        node = replace(before, inputs=tuple(outputs.get(read, read) for read in before.inputs))
        reads_known = bool(node.inputs) and known.issuperset(read.node for read in node.inputs)
        parts = list(_coded(node) if node.op == "QuantizeV2" and reads_known else _parts(node))
        outputs |= {
            OutputReference(node.name, at): OutputReference(part.name, 0) for at, part in enumerate(parts)
        }
        if node.op == "Const" or (reads_known and (parts or node.op in FOLDERS)):
            known.update(part.name for part in parts or (node,))
        yield from parts or (node,)


def _parts(node: Node) -> Iterator[Node]:
    if node.op == "ShapeN":
        for at, read in enumerate(node.inputs):
            yield replace(node, op="Shape", name=f"{node.name}/{at}" if at else node.name, inputs=(read,))
    if node.op == "ListDiff":
        yield node
        yield replace(node, op=PLACES, name=f"{node.name}/idx")


def _coded(node: Node) -> Iterator[Node]:
    for op, name in zip(CODED, ("", "/low", "/high"), strict=True):
        yield replace(node, op=op, name=node.name + name)


@folds(*CODED)
def _known_codes(node: Node, inputs: Sequence[Array]) -> Array:
    values, low, high = (torch.from_numpy(np.array(array, np.float32)) for array in inputs)
    coded = quantize_range(values, low, high, **quantize_settings(node))
    return np.asarray(coded[CODED.index(node.op)].numpy())


@folds("ListDiff", PLACES)
def _left_over(node: Node, inputs: Sequence[Array]) -> Array:
    """Return the numbers of the first list that the second does not have, or where they are."""
    all_numbers, taken = inputs[0].ravel(), {int(number) for number in inputs[1].ravel()}
    places = [at for at, number in enumerate(all_numbers) if int(number) not in taken]
    return np.array(places, np.int64) if node.op == PLACES else all_numbers[places]
