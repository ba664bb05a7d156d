"""A node's attributes as plain values."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from convscope.errors import NetworkFileError
from convscope.formats.onnx.constants import read_tensor
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


def attributes_of(node: Message, file: Path) -> dict[str, Any]:
    """Return a node's attributes: numbers, texts, tuples of them, tensors as `Constant`, graphs as they are.

    Those of other kinds (sparse tensors, types) are left out: no operator that has one is computed.
    """
    return plain_attributes(node.attribute, node.name or "", file)


def plain_attributes(attributes: Iterable[Message], name: str, file: Path) -> dict[str, Any]:
    """Return attributes as plain values; `name` is whose they are."""
    values = {}
    for attribute in attributes:
        kind, default = _KINDS.get(attribute.type or _kind_number(attribute), ("", None))
        if not kind:
            continue
        value = getattr(attribute, kind) if attribute.has(kind) else default
        if kind == "t":
            if value is None:
                raise NetworkFileError(f"{file}: attribute {attribute.name!r} of {name!r} holds no tensor")
            value = read_tensor(value, file)
        values[attribute.name or ""] = _plain(value)
    return values


def _kind_number(attribute: Message) -> int:
    """Return the kind of an attribute that does not say it, as in the oldest files."""
    return next((number for number, (name, _) in _KINDS.items() if attribute.has(name)), 0)


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if hasattr(value, "tolist"):
        return tuple(value.tolist())
    return tuple(map(_plain, value)) if isinstance(value, list) else value
