"""TensorFlow 2 writes a network as functions that call each other: here they are put in the place of their calls."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from convscope.errors import NetworkFileError
from convscope.formats.protobuf.message import Message
from convscope.formats.tensorflow.loops import Loop, loop_of
from convscope.formats.tensorflow.node import Node, OutputReference, read_node, reference
from convscope.formats.tensorflow.output_names import OUTPUT_NAMES
from convscope.formats.tensorflow.tensors import to_array

CALLS = ("PartitionedCall", "StatefulPartitionedCall")
_CHOICES = ("If", "StatelessIf")
_LOOPS = ("While", "StatelessWhile")
_DEEPEST = 64
_MOST_NODES = 200_000
_MOST_OUTPUTS = 256
CHOSEN = "ChosenBranch"
"""An op that TensorFlow does not have: what one of two branches gives, by a truth."""


def inlined(nodes: Sequence[Node], functions: Iterable[Message]) -> list[Node]:
    """Return the nodes with the body of each function in the place of its calls.

    A node inside keeps its own name where no other has it. A call of what the file does not have stays.
    """
    by_name = {function.signature.name: function for function in functions}
    if not by_name:
        return list(nodes)
    inlining = _Inlining(by_name, {node.name for node in nodes})
    nodes_inlined = list(inlining.bodies(nodes, {}, 0))
    return [replace(node, inputs=tuple(map(inlining.resolve, node.inputs))) for node in nodes_inlined]


@dataclass
class _Inlining:
    known: Mapping[str, Message]
    taken: set[str]
    stands_for: dict[OutputReference, OutputReference] = field(default_factory=dict)
    """What a call gives, or a function's argument, to what it is."""

    def resolve(self, read: OutputReference) -> OutputReference:
        """Return what a reference stands for in the end."""
        for _ in range(_DEEPEST * 4):
            if read not in self.stands_for:
                return read
            read = self.stands_for[read]
        raise NetworkFileError(f"{read.node!r} stands for itself: the file is damaged")

    def bodies(self, nodes: Sequence[Node], constants: Mapping[str, Node], depth: int) -> Iterator[Node]:
        """Yield the nodes, and those of the functions they call."""
        if depth > _DEEPEST:
            raise NetworkFileError("functions call each other more than 64 deep: the file is damaged")
        constants = {**constants, **{node.name: node for node in nodes if node.op == "Const"}}
        for node in nodes:
            if node.op in _LOOPS and (loop := self._loop(node, constants, depth)) is not None:
                yield loop
                continue
            function = self._function_of(node, constants)
            if function is None and node.op in _CHOICES and node.inputs:
                yield from self._both(node, constants, depth)
            elif function is None:
                yield node
            else:
                arguments = node.inputs[1:] if node.op in _CHOICES else node.inputs
                yield from self._body(function, node.name, arguments, constants, depth)

    def _both(self, node: Node, constants: Mapping[str, Node], depth: int) -> Iterator[Node]:
        """Yield the nodes of both branches, and those that choose between what they give."""
        branches = [self._function(node, name) for name in ("then_branch", "else_branch")]
        if None in branches:
            yield node
            return
        calls = [f"{node.name}/then", f"{node.name}/else"]
        for function, call in zip(branches, calls, strict=True):
            assert function is not None
            yield from self._body(function, call, node.inputs[1:], constants, depth)
        count = sum(OutputReference(calls[0], at) in self.stands_for for at in range(_MOST_OUTPUTS))
        for at in range(count):
            name = self._own_name(f"{node.name}/{at}" if at else f"{node.name}/chosen", node.name)
            reads = (node.inputs[0], *(OutputReference(call, at) for call in calls))
            yield Node(name, CHOSEN, reads, {})
            self.stands_for[OutputReference(node.name, at)] = OutputReference(name, 0)

    def _loop(self, node: Node, constants: Mapping[str, Node], depth: int) -> Loop | None:
        """Return a loop with the bodies of its two functions in it."""
        test, body = self._function(node, "cond"), self._function(node, "body")
        if test is None or body is None:
            return None
        variables = [f"{node.name}/variable_{at}" for at in range(len(node.inputs))]
        arguments = [OutputReference(name, 0) for name in variables]
        inner: list[Node] = []
        for function, call in ((test, f"{node.name}/cond"), (body, f"{node.name}/body")):
            inner += self._body(function, call, arguments, constants, depth)
        inner = [replace(each, inputs=tuple(map(self.resolve, each.inputs))) for each in inner]
        condition, *following = (
            self.resolve(OutputReference(f"{node.name}/{call}", at))
            for call, at in (("cond", 0), *(("body", at) for at in range(len(variables))))
        )
        return loop_of(node, variables, condition, following, inner)

    def _function_of(self, node: Node, constants: Mapping[str, Node]) -> Message | None:
        """Return the function that a node calls, of two branches the one that is taken."""
        if node.op in CALLS:
            return self._function(node, "f")
        if node.op in _CHOICES and node.inputs:
            read = self.resolve(node.inputs[0])
            condition = constants.get(read.node)
            value = None if condition is None else to_array(condition.attributes["value"].tensor, read.node)
            if value is not None and value.size == 1:
                return self._function(node, "then_branch" if value.item() else "else_branch")
        return None

    def _function(self, node: Node, attribute: str) -> Message | None:
        stated = node.attributes.get(attribute)
        return self.known.get(stated.func.name) if stated is not None and stated.has("func") else None

    def _body(
        self,
        function: Message,
        call: str,
        arguments: Sequence[OutputReference],
        constants: Mapping[str, Node],
        depth: int,
    ) -> Iterator[Node]:
        names = [argument.name for argument in function.signature.input_arg]
        if len(arguments) != len(names):
            raise NetworkFileError(f"{call!r} calls a function of {len(names)} inputs with {len(arguments)}")
        inner = [read_node(message) for message in function.node_def]
        renamed = {node.name: self._own_name(node.name, call) for node in inner}
        ops = {node.name: node.op for node in inner}
        inputs = dict(zip(names, arguments, strict=True))

        def place(read: OutputReference) -> OutputReference:
            return _place(read, inputs, renamed, ops)

        for entry in function.ret:
            at = [argument.name for argument in function.signature.output_arg].index(entry.key)
            self.stands_for[OutputReference(call, at)] = place(reference(entry.value))
        body = [
            replace(node, name=renamed[node.name], inputs=tuple(place(read) for read in node.inputs))
            for node in inner
        ]
        yield from self.bodies(body, constants, depth + 1)

    def _own_name(self, name: str, call: str) -> str:
        own_name = name if name not in self.taken else f"{call}/{name}"
        number = 0
        while own_name in self.taken:
            number += 1
            own_name = f"{call}/{name}_{number}"
        if len(self.taken) > _MOST_NODES:
            raise NetworkFileError(f"functions that call each other make more than {_MOST_NODES:,} nodes")
        self.taken.add(own_name)
        return own_name


def _place(
    read: OutputReference,
    inputs: Mapping[str, OutputReference],
    renamed: Mapping[str, str],
    ops: Mapping[str, str],
) -> OutputReference:
    """Return what a function's node reads, ``conv:output:0``, as a graph's node would read it."""
    if read.node in inputs:
        return inputs[read.node]
    node, _, output = read.node.rpartition(":")
    node, output = (node, output) if node else (output, "")
    if node not in renamed:
        raise NetworkFileError(f"a function reads {read.node!r}, which it does not have: the file is damaged")
    names = OUTPUT_NAMES.get(ops[node], ())
    first = names.index(output) if output in names else 0
    return OutputReference(renamed[node], first + read.output)
