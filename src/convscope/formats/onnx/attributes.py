"""A node's attributes as plain values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convscope.errors import NetworkFileError
from convscope.formats.onnx.constants import read_tensor
from convscope.formats.onnx.element_types import STRING
from convscope.formats.protobuf.message import Message

# AttributeProto.type: how a value is called there, and what it is where it is left out, being 0 or empty.
_KINDS: dict[int, tuple[str, Any]] = {
    1: ("f", 0.0),
    2: ("i", 0),
    3: ("s", b""),
    4: ("t", None),
    5: ("g", None),
    6: ("floats", []),
    7: ("ints", []),
    8: ("strings", []),
}


@dataclass(frozen=True)
class AttributeReference:
    """Stands for an attribute, of this name, of the function that the node is in."""

    name: str


def attributes_of(node: Message, file: Path) -> dict[str, Any]:
    """Return a node's attributes: numbers, texts, tuples of them, tensors as `Constant`, graphs as they are.

    Those of other kinds (sparse tensors, texts in tensors, types) are left out: no operator that has one is computed.
    """
    return plain_attributes(node.attribute, node.name or "", file)


def plain_attributes(attributes: Iterable[Message], name: str, file: Path) -> dict[str, Any]:
    """Return attributes as plain values; `name` is whose they are."""
    values: dict[str, Any] = {}
    for attribute in attributes:
        if attribute.ref_attr_name:
            values[attribute.name or ""] = AttributeReference(attribute.ref_attr_name)
            continue
        kind, default = _KINDS.get(attribute.type or _kind_number(attribute), ("", None))
        if not kind:
            continue
        value = getattr(attribute, kind) if attribute.has(kind) else default
        if kind == "t":
            if value is None:
                raise NetworkFileError(f"{file}: attribute {attribute.name!r} of {name!r} holds no tensor")
            if value.data_type == STRING:
                continue
            value = read_tensor(value, file)
        values[attribute.name or ""] = _plain(value)
    return values


def with_arguments(attributes: Iterable[Message], given: Mapping[str, Any]) -> list[Message]:
    """Return the attributes of a node inside a function's branch or loop, with the values that its call gives.

    What it does not give is left out. Tensors and graphs stay references: the node is refused.
    """
    values = []
    for attribute in attributes:
        if name := attribute.ref_attr_name:
            kind, _ = _KINDS.get(attribute.type or 0, ("", None))
            if name not in given:
                continue
            if kind not in ("", "t", "g"):
                attribute.clear("ref_attr_name")
                setattr(attribute, kind, _field_value(given[name]))
        values.append(attribute)
    return values


def _field_value(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode()
    return [_field_value(item) for item in value] if isinstance(value, tuple) else value


def _kind_number(attribute: Message) -> int:
    """Return the kind of an attribute that does not say it, as in the oldest files."""
    return next((number for number, (name, _) in _KINDS.items() if attribute.has(name)), 0)


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if hasattr(value, "tolist"):
        return tuple(value.tolist())
    return tuple(map(_plain, value)) if isinstance(value, list) else value
