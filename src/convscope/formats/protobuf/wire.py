"""A message out of protobuf's binary form and into it: weights stay in the file until they are looked at."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

from convscope.formats.protobuf.message import Message
from convscope.formats.protobuf.records import (
    FIXED32,
    FIXED64,
    LENGTH,
    MAXIMUM_DEPTH,
    VARINT,
    WIRE_TYPES,
    ByteSource,
    Record,
    read_record,
    read_varint,
)
from convscope.formats.protobuf.schema import Field
from convscope.formats.protobuf.unknown import Unknown

_WIRES = {"float": FIXED32, "double": FIXED64} | dict.fromkeys(("string", "bytes", "view", "message"), LENGTH)
_TYPES: dict[str, np.dtype[Any]] = {"float": np.dtype("<f4"), "double": np.dtype("<f8")}

Chunk = bytes | memoryview


def as_text(data: bytes) -> str:
    """Decode UTF-8, or else Latin-1: nothing a name was written in is lost or refused."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")


def read_fields(source: ByteSource, message: Message, start: int, stop: int, depth: int = 0) -> None:
    """Read the records between two positions into the message; what it already holds is kept or added to.

    Packed floats and doubles become numpy arrays on top of the mapped file (not always aligned): nothing of them is
    read until they are used, and writing to them never changes the file. Unknown fields are kept. A damaged file
    raises `NetworkFileError` with the byte; `depth` counts the messages around this one.
    """
    if depth > MAXIMUM_DEPTH:
        source.fail(start, f"messages are nested more than {MAXIMUM_DEPTH} deep: the file is damaged.")
    message.place = message.place or f"byte {start}"
    runs: dict[str, list[np.ndarray[Any, Any]]] = {}
    position = start
    while position < stop:
        record = read_record(source, position, stop)
        position = record.stop
        field = message.field_numbered(record.number)
        if field is None:
            _keep_unknown(source, message, record)
        elif field.kind == "message":
            _check_wire(source, message, field, record)
            inner = message.add(field.name) if field.repeated else message.ensure(field.name)
            read_fields(source, inner, record.start, record.stop, depth + 1)
        elif field.packed and field.kind in _TYPES:
            run, position = _numbers(source, message, field, record, stop)
            runs.setdefault(field.name, []).append(run)
        else:
            _read_value(source, message, field, record)
    for name, parts in runs.items():
        setattr(message, name, parts[0] if len(parts) == 1 else np.concatenate(parts))


def _keep_unknown(source: ByteSource, message: Message, record: Record) -> None:
    value = source.view[record.tag : record.stop]
    message.unknown.append(Unknown(str(record.number), value, f"byte {record.tag}"))


def _check_wire(source: ByteSource, message: Message, field: Field, record: Record) -> None:
    expected = _WIRES.get(field.kind, VARINT)
    if record.wire != expected:
        source.fail(
            record.tag,
            f"{message.type_name}.{field.name} is stored as {WIRE_TYPES[record.wire]} instead of "
            f"{WIRE_TYPES[expected]}: the file is damaged, or not the kind of file it seems.",
        )


def _numbers(
    source: ByteSource, message: Message, field: Field, record: Record, stop: int
) -> tuple[np.ndarray[Any, Any], int]:
    """Return floating-point numbers as an array on top of the file, and where they end.

    They come in one run of bytes, or each behind a tag of its own.
    """
    kind = _TYPES[field.kind]
    if record.wire == LENGTH:
        if (record.stop - record.start) % kind.itemsize:
            source.fail(
                record.tag, f"{message.type_name}.{field.name} holds a part of a number: the file is damaged."
            )
        return np.frombuffer(source.view[record.start : record.stop], kind), record.stop
    _check_wire(source, message, field, record)
    width = record.start - record.tag
    pairs = np.dtype([("tag", np.void, width), ("number", kind)])
    most = (stop - record.tag) // pairs.itemsize
    table = np.frombuffer(source.view[record.tag : record.tag + most * pairs.itemsize], pairs)
    count, step = 1, 64
    while count < most:
        same = table["tag"][count : count + step] == table["tag"][0]
        if not same.all():
            count += int(np.argmin(same))
            break
        count, step = min(count + step, most), step * 4
    return table["number"][:count], record.tag + count * pairs.itemsize


