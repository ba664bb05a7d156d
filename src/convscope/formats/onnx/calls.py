"""A node as plain data, so that it can be renamed where it stands inside another one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
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
    """Give each node as plain data; ``ai.onnx`` is the domain without a name."""
    for node in nodes:
        domain = node.domain or ""
        yield Call(
            name=node.name or "".join(node.output[:1]),
            domain="" if domain == "ai.onnx" else domain,
            type_name=node.op_type or "",
            inputs=tuple(node.input),
            outputs=tuple(node.output),
            attributes=attributes_of(node, file),
            overload=node.overload or "",
        )
