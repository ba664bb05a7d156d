"""A Caffe message that is written and read as protobuf's Python classes are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, MutableSequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from convscope.caffe.proto.enumeration import EnumType
from convscope.formats.caffe.message import Message
from convscope.formats.caffe.schema import message_type
from convscope.formats.caffe.text import write_text
from convscope.formats.caffe.wire import read_binary, write_binary
from convscope.formats.protobuf.schema import Field

_ZEROS: dict[str, Any] = {"string": "", "bytes": b"", "bool": False, "float": 0.0, "double": 0.0}


class ProtoMessage:
    r"""One message: fields are attributes, `add` and `extend` fill repeated ones, messages inside appear when written.

    Made from `caffe_pb2`, where each message type has its class.

    >>> blob = caffe_pb2.BlobProto()
    >>> blob.shape.dim.extend([2, 3])
    >>> str(blob)
    'shape {\n  dim: 2\n  dim: 3\n}\n'
    """

    type_name: ClassVar[str]

    def __init__(self, **fields: Any) -> None:
        self._become(Message(self.type_name))
        for name, value in fields.items():
            if self._field(name).repeated:
                getattr(self, name).extend(value)
            elif isinstance(value, ProtoMessage):
                getattr(self, name).CopyFrom(value)
            else:
                setattr(self, name, value)

    def _become(self, message: Message, attach: Callable[[Message], Message] | None = None) -> None:
        object.__setattr__(self, "message", message)
        object.__setattr__(self, "_attach", attach)

    def _writable(self) -> Message:
        """Return the message to write into, made a part of its owner first."""
        attach: Callable[[Message], Message] | None = self._attach
        if attach is not None:
            self._become(attach(self.message))
        message: Message = self.message
        return message

    def _field(self, name: str) -> Field:
        try:
            return message_type(self.type_name).fields[name]
        except KeyError:
            if name == "DESCRIPTOR":
                raise AttributeError(
                    "these are no messages of Google's protobuf: in the place of `from google.protobuf import "
                    "text_format` write `from convscope.caffe.proto import text_format`"
                ) from None
            raise AttributeError(f"{self.type_name} has no field {name!r}") from None

    def __getattr__(self, name: str) -> Any:
        field = self._field(name)
        if field.repeated:
            return Repeated(self, field)
        value = getattr(self.message, name)
        if field.message:
            return wrap(value, None if self.message.has(name) else self._owner_of(name))
        if field.enumeration:
            return field.enumeration.numbers.get(value, 0)
        return _ZEROS.get(field.kind, 0) if value is None else value

    def _owner_of(self, name: str) -> Callable[[Message], Message]:
        def attach(message: Message) -> Message:
            owner = self._writable()
            if not owner.has(name):
                setattr(owner, name, message)
            field: Message = getattr(owner, name)
            return field

        return attach

    def __setattr__(self, name: str, value: Any) -> None:
        field = self._field(name)
        if field.repeated or field.message:
            raise AttributeError(f"{self.type_name}.{name} cannot be assigned: use extend, add or CopyFrom")
        setattr(self._writable(), name, value)

    def HasField(self, name: str) -> bool:  # noqa: N802
        """Whether the field was set."""
        return bool(self.message.has(name))

    def ClearField(self, name: str) -> None:  # noqa: N802
        """Unset a field."""
        self._writable().clear(name)

    def CopyFrom(self, other: ProtoMessage) -> None:  # noqa: N802
        """Become a copy of another message of this type."""
        target = self._writable()
        for name in message_type(self.type_name).fields:
            target.clear(name)
        self.MergeFrom(other)

    def MergeFrom(self, other: ProtoMessage) -> None:  # noqa: N802
        """Take over what another message of this type says: repeated fields grow, messages inside are merged, too."""
        _merge(self._writable(), other.message.copy())

    def Clear(self) -> None:  # noqa: N802
        """Unset every field."""
        for name in message_type(self.type_name).fields:
            self.ClearField(name)

    def ListFields(self) -> list[tuple[Field, Any]]:  # noqa: N802
        """Return the fields that are set, each a (what it is, its value), in the order of their numbers."""
        return [(field, getattr(self, field.name)) for field, _ in self.message.fields()]

    def IsInitialized(self) -> bool:  # noqa: N802
        """Whether all that a message must have is set: always, for Caffe's need nothing."""
        return True

    def ByteSize(self) -> int:  # noqa: N802
        """Return how many bytes a binary file would take."""
        return len(self.SerializeToString())

    def ParseFromString(self, data: bytes) -> int:  # noqa: N802
        """Read the message from a binary file's bytes; their number is returned."""
        parsed = read_binary(data, self.type_name)
        self.CopyFrom(wrap(parsed))
        return len(data)

    def MergeFromString(self, data: bytes) -> int:  # noqa: N802
        """Take over what a binary file's bytes say, as `MergeFrom` does; their number is returned."""
        self.MergeFrom(wrap(read_binary(data, self.type_name)))
        return len(data)

    @classmethod
    def FromString(cls, data: bytes) -> ProtoMessage:  # noqa: N802
        """Return a message from a binary file's bytes."""
        return wrap(read_binary(data, cls.type_name))

    def SerializeToString(self) -> bytes:  # noqa: N802
        """Return the bytes of a binary file."""
        return bytes(write_binary(self.message))

    def __copy__(self) -> ProtoMessage:
        return wrap(self.message.copy())

    def __deepcopy__(self, memo: dict[int, Any]) -> ProtoMessage:
        return wrap(self.message.copy())

    def __str__(self) -> str:
        return write_text(self.message)

    __repr__ = __str__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ProtoMessage) and bool(self.message == other.message)

    __hash__ = None  # type: ignore[assignment]


