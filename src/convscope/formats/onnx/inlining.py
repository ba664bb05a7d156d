"""Nodes that hold other nodes: functions local to a model, If with a known condition, Loop with a known count."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from convscope.errors import NetworkFileError
from convscope.formats.onnx.attributes import plain_attributes
from convscope.formats.onnx.calls import Call, calls_of
from convscope.formats.onnx.constants import Constant, constant_of, read_tensor
from convscope.formats.onnx.node import Node
from convscope.formats.protobuf.message import Message

Inner = Call | tuple[str, Constant]

MOST_ROUNDS = 256
"""A Loop of more rounds is refused: each one is written out."""
_DEEPEST = 32


def inlined_function(function: Message, call: Call, file: Path) -> Sequence[Inner]:
    """Return the nodes of a function of the model's own, with the values and attributes that a call gives."""
    if call.name.count("/") > _DEEPEST:
        raise NetworkFileError(f"the function {call.type_name!r} calls itself")
    given = plain_attributes(function.attribute_proto, call.name, file) | dict(call.attributes)
    names = dict(zip(function.input, call.inputs, strict=False))
    names |= dict.fromkeys(list(function.input)[len(call.inputs) :], "")
    names |= dict(zip(function.output, call.outputs, strict=False))
    rename = _renamer(call.name, names)
    found: list[Inner] = []
    for message, inner in zip(function.node, calls_of(function.node, file), strict=True):
        references = {
            attribute.name or "": attribute.ref_attr_name
            for attribute in message.attribute
            if attribute.ref_attr_name
        }
        attributes = {name: value for name, value in inner.attributes.items() if name not in references}
        attributes |= {name: given[there] for name, there in references.items() if there in given}
        found.append(_renamed(replace(inner, attributes=attributes), call.name, rename))
    return found


def branch_of(node: Node, file: Path) -> Sequence[Inner] | None:
    """Return what an If or a Loop comes to, as nodes; None for any other operator."""
    if node.type_name == "If":
        condition = node.numbers(0, "condition")
        taken = condition is not None and bool(np.asarray(condition).reshape(-1)[0])
        graph = node.attributes.get("then_branch" if taken else "else_branch")
        if not isinstance(graph, Message):
            raise node.refusal("the branch that is taken is not there")
        names = [value.name or "" for value in graph.output]
        own = _defined(graph)
        outputs = {name: out for name, out in zip(names, node.outputs, strict=False) if name in own}
        found = _inlined(graph, node.name, outputs, file)
        for name, out in zip(names, node.outputs, strict=False):
            if name not in own:
                found.append(Call(f"{node.name}/{name}", "", "Identity", (name,), (out,), {}))
        return found
    return _unrolled(node, file) if node.type_name == "Loop" else None


def _unrolled(node: Node, file: Path) -> Sequence[Inner]:
    body, count = node.attributes.get("body"), node.numbers(0, "number of rounds")
    going = node.numbers(1, "condition")
    if not isinstance(body, Message) or count is None or (going is not None and not bool(going.all())):
        raise node.refusal("how many rounds it goes is not known")
    rounds = int(count.reshape(-1)[0])
    if not 0 < rounds <= MOST_ROUNDS:
        raise node.refusal(f"it goes {rounds} rounds, more than the {MOST_ROUNDS} that are written out")
    entering, leaving = ([value.name or "" for value in ends] for ends in (body.input, body.output))
    carried = list(node.inputs[2:])
    if not _goes_on(body, leaving[0], entering[1]):
        raise node.refusal("whether it goes on is worked out while the network runs")
    found: list[Inner] = []
    scanned: list[list[str]] = [[] for _ in leaving[1 + len(carried) :]]
    for number in range(rounds):
        place = f"{node.name}/{number}"
        counter, condition = f"{place}/{entering[0]}", f"{place}/{entering[1]}"
        found += [
            (counter, constant_of(np.array(number, np.int64))),
            (condition, constant_of(np.array(True))),
        ]
        given = dict(zip(entering, [counter, condition, *carried], strict=False))
        last = number == rounds - 1
        outputs = {
            name: node.outputs[at]
            if last and at < len(node.outputs) and node.outputs[at]
            else f"{place}/{name}"
            for at, name in enumerate(leaving[1 : 1 + len(carried)])
        }
        ends = {name: f"{place}/{name}" for name in leaving[1 + len(carried) :]}
        straight = [name for name in {**outputs, **ends} if name in given]
        inner = {name: value for name, value in {**given, **outputs, **ends}.items() if name not in straight}
        inner |= {name: given[name] for name in straight}
        found += _inlined(body, place, inner, file)
        for name in straight:
            made = {**outputs, **ends}[name]
            found.append(Call(f"{place}/{name}", "", "Identity", (given[name],), (made,), {}))
        carried = list(outputs.values())
        for pieces, made in zip(scanned, ends.values(), strict=True):
            pieces.append(made)
    for pieces, output in zip(scanned, node.outputs[len(carried) :], strict=False):
        found += _stacked(pieces, output, node.name)
    return found


