"""`Message`: one message of a protobuf file, whose fields are its attributes.

>>> node = Message(load_schema("convscope.formats.tensorflow")["NodeDef"], name="conv2d0", op="Relu")
>>> node.input, node.has("device")
([], False)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from operator import attrgetter
from typing import Any, TypeVar

import numpy as np

from convscope.errors import InputError, did_you_mean
from convscope.formats.protobuf.schema import INTEGER_RANGES, Field, MessageType, float32
from convscope.formats.protobuf.unknown import Unknown

Kind = TypeVar("Kind", bound="Message")


class Message:
    """A message: reading an attribute gives what the file says, or the default value.

    A field that is not set reads as its default (None where there is none), a repeated one as a list, a
    message as an empty message. Packed numbers out of a binary file are numpy arrays in the file's memory.
    Enumeration values are their names. Setting an attribute checks it: a wrong value raises `InputError`.

    ``place`` says where the message starts in its file (``"line 12"``, ``"byte 340"``, empty when made in
    Python); ``unknown`` keeps the fields convscope does not know.
    """

    __slots__ = ("_type", "_values", "place", "unknown")
    _type: MessageType
    _values: dict[str, Any]
    place: str
    unknown: list[Unknown]

    def __init__(self, kind: MessageType, /, **values: Any) -> None:
        object.__setattr__(self, "_type", kind)
        object.__setattr__(self, "_values", {})
        object.__setattr__(self, "place", "")
        object.__setattr__(self, "unknown", [])
        for name, value in values.items():
            setattr(self, name, value)

    @property
    def type_name(self) -> str:
        """The message's type in its format's words, such as ``"LayerParameter"``."""
        return str(self._type.name)

    def has(self, name: str) -> bool:
        """Whether the field was set explicitly (a repeated one: whether it holds anything)."""
        value = self._values.get(self._field(name).name)
        return value is not None and (not self._field(name).repeated or len(value) > 0)

    def fields(self) -> Iterator[tuple[Field, Any]]:
        """Yield every field that is set, with its value, in the order of the field numbers."""
        kinds = self._type.fields
        for field in sorted((kinds[name] for name in self._values), key=attrgetter("number")):
            if self.has(field.name):
                yield field, self._values[field.name]

    def ensure(self: Kind, name: str) -> Kind:
        """Return the message in that field, making an empty one there first when it is absent."""
        if name not in self._values:
            setattr(self, name, self.empty(self._field(name)))
        return self._values[name]  # type: ignore[no-any-return]

    def add(self: Kind, name: str, /, **values: Any) -> Kind:
        """Append a new message to a repeated field and return it."""
        child = self.empty(self._field(name))
        for inner, value in values.items():
            setattr(child, inner, value)
        getattr(self, name).append(child)
        return child

    def clear(self, name: str) -> None:
        """Unset a field: it reads as its default again."""
        self._values.pop(self._field(name).name, None)

    def copy(self: Kind) -> Kind:
        """Return an independent copy; only numpy arrays are shared with the original."""
        twin = type(self)(self._type)
        twin.place, twin.unknown = self.place, list(self.unknown)
        twin._values.update({name: _copied(value) for name, value in self._values.items()})
        return twin

    def empty(self: Kind, field: Field) -> Kind:
        """Return a new, empty message of the type that a field holds."""
        if field.message is None:
            raise InputError(f"{field.name} holds a {field.kind}, not a message.")
        return type(self)(field.message)

    def field(self, name: str) -> Field | None:
        """Return what the schema says of a field, or None when the message has no such field."""
        return self._type.fields.get(name)

    def field_numbered(self, number: int) -> Field | None:
        """Return what the schema says of a field number, or None when the message has no such field."""
        return self._type.by_number.get(number)

    def _field(self, name: str) -> Field:
        try:
            return self._type.fields[name]
        except KeyError:
            hint = did_you_mean(name, self._type.fields)
            raise InputError(f"{self.type_name} has no field {name!r}.{hint}") from None

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        field = self.field(name)
        if field is None:
            hint = did_you_mean(name, self._type.fields)
            raise AttributeError(f"{self.type_name} has no field {name!r}.{hint}")
        if name in self._values:
            return self._values[name]
        if field.repeated:
            return self._values.setdefault(name, [])
        return self.empty(field) if field.message else field.default

    def __setattr__(self, name: str, value: Any) -> None:
        if name in Message.__slots__:
            object.__setattr__(self, name, value)
            return
        field = self._field(name)
        check = _checked_many if field.repeated else _checked
        self._values[name] = check(self, field, value)

    def __dir__(self) -> Iterable[str]:
        return [*super().__dir__(), *self._type.fields]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Message) or other.type_name != self.type_name:
            return NotImplemented
        names = self._type.fields
        return all(
            self.has(name) == other.has(name) and _same(self._values.get(name), other._values.get(name))
            for name in names
            if self.has(name) or other.has(name)
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        pairs = ", ".join(f"{field.name}={_short(value)}" for field, value in self.fields())
        return f"Message({self.type_name!r}{', ' if pairs else ''}{pairs})"


def _copied(value: Any) -> Any:
    if isinstance(value, Message):
        return value.copy()
    return [_copied(item) for item in value] if isinstance(value, list) else value


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        return np.array_equal(one, other, equal_nan=True)
    if isinstance(one, float):
        return one == other or (one != one and other != other)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other)


def _short(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"<{value.size} numbers>"
    return f"<{len(value)} items>" if isinstance(value, list) and len(value) > 8 else repr(value)


def _checked_many(message: Message, field: Field, value: Any) -> Any:
    if isinstance(value, np.ndarray) and field.packed and field.kind in ("float", "double"):
        return np.ravel(value).astype(np.float32 if field.kind == "float" else np.float64, copy=False)
    if isinstance(value, (str, bytes)) or not isinstance(value, Iterable):
        raise InputError(f"{message.type_name}.{field.name} is repeated: give a list, not {value!r}.")
    return [_checked(message, field, item) for item in value]


def _checked(message: Message, field: Field, value: Any) -> Any:
    """Return the value as the field stores it, or raise `InputError`."""
    place = f"{message.type_name}.{field.name}"
    if field.enumeration:
        name = field.enumeration.name_of(value) if isinstance(value, int) else value
        names = field.enumeration.numbers
        if isinstance(name, str) and name in names:
            return name
        hint = did_you_mean(str(value), names)
        raise InputError(f"{place} is one of {', '.join(names)}, not {value!r}.{hint}")
    if field.message:
        if isinstance(value, Message) and value._type is field.message:
            return value
        raise InputError(f"{place} is a {field.message.name} message, not {value!r}.")
    return _checked_scalar(place, field.kind, value)


def _checked_scalar(place: str, kind: str, value: Any) -> Any:
    if kind in INTEGER_RANGES and isinstance(value, (int, np.integer)):
        low, high = INTEGER_RANGES[kind]
        if low <= value <= high:
            return int(value)
        raise InputError(f"{place} is an {kind} from {low} to {high}, not {value}.")
    if kind in ("float", "double") and isinstance(value, (int, float, np.number)):
        return float32(float(value)) if kind == "float" else float(value)
    expected: dict[str, type | tuple[type, ...]] = {
        "bool": (bool, np.bool_),
        "string": str,
        "bytes": bytes,
        "view": (bytes, memoryview),
    }
    if kind in expected and isinstance(value, expected[kind]):
        return bool(value) if kind == "bool" else value
    raise InputError(f"{place} is a {kind}, not {value!r}.")
