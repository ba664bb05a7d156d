"""What each message of a format may hold, read once from the ``fields.txt`` in its package.

Its notation::

    PoolingParameter
        1 pool: PoolMethod = MAX             number, name, type, default value; type[] is repeated,
        2 kernel_size: uint32[packed]        type[packed] repeated and packed
    PoolingParameter.PoolMethod
        0 MAX                                an enumeration's names and numbers

Types are protobuf's own; ``view`` is its ``bytes``, left in the file until it is looked at.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

FLOATING = frozenset({"float", "double"})
INTEGER_RANGES = {
    "int32": (-(2**31), 2**31 - 1),
    "int64": (-(2**63), 2**63 - 1),
    "uint32": (0, 2**32 - 1),
    "uint64": (0, 2**64 - 1),
}

_LINE = re.compile(r"    (\d+) (\w+)(?:: (\w+)(\[\]|\[packed\])?(?: = (.+))?)?")


@dataclass(frozen=True)
class Enumeration:
    """The names of an enumeration and their numbers, both ways."""

    name: str
    numbers: dict[str, int]

    def name_of(self, number: int) -> str | None:
        """Return the name of a number, or None when no name has it."""
        return next((name for name, value in self.numbers.items() if value == number), None)


@dataclass(frozen=True)
class MessageType:
    """A kind of message: its fields by name, in the order of their numbers."""

    name: str
    fields: dict[str, Field] = field(default_factory=dict)
    by_number: dict[int, Field] = field(default_factory=dict)


@dataclass(frozen=True)
class Field:
    """One field of a message; ``kind`` is a scalar type's name, ``"enum"`` or ``"message"``."""

    name: str
    number: int
    kind: str
    repeated: bool
    packed: bool
    default: Any
    message: MessageType | None = None
    enumeration: Enumeration | None = None

    @property
    def is_numeric(self) -> bool:
        """Whether a binary file may hold many of its values in one packed run."""
        return self.kind not in ("string", "bytes", "view", "message")


def float32(number: float) -> float:
    """Round to the nearest single-precision number, which is what a ``float`` field holds."""
    try:
        return float(struct.unpack("<f", struct.pack("<f", number))[0])
    except OverflowError:
        return float("inf") if number > 0 else float("-inf")


@cache
def load_schema(package: str) -> dict[str, MessageType]:
    """Return a format's message types by name, from its package's ``fields.txt``."""
    return parse_schema(files(package).joinpath("fields.txt").read_text(encoding="utf-8"))


def parse_schema(text: str) -> dict[str, MessageType]:
    """Read message types from text in the notation that is explained above."""
    messages: dict[str, MessageType] = {}
    enumerations: dict[str, Enumeration] = {}
    entries: list[tuple[str, re.Match[str]]] = []
    owner = ""
    for line in text.splitlines():
        if match := _LINE.fullmatch(line):
            entries.append((owner, match))
            if match[3]:
                messages.setdefault(owner, MessageType(owner))
            else:
                enumerations.setdefault(owner, Enumeration(owner, {})).numbers[match[2]] = int(match[1])
        elif line and not line.startswith("#"):
            owner = line
    for owner, match in entries:
        if match[3]:
            new_field = _field(owner, match, messages, enumerations)
            messages[owner].fields[new_field.name] = messages[owner].by_number[new_field.number] = new_field
    return messages


def _field(
    owner: str, match: re.Match[str], messages: dict[str, MessageType], enumerations: dict[str, Enumeration]
) -> Field:
    number, name, type_name, repeated, default = match.groups()
    enumeration = enumerations.get(f"{owner}.{type_name}") or enumerations.get(type_name)
    message = messages.get(type_name)
    kind = "enum" if enumeration else "message" if message else type_name
    return Field(
        name=name,
        number=int(number),
        kind=kind,
        repeated=bool(repeated),
        packed=repeated == "[packed]",
        default=None if default is None else _default(kind, default),
        message=message,
        enumeration=enumeration,
    )


def _default(kind: str, text: str) -> Any:
    if kind == "bool":
        return text == "true"
    if kind == "string":
        return text.strip('"')
    if kind == "float":
        return float32(float(text))
    return int(text) if kind in INTEGER_RANGES else text
