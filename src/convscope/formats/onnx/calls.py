"""A node as plain data, so that it can be renamed where it stands inside another one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convscope.formats.onnx.attributes import attributes_of
from convscope.formats.onnx.constants import Constant
from convscope.formats.protobuf.message import Message


@dataclass(frozen=True)
class Call:
    """What a node says: operator, values read and made, attributes. `hidden` are values nobody outside knows."""

    name: str
    domain: str
    type_name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]
    hidden: frozenset[str] = frozenset()
    overload: str = ""


Inner = Call | tuple[str, Constant] | tuple[str, tuple[str, ...]]
"""What a node comes to: nodes, and names of numbers or of a sequence's tensors."""


def calls_of(nodes: Iterable[Message], file: Path) -> Iterator[Call]:
    """Give each node as plain data, behind those whose values it reads; ``ai.onnx`` is the domain without a name."""
    return _in_order([_call(node, file) for node in nodes])


def _call(node: Message, file: Path) -> Call:
    domain = node.domain or ""
    return Call(
        name=node.name or "".join(node.output[:1]),
        domain="" if domain == "ai.onnx" else domain,
        type_name=node.op_type or "",
        inputs=tuple(node.input),
        outputs=tuple(node.output),
        attributes=attributes_of(node, file),
        overload=node.overload or "",
    )


def _in_order(calls: Sequence[Call]) -> Iterator[Call]:
    """Give nodes in the file's order, but for those that read what only a later one makes: it comes first.

    ONNX asks for that order, but onnxruntime opens files without it. Of a circle one comes too early.
    """
    makers: dict[str, int] = {}
    for index, call in enumerate(calls):
        for value in filter(None, call.outputs):
            makers.setdefault(value, index)
    begun: set[int] = set()
    for first in range(len(calls)):
        path = [(first, iter(_read_by(calls[first])))] if first not in begun else []
        begun.add(first)
        while path:
            index, values = path[-1]
            before = next((makers[value] for value in values if makers.get(value, first) not in begun), None)
            if before is None:
                path.pop()
                yield calls[index]
            else:
                begun.add(before)
                path.append((before, iter(_read_by(calls[before]))))


def _read_by(call: Call) -> Iterator[str]:
    """Give the values that a node reads, those that the graphs inside it read too."""
    yield from call.inputs
    graphs = [value for value in call.attributes.values() if isinstance(value, Message)]
    while graphs:
        for node in graphs.pop().node:
            yield from node.input
            graphs += [attribute.g for attribute in node.attribute if attribute.has("g")]