class Repeated(MutableSequence[Any]):
    """A repeated field: a list that stays inside its message, and an array to numpy."""

    def __init__(self, owner: ProtoMessage, field: Field) -> None:
        self._owner, self._field = owner, field

    def add(self, **fields: Any) -> ProtoMessage:
        """Append a new message and return it."""
        entry = class_of(self._field.message.name if self._field.message else "")(**fields)
        self.append(entry)
        return wrap(getattr(self._owner.message, self._field.name)[-1])

    def extend(self, values: Iterable[Any]) -> None:
        """Append all values (messages are copied, as protobuf does)."""
        target = self._owner._writable()
        values = [_plain(value) for value in values]
        setattr(target, self._field.name, [*getattr(target, self._field.name), *values])

    MergeFrom = extend

    def sort(self, key: Callable[[Any], Any] | None = None, reverse: bool = False) -> None:
        """Put the values in order."""
        self[:] = sorted(self, key=key, reverse=reverse)

    def insert(self, index: int, value: Any) -> None:
        """Put a value before the index."""
        self._replace(lambda items: items.insert(index, _plain(value)))

    def __setitem__(self, index: Any, value: Any) -> None:
        self._replace(
            lambda items: items.__setitem__(
                index, [*map(_plain, value)] if isinstance(index, slice) else _plain(value)
            )
        )

    def __delitem__(self, index: Any) -> None:
        self._replace(lambda items: items.__delitem__(index))

    def _replace(self, change: Callable[[list[Any]], None]) -> None:
        items = list(getattr(self._owner.message, self._field.name))
        change(items)
        setattr(self._owner._writable(), self._field.name, items)

    def __getitem__(self, index: Any) -> Any:
        value = getattr(self._owner.message, self._field.name)[index]
        return [_python_value(item) for item in value] if isinstance(index, slice) else _python_value(value)

    def __len__(self) -> int:
        return len(getattr(self._owner.message, self._field.name))

    def __iter__(self) -> Iterator[Any]:
        return map(_python_value, getattr(self._owner.message, self._field.name))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Iterable) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(getattr(self._owner.message, self._field.name), dtype=dtype)

    def __repr__(self) -> str:
        return repr(list(self))


def wrap(message: Message, attach: Callable[[Message], Message] | None = None) -> ProtoMessage:
    """Return a message in protobuf's manners; changes go into the message itself."""
    wrapper = object.__new__(class_of(message.type_name))
    wrapper._become(message, attach)
    return wrapper


_CLASSES: dict[str, type[ProtoMessage]] = {}


def class_of(type_name: str) -> type[ProtoMessage]:
    """Return the class of a message type; its enumerations and their values are the class's attributes."""
    if type_name not in _CLASSES:
        enumerations = [
            field.enumeration for field in message_type(type_name).fields.values() if field.enumeration
        ]
        values: dict[str, Any] = {
            name: number for enumeration in enumerations for name, number in enumeration.numbers.items()
        }
        values |= {  # Phase belongs to no message
            enumeration.name.removeprefix(f"{type_name}."): EnumType(enumeration)
            for enumeration in enumerations
            if enumeration.name.startswith(f"{type_name}.")
        }
        _CLASSES[type_name] = type(
            type_name, (ProtoMessage,), {**values, "type_name": type_name, "__doc__": f"Caffe's {type_name}."}
        )
    return _CLASSES[type_name]


def _merge(target: Message, other: Message) -> None:
    for field, value in other.fields():
        if field.repeated:
            value = [*getattr(target, field.name), *value]
        elif field.message and target.has(field.name):
            _merge(getattr(target, field.name), value)
            continue
        setattr(target, field.name, value)


def _plain(value: Any) -> Any:
    return value.message.copy() if isinstance(value, ProtoMessage) else value


def _python_value(value: Any) -> Any:
    return wrap(value) if isinstance(value, Message) else value
