"""Fields that no schema describes: kept beside the known ones, and listed in one warning a file."""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from convscope.errors import warn

if TYPE_CHECKING:
    from convscope.formats.protobuf.message import Message


class Identifier(str):
    """A bare word such as ``MAX``, which text keeps apart from the quoted ``"MAX"``."""


@dataclass(frozen=True)
class Unknown:
    """A field convscope does not know.

    In text: its name, and its value as plain numbers, strings, lists and dictionaries. In a binary file: its
    number as the name, and its bytes with their tag as the value.
    """

    name: str
    value: Any
    place: str


def warn_of_unknown(message: Message, file: str) -> None:
    """Give one `ConvscopeWarning` that lists the unknown fields of a message and those inside it."""
    places: dict[str, list[str]] = {}
    for owner, unknown in unknown_fields(message):
        places.setdefault(f"{owner}.{unknown.name}", []).append(unknown.place)
    if not places:
        return
    fields = [f"{name} ({_some(where)})" for name, where in list(places.items())[:5]]
    more = f" and {len(places) - 5} more" if len(places) > 5 else ""
    warn(f"{file} has fields that convscope does not know and does not use: {', '.join(fields)}{more}.")


def unknown_fields(message: Message, without: Container[str] = ()) -> Iterator[tuple[str, Unknown]]:
    """Give each unknown field of a message and of those inside it, behind its owner's name; some types are left out."""
    for unknown in message.unknown:
        yield message.type_name, unknown
    for field, value in message.fields():
        if field.message and field.message.name not in without:
            for inner in value if field.repeated else [value]:
                yield from unknown_fields(inner, without)


def _some(places: list[str]) -> str:
    return places[0] if len(places) == 1 else f"{places[0]} and {len(places) - 1} more"
