"""What each Caffe message may hold, read once from ``fields.txt``.

>>> field = message_type("PoolingParameter").fields["pool"]
>>> field.number, field.default, sorted(field.enumeration.numbers)
(1, 'MAX', ['AVE', 'MAX', 'STOCHASTIC'])
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
        return self.kind not in ("string", "bytes", "message")


def float32(number: float) -> float:
    """Round to the nearest single-precision number, which is what Caffe computes with."""
    try:
        return float(struct.unpack("<f", struct.pack("<f", number))[0])
    except OverflowError:
        return float("inf") if number > 0 else float("-inf")


def message_type(name: str) -> MessageType:
    """Return the message type of that name; KeyError when Caffe has none."""
    return _caffe()[name]


@cache
def _caffe() -> dict[str, MessageType]:
    return parse_schema(files(__package__).joinpath("fields.txt").read_text(encoding="utf-8"))


def parse_schema(text: str) -> dict[str, MessageType]:
    """Read message types from text in the notation that ``fields.txt`` explains at its top."""
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
            made = _field(owner, match, messages, enumerations)
            messages[owner].fields[made.name] = messages[owner].by_number[made.number] = made
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
