"""Loops of a graph, each gathered into one node that holds its body: TensorFlow 1 writes them as cycles of nodes.

``tf.while_loop`` of a frozen graph is Enter, Merge, Switch, NextIteration and Exit (Yu et al., *Dynamic control flow
in large-scale machine learning*, 2018); TensorFlow 2 has functions instead, of which `functions` makes the same node.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from convscope.formats.tensorflow.node import Node, OutputReference, in_order

LOOP = "While"


@dataclass(frozen=True, eq=False)
class Loop(Node):
    """A loop: what goes on while the `condition` is true.

    `variables` are what its body calls the inputs, one each. The first of them begin as the inputs and are the
    `following` ones in the next round, and in the end the loop's outputs; the others never change. The body reads
    nothing else, and is in an order to run in.
    """

    variables: tuple[str, ...]
    condition: OutputReference
    following: tuple[OutputReference, ...]
    body: tuple[Node, ...]


def gather_loops(nodes: Sequence[Node]) -> list[Node]:
    """Return the nodes with each cycle as a `Loop`, the inner ones in the bodies of the outer ones."""
    nodes = list(nodes)
    while frames := _frames(nodes):
        readers = _readers(nodes)
        bodies = {frame: _body(entries, readers, nodes) for frame, entries in frames.items()}
        inner = min(bodies, key=lambda frame: len(bodies[frame]))
        nodes = _gathered(nodes, frames[inner], bodies[inner], inner)
    return nodes


def loop_of(
    node: Node,
    variables: Sequence[str],
    condition: OutputReference,
    following: Sequence[OutputReference],
    body: Iterable[Node],
) -> Loop:
    """Return a loop whose body may read what is outside: that becomes inputs that never change."""
    inner = {each.name: each for each in body}
    captured: dict[OutputReference, str] = {}

    def inside(read: OutputReference) -> OutputReference:
        if read.node in inner or read.node in variables:
            return read
        name = captured.setdefault(read, f"{node.name}/captured_{len(captured)}")
        return OutputReference(name, 0)

    body = [replace(each, inputs=tuple(map(inside, each.inputs))) for each in inner.values()]
    ends = inside(condition), tuple(map(inside, following))
    inputs = (*node.inputs, *captured)
    names = (*variables, *captured.values())
    return Loop(node.name, LOOP, inputs, node.attributes, names, *ends, tuple(_ordered(body)))


def _ordered(body: Sequence[Node]) -> list[Node]:
    by_name = {node.name: node for node in body}
    own = [replace(node, inputs=tuple(read for read in node.inputs if read.node in by_name)) for node in body]
    return [by_name[node.name] for node in in_order(own)]


def _frames(nodes: Sequence[Node]) -> dict[str, list[Node]]:
    frames: dict[str, list[Node]] = {}
    for node in nodes:
        if node.op in ("Enter", "RefEnter") and node.inputs:
            frames.setdefault(node.text("frame_name"), []).append(node)
    return frames


def _readers(nodes: Sequence[Node]) -> dict[str, list[Node]]:
    readers: dict[str, list[Node]] = {}
    for node in nodes:
        for read in node.inputs:
            readers.setdefault(read.node, []).append(node)
    return readers


def _body(
    entries: Sequence[Node], readers: Mapping[str, Sequence[Node]], nodes: Sequence[Node]
) -> dict[str, Node]:
    """Return the nodes that a loop's entries come to, up to its exits."""
    by_name = {node.name: node for node in nodes}
    own = {node.name for node in entries}
    nodes_by_name: dict[str, Node] = {}
    waiting = list(entries)
    while waiting:
        node = waiting.pop()
        if node.name in nodes_by_name:
            continue
        nodes_by_name[node.name] = node
        if node.op != "Exit" or not _leaves(node, own, by_name):
            waiting += readers.get(node.name, [])
    return nodes_by_name


def _leaves(end: Node, entries: set[str], by_name: Mapping[str, Node]) -> bool:
    """Whether an Exit is that of the loop with these entries: it reads a Switch that reads a Merge of one of them."""
    node = by_name.get(end.inputs[0].node)
    for _ in range(2):
        node = by_name.get(node.inputs[0].node) if node is not None and node.inputs else None
        if node is not None and node.name in entries:
            return True
    return False


def _gathered(
    nodes: Sequence[Node], entries: Sequence[Node], body: Mapping[str, Node], frame: str
) -> list[Node]:
    """Return the nodes with one loop as a node; its exits pass on what it gives."""
    own = {node.name: node for node in entries}
    merges = [node for node in body.values() if node.op == "Merge" and node.inputs[0].node in own]
    places = {node.name: at for at, node in enumerate(merges)}
    steps = [body.get(node.inputs[-1].node) for node in merges]
    condition = next((node for node in body.values() if node.op == "LoopCond" and node.inputs), None)
    if condition is None or not merges or not all(step is not None and step.inputs for step in steps):
        return [replace(node, op="Enter of a damaged loop") if node.name in own else node for node in nodes]
    switched = {
        node.name: node.inputs[0].node
        for node in body.values()
        if node.op == "Switch" and node.inputs and node.inputs[0].node in places
    }
    stands = {OutputReference(name, 0): node.inputs[0] for name, node in own.items()}
    stands |= {
        OutputReference(name, side): OutputReference(merge, 0)
        for name, merge in switched.items()
        for side in (0, 1)
    }
    exits = {
        node.name: OutputReference(frame, places[switched[node.inputs[0].node]])
        for node in body.values()
        if node.op == "Exit" and node.inputs[0].node in switched
    }
    following = [step for step in steps if step is not None]
    control = {*own, *places, *switched, *exits, condition.name, *(step.name for step in following)}

    def meant(node: Node) -> Node:
        return replace(node, inputs=tuple(stands.get(read, read) for read in node.inputs))

    loop = loop_of(
        Node(frame, LOOP, tuple(own[node.inputs[0].node].inputs[0] for node in merges), {}),
        list(places),
        meant(condition).inputs[0],
        [meant(step).inputs[0] for step in following],
        [meant(node) for node in body.values() if node.name not in control],
    )
    outside = [
        replace(node, op="Identity", inputs=(exits[node.name],)) if node.name in exits else node
        for node in nodes
        if node.name not in body or node.name in exits
    ]
    return [*outside, loop]
