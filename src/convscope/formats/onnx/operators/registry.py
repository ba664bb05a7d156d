"""The tables of ONNX's operators: which function reads a node of each, and which writes an operation as nodes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from convscope.errors import UnsupportedLayer
from convscope.formats.onnx.node import Node, require_count
from convscope.formats.onnx.writer import Part
from convscope.formats.operation_plan import OperationPlan

Reader = Callable[[Node], OperationPlan | Sequence[OperationPlan]]
Writer = Callable[[Part], None]
AnyReader = TypeVar("AnyReader", bound=Reader)

MICROSOFT = "com.microsoft"
"""Onnxruntime's own domain; an operator of it that ONNX has too is the same one, but for those of `_ANOTHER`."""

_ANOTHER = ("Attention", "RotaryEmbedding", "Unique")  # of other inputs, or other outputs

_ONE_PROCESSOR = "com.microsoft.nchwc"

READERS: dict[str, Reader] = {}
WRITERS: dict[str, Writer] = {}


def reads(*names: str, inputs: int = 1) -> Callable[[AnyReader], AnyReader]:
    """Register a function for operators of these names; it is called with at least so many inputs."""

    def register(function: AnyReader) -> AnyReader:
        def checked(node: Node) -> OperationPlan | Sequence[OperationPlan]:
            require_count(node, inputs)
            return function(node)

        READERS.update(dict.fromkeys(names, checked))
        return function

    return register


def reader_of(domain: str, node: Node) -> Reader:
    """Return the function that reads a node; UnsupportedLayer for an operator that has none."""
    shared = domain == "" or (domain == MICROSOFT and node.type_name not in _ANOTHER)
    name = node.type_name if shared else f"{domain}.{node.type_name}"
    own = READERS.get(f"{domain}.{node.type_name}")
    if own is None and domain == _ONE_PROCESSOR and node.type_name == "Conv":
        raise UnsupportedLayer(
            f"{domain}.{node.type_name} (node {node.name!r}) has its numbers packed for one kind of processor: let "
            "onnxruntime write the network at its extended level (ORT_ENABLE_EXTENDED), not at the highest"
        )
    if (reader := own or READERS.get(name)) is None:
        raise UnsupportedLayer(
            f"convscope does not compute {f'{domain}.' if domain else ''}{node.type_name or 'a node without a type'} "
            f"(node {node.name!r}): look at the layers before it, or export the network without it"
        )
    return reader


def writes(*kinds: str) -> Callable[[Writer], Writer]:
    """Register the function that writes operations of these kinds."""

    def register(function: Writer) -> Writer:
        WRITERS.update(dict.fromkeys(kinds, function))
        return function

    return register


def plain(kind: str, **attributes: Any) -> Reader:
    """Return the reader of an operator with one input and nothing to say."""
    return lambda node: OperationPlan(kind, node.inputs[:1], attributes=attributes)


def renamed(kind: str, **names: tuple[str, Any]) -> Reader:
    """Return the reader of an operator whose attributes have other names here: (ONNX's name, its default)."""

    def read(node: Node) -> OperationPlan:
        attributes: Mapping[str, Any] = {
            ours: node.attributes.get(theirs, default) for ours, (theirs, default) in names.items()
        }
        return OperationPlan(kind, node.inputs[:1], attributes=attributes)

    return read


def straight(op_type: str, **attributes: object) -> Writer:
    """Return the writer of an operation that one operator computes, from the same inputs."""
    return lambda part: part.write(op_type, *part.inputs, **attributes)