def _stacked(pieces: Sequence[str], output: str, place: str) -> Sequence[Inner]:
    """Return the nodes that put what each round made after another."""
    axes = f"{place}/axis"
    raised = [f"{piece}/stacked" for piece in pieces]
    steps: list[Inner] = [(axes, constant_of(np.array([0], np.int64)))]
    for piece, row in zip(pieces, raised, strict=True):
        steps.append(Call(row, "", "Unsqueeze", (piece, axes), (row,), {}, frozenset({row})))
    return [*steps, Call(output, "", "Concat", tuple(raised), (output,), {"axis": 0})]


def _goes_on(body: Message, name: str, entering: str) -> bool:
    """Whether a round hands on the condition it was given, or says that it is true."""
    made_by = {value: node for node in body.node for value in node.output}
    while name != entering:
        node = made_by.get(name)
        if node is None or node.op_type not in ("Identity", "Cast"):
            return node is not None and node.op_type == "Constant"
        name = node.input[0]
    return True


def _inlined(graph: Message, place: str, names: Mapping[str, str], file: Path) -> list[Inner]:
    rename = _renamer(place, names, _defined(graph))
    found: list[Inner] = [
        (rename(tensor.name or ""), read_tensor(tensor, file)) for tensor in graph.initializer
    ]
    return [*found, *(_renamed(call, place, rename) for call in calls_of(graph.node, file))]


def _defined(graph: Message) -> set[str]:
    """Return the names that a graph inside another gives itself; all others are the outer one's."""
    made = {value for node in graph.node for value in node.output}
    return made | {tensor.name or "" for tensor in graph.initializer}


def _renamer(place: str, names: Mapping[str, str], own: set[str] | None = None) -> Callable[[str], str]:
    def rename(name: str) -> str:
        if name in names:
            return names[name]
        return f"{place}/{name}" if name and (own is None or name in own) else name

    return rename


def _renamed(call: Call, place: str, rename: Callable[[str], str]) -> Call:
    outputs = tuple(map(rename, call.outputs))
    attributes: dict[str, Any] = {
        name: _rescoped(value, rename) if isinstance(value, Message) else value
        for name, value in call.attributes.items()
    }
    return replace(
        call,
        name=f"{place}/{call.name}",
        inputs=tuple(map(rename, call.inputs)),
        outputs=outputs,
        attributes=attributes,
    )


def _rescoped(graph: Message, rename: Callable[[str], str]) -> Message:
    """Return a graph inside a node in which what it reads from outside has its new name."""
    graph = graph.copy()
    own = _defined(graph) | {value.name or "" for value in graph.input}
    for node in graph.node:
        node.input = [name if name in own else rename(name) for name in node.input]
        for attribute in node.attribute:
            if attribute.has("g"):
                attribute.g = _rescoped(attribute.g, lambda name: name if name in own else rename(name))
    return graph
