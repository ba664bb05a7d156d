"""What an ONNX file says beside its graph: key and value, both text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from convscope.files import parsed_json
from convscope.formats.protobuf.message import Message
from convscope.network.input_spec import InputSpec

INPUT = "convscope.input"
"""The key under which convscope keeps the fields of an `InputSpec`, as JSON."""

_LONGEST = 2**20


def metadata(model: Message) -> Mapping[str, str]:
    """Return the file's metadata."""
    return {entry.key or "": entry.value or "" for entry in model.metadata_props}


def stated_input(model: Message) -> dict[str, Any]:
    """Return the fields of an `InputSpec` that convscope wrote when it saved the file; none for other files."""
    text = metadata(model).get(INPUT, "")
    try:
        statement = parsed_json(text) if 0 < len(text) <= _LONGEST else {}
    except ValueError:
        return {}
    names = {field.name for field in fields(InputSpec)} - {"provenance"}
    if not isinstance(statement, dict):
        return {}
    return {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in statement.items()
        if name in names
    }


def stated_size(model: Message) -> tuple[int, int] | None:
    """Return the (height, width) of the pictures a saved network was made for."""
    size = stated_input(model).get("size")
    whole = isinstance(size, tuple) and len(size) == 2 and all(isinstance(item, int) for item in size)
    return (size[0], size[1]) if whole and size else None
