"""Sequences of tensors: which tensors are in one is known when a network is opened, so they are lists of names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from convscope.formats.onnx.calls import Call, Inner
from convscope.formats.onnx.constants import constant_of
from convscope.formats.onnx.node import Node

MOST_ROUNDS = 256
"""What is written out piece by piece, or round by round, has so many of them at most."""


def elements_of(value: str, names: Sequence[str], axis: int = 0) -> Sequence[Inner]:
    """Return the nodes that take a value apart along an axis, which has as many places as there are names."""
    rows, axes, lengths = [f"{name}/row" for name in names], f"{names[0]}/axis", f"{names[0]}/lengths"
    steps: list[Inner] = [
        (axes, constant_of(np.array([axis], np.int64))),
        (lengths, constant_of(np.ones(len(names), np.int64))),
        Call(rows[0], "", "Split", (value, lengths), tuple(rows), {"axis": axis}, frozenset(rows)),
    ]
    for row, name in zip(rows, names, strict=True):
        steps.append(Call(name, "", "Squeeze", (row, axes), (name,), {}, frozenset({name})))
    return steps


def stack_steps(pieces: Sequence[str], output: str, place: str, axis: int = 0) -> Sequence[Inner]:
    """Return the nodes that put values one after another along a new axis."""
    axes = f"{place}/axis"
    raised = [f"{place}/{at}/stacked" for at in range(len(pieces))]
    steps: list[Inner] = [(axes, constant_of(np.array([axis], np.int64)))]
    for piece, row in zip(pieces, raised, strict=True):
        steps.append(Call(row, "", "Unsqueeze", (piece, axes), (row,), {}, frozenset({row})))
    return [*steps, Call(output, "", "Concat", tuple(raised), (output,), {"axis": axis})]


def _list_tensors(node: Node) -> Sequence[Inner]:
    return [(node.outputs[0], node.inputs)]


def _element_at(node: Node) -> Sequence[Inner]:
    """Return a SequenceAt: another name for one of the tensors."""
    tensor = _tensors(node)[_place(node, 1)]
    return [Call(node.name, "", "Identity", (tensor,), node.outputs[:1], {})]


def _insert(node: Node) -> Sequence[Inner]:
    tensors = list(_tensors(node))
    tensors.insert(_place(node, 2) if node.has(2) else len(tensors), node.inputs[1])
    return [(node.outputs[0], tuple(tensors))]


def _erase(node: Node) -> Sequence[Inner]:
    tensors = list(_tensors(node))
    del tensors[_place(node, 1) if node.has(1) else -1]
    return [(node.outputs[0], tuple(tensors))]


def _count(node: Node) -> Sequence[Inner]:
    return [(node.outputs[0], constant_of(np.array(len(_tensors(node)), np.int64)))]


def _pieces(node: Node) -> Sequence[Inner]:
    """Return a SplitToSequence: pieces of one length, the last one shorter, or of the lengths that it says."""
    axis, keeps = int(node.attributes.get("axis", 0)), bool(node.attributes.get("keepdims", 1))
    shape, statement = node.shape(0), node.known(1, "lengths")
    if not shape or not -len(shape) <= axis < len(shape):
        raise node.refusal(f"it has no axis {axis} to split along")
    axis, size = axis % len(shape), shape[axis]
    lengths = _lengths(size, 1 if statement is None else statement)
    if not 0 < len(lengths) <= MOST_ROUNDS or min(lengths) < 0 or sum(lengths) != size:
        raise node.refusal(f"it splits {size} places into {len(lengths)} pieces that are not {size} together")
    names = tuple(f"{node.outputs[0]}/{at}" for at in range(len(lengths)))
    if statement is None and not keeps:
        return [*elements_of(node.inputs[0], names, axis), (node.outputs[0], names)]
    pieces = f"{node.outputs[0]}/lengths"
    split = Call(node.name, "", "Split", (node.inputs[0], pieces), names, {"axis": axis})
    return [(pieces, constant_of(np.array(lengths, np.int64))), split, (node.outputs[0], names)]


def _lengths(size: int, lengths: object) -> list[int]:
    array = np.asarray(lengths)
    if array.ndim:
        return [int(length) for length in array]
    step = max(1, int(array))
    return [min(step, size - start) for start in range(0, size, step)][: MOST_ROUNDS + 1]


def _join(node: Node) -> Sequence[Inner]:
    """Return a ConcatFromSequence: its tensors one after another, along a new axis where it says so."""
    tensors, axis = _tensors(node), int(node.attributes["axis"])
    if not tensors:
        raise node.refusal("its sequence is empty")
    if node.attributes.get("new_axis", 0):
        return stack_steps(tensors, node.outputs[0], node.outputs[0], axis)
    return [Call(node.name, "", "Concat", tensors, node.outputs[:1], {"axis": axis})]


def _alias(node: Node) -> Sequence[Inner]:
    """Return another name for a sequence, a tensor, or what an Optional holds of either."""
    if not node.has(0):
        raise node.refusal("it holds nothing")
    if node.inputs[0] in node.sequences:
        return [(node.outputs[0], node.sequences[node.inputs[0]])]
    return [Call(node.name, "", "Identity", node.inputs[:1], node.outputs[:1], {})]


def _has_element(node: Node) -> Sequence[Inner]:
    return [(node.outputs[0], constant_of(np.array(node.has(0))))]


def _tensors(node: Node) -> tuple[str, ...]:
    if not node.inputs or node.inputs[0] not in node.sequences:
        raise node.refusal("which tensors its sequence holds is not known")
    return node.sequences[node.inputs[0]]


def _place(node: Node, index: int) -> int:
    """Return a place in a sequence, counted from the front; it has to be known when the network is opened."""
    number, count = node.known(index, "place in the sequence"), len(_tensors(node))
    place = 0 if number is None else int(number.reshape(()))
    last = count if node.type_name == "SequenceInsert" else count - 1
    if not -count <= place <= last:
        raise node.refusal(f"place {place} is not in its sequence of {count}")
    return place + count if place < 0 else place


SEQUENCES: Mapping[str, Callable[[Node], Sequence[Inner]]] = {
    "SequenceConstruct": _list_tensors,
    "SequenceEmpty": lambda node: [(node.outputs[0], ())],
    "SequenceInsert": _insert,
    "SequenceErase": _erase,
    "SequenceAt": _element_at,
    "SequenceLength": _count,
    "SplitToSequence": _pieces,
    "ConcatFromSequence": _join,
    "Optional": _alias,
    "OptionalGetElement": _alias,
    "OptionalHasElement": _has_element,
}
"""What a node of each of these operators comes to: names, numbers, nodes of other operators."""