def _read_value(source: ByteSource, message: Message, field: Field, record: Record) -> None:
    if field.repeated and record.wire == LENGTH and field.is_numeric:
        values = _packed(source, message, field, record)
    else:
        _check_wire(source, message, field, record)
        values = [_single(source, field, record)]
    if None in values:  # a name that only a newer or another Caffe has
        _keep_unknown(source, message, record)
    elif field.repeated:
        getattr(message, field.name).extend(values)
    else:
        setattr(message, field.name, values[0])


def _packed(source: ByteSource, message: Message, field: Field, record: Record) -> list[Any]:
    if field.kind in _TYPES:
        numbers, _ = _numbers(source, message, field, record, record.stop)
        source.budget -= numbers.size
        source.spend(record.tag)
        return list(numbers.tolist())
    values, position = [], record.start
    while position < record.stop:
        source.spend(position)
        value, position = read_varint(source, position, record.stop)
        values.append(_whole(field, value))
    return values


def _single(source: ByteSource, field: Field, record: Record) -> Any:
    if record.wire == VARINT:
        return _whole(field, record.value)
    if field.kind == "view":
        return source.view[record.start : record.stop]
    data = bytes(source.view[record.start : record.stop])
    if field.kind in _TYPES:
        return struct.unpack("<f" if field.kind == "float" else "<d", data)[0]
    return data if field.kind == "bytes" else as_text(data)


def _whole(field: Field, value: int) -> Any:
    """Return what a number without a sign means to a field: a truth value, a name, or a number with its sign."""
    if field.kind == "bool":
        return value != 0
    bits = 64 if field.kind.endswith("64") else 32
    value &= 2**bits - 1
    if not field.kind.startswith("u") and value >> (bits - 1):
        value -= 2**bits
    return field.enumeration.name_of(value) if field.enumeration else value


def write_binary(message: Message) -> bytes:
    """Return a message in protobuf's binary form, fields by number, numbers packed where the schema says so."""
    return b"".join(chunks(message)[0])


def chunks(message: Message) -> tuple[list[Chunk], int]:
    """Return the message as pieces to write one after the other, and their length together."""
    pieces: list[Chunk] = []
    for field, value in message.fields():
        if field.packed:
            _add_run(pieces, field, _packed_bytes(field, value))
        else:
            for item in value if field.repeated else [value]:
                _add_item(pieces, field, item)
    pieces += [unknown.value for unknown in message.unknown if isinstance(unknown.value, memoryview)]
    return pieces, sum(map(len, pieces))


def _add_run(pieces: list[Chunk], field: Field, data: Chunk) -> None:
    pieces += [_varint(field.number << 3 | LENGTH) + _varint(len(data)), data]


def _packed_bytes(field: Field, values: Any) -> Chunk:
    if field.kind in _TYPES:
        return np.ascontiguousarray(values, _TYPES[field.kind]).data.cast("B")
    return b"".join(_varint(_unsigned(field, value)) for value in values)


def _add_item(pieces: list[Chunk], field: Field, item: Any) -> None:
    if isinstance(item, Message):
        inner, size = chunks(item)
        pieces += [_varint(field.number << 3 | LENGTH) + _varint(size), *inner]
    elif isinstance(item, (str, bytes, memoryview)) and not field.enumeration:
        _add_run(pieces, field, item.encode(errors="replace") if isinstance(item, str) else item)
    elif field.kind in _TYPES:
        data = struct.pack("<f" if field.kind == "float" else "<d", item)
        pieces.append(_varint(field.number << 3 | _WIRES[field.kind]) + data)
    else:
        pieces.append(_varint(field.number << 3 | VARINT) + _varint(_unsigned(field, item)))


def _unsigned(field: Field, value: Any) -> int:
    number = field.enumeration.numbers[value] if field.enumeration else int(value)
    return number & (2**64 - 1)


def _varint(number: int) -> bytes:
    data = bytearray()
    while number > 127:
        data.append(number & 127 | 128)
        number >>= 7
    data.append(number)
    return bytes(data)
