"""A node of a GraphDef: its name, its op, what it reads and what else it says; and nodes in an order to run in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from convscope.errors import NetworkFileError
from convscope.formats.protobuf.message import Message
from convscope.formats.protobuf.wire import as_text
from convscope.formats.tensorflow.tensors import shape_of

PLACEHOLDERS = ("Placeholder", "PlaceholderV2", "PlaceholderWithDefault")


class OutputReference(NamedTuple):
    """One output of a node, as another reads it: ``"split:1"`` is (``"split"``, 1)."""

    node: str
    output: int


@dataclass(frozen=True, eq=False)
class Node:
    """A node: `inputs` are the outputs it reads; those it only waits for are left out."""

    name: str
    op: str
    inputs: tuple[OutputReference, ...]
    attributes: Mapping[str, Message]

    def text(self, name: str, default: str = "") -> str:
        """Return an attribute that is a text or a data type."""
        if name not in self.attributes:
            return default
        value = self.attributes[name]
        return str(value.type) if value.has("type") else as_text(bytes(value.s or b""))

    def integers(self, *names: str) -> tuple[int, ...]:
        """Return the first of these attributes that is a list of whole numbers."""
        for name in names:
            if name in self.attributes:
                return tuple(self.attributes[name].list.i)
        return ()

    def integer(self, name: str, default: int = 0) -> int:
        """Return an attribute that is a whole number."""
        return int(self.attributes[name].i) if name in self.attributes else default

    def number(self, name: str, default: float) -> float:
        """Return an attribute that is a number."""
        return float(self.attributes[name].f) if name in self.attributes else default

    def flag(self, name: str) -> bool:
        """Return an attribute that is true or false; false where it is absent."""
        return name in self.attributes and bool(self.attributes[name].b)

    @property
    def channels_second(self) -> bool:
        """Whether its maps have their channels on the second axis, as graphics processors like it."""
        return self.text("data_format").startswith("NC")

    def plain(self, name: str) -> Any:
        """Return any attribute that is a number, a truth, a text or a list of whole numbers; None for others."""
        value = self.attributes[name]
        for kind in ("i", "f", "b"):
            if value.has(kind):
                return getattr(value, kind)
        if value.has("list"):
            return tuple(value.list.i) or None
        return self.text(name) or None

    def shape(self, name: str = "shape") -> tuple[int, ...] | None:
        """Return an attribute that is a shape, -1 for a size that is not known; None where nothing is."""
        value = self.attributes.get(name)
        return shape_of(value.shape) if value is not None and value.has("shape") else None


def read_node(message: Message) -> Node:
    """Return what a NodeDef says."""
    inputs = tuple(reference(text) for text in message.input if not text.startswith("^"))
    attributes = {entry.key: entry.value for entry in message.attr}
    return Node(message.name or "", message.op or "", inputs, attributes)


def reference(text: str) -> OutputReference:
    """Return what a text such as ``"split:1"`` refers to."""
    name, colon, index = text.rpartition(":")
    return OutputReference(name, int(index)) if colon and index.isdigit() else OutputReference(text, 0)


def in_order(nodes: Iterable[Node]) -> list[Node]:
    """Return the nodes so that each comes after all it reads, else as the file has them.

    NetworkFileError for a name that two nodes have, an input that no node makes, or nodes that read each other.
    """
    by_name: dict[str, Node] = {}
    for node in nodes:
        if by_name.setdefault(node.name, node) is not node:
            raise NetworkFileError(f"two nodes are called {node.name!r}: the file is damaged")
    ordered: dict[str, Node] = {}
    ancestors: set[str] = set()
    for first in by_name.values():
        waiting = [first]
        while waiting:
            node = waiting[-1]
            if node.name in ordered:
                waiting.pop()
                continue
            missing = [_node_read(by_name, node, read) for read in node.inputs if read.node not in ordered]
            if not missing:
                ordered[node.name] = waiting.pop()
            elif node.name in ancestors:
                raise NetworkFileError(
                    f"node {node.name!r} reads, over others, itself: convscope opens networks without loops"
                )
            else:
                ancestors.add(node.name)
                waiting += reversed(missing)
    return list(ordered.values())


def _node_read(by_name: Mapping[str, Node], reader: Node, read: OutputReference) -> Node:
    if read.node not in by_name:
        raise NetworkFileError(
            f"node {reader.name!r} reads {read.node!r}, which is not in the file: it is damaged, or cut wrongly"
        )
    return by_name[read.node]
