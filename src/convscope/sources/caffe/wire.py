"""Caffe's binary files, both ways, without protobuf: weights stay in the file until they are looked at.

>>> net = Message("NetParameter", name="tiny")
>>> net.add("layer", name="conv1", type="Convolution").add("blobs").data = np.ones(3, np.float32)
>>> read_binary(write_binary(net)).layer[0].blobs[0].data
array([1., 1., 1.], dtype=float32)
"""

from __future__ import annotations

import struct
from os import PathLike, fspath
from typing import Any

import numpy as np

from convscope.errors import NetworkFileError
from convscope.files import written_whole
from convscope.sources.caffe.literals import as_text
from convscope.sources.caffe.message import Message
from convscope.sources.caffe.recognition import HEAD, expect_mean, expect_weights
from convscope.sources.caffe.records import (
    FIXED32,
    FIXED64,
    LENGTH,
    VARINT,
    WIRE_TYPES,
    Record,
    Source,
    open_source,
    read_record,
    read_varint,
)
from convscope.sources.caffe.schema import Field
from convscope.sources.caffe.unknown import Unknown, warn_of_unknown

MAXIMUM_BYTES = 2**31 - 1  # what protobuf itself will read

_WIRES = {"float": FIXED32, "double": FIXED64, "string": LENGTH, "bytes": LENGTH, "message": LENGTH}
_TYPES: dict[str, np.dtype[Any]] = {"float": np.dtype("<f4"), "double": np.dtype("<f8")}
_EXPECTED = {"NetParameter": expect_weights, "BlobProto": expect_mean}

Chunk = bytes | memoryview


def read_binary(
    source: str | PathLike[str] | bytes | bytearray | memoryview, type_name: str = "NetParameter"
) -> Message:
    """Read a message from a binary file, or from bytes.

    Packed floats and doubles are numpy arrays on top of the mapped file (not always aligned): nothing of them is
    read until they are used, and writing to them never changes the file. Unknown fields are kept, and one
    `ConvscopeWarning` lists them. A damaged file raises `NetworkFileError` with the byte:
    ``net.caffemodel, byte 1203: ...``.
    """
    if isinstance(source, (bytes, bytearray, memoryview)):
        data = Source(source, "binary data")
    else:
        data = open_source(source)
        if type_name in _EXPECTED:
            _EXPECTED[type_name](bytes(data.view[:HEAD]), data.file)
    message = Message(type_name)
    read_fields(data, message, 0, len(data.view))
    warn_of_unknown(message, data.file)
    return message


def read_fields(source: Source, message: Message, start: int, stop: int) -> None:
    """Read the records between two positions into the message; what it already holds is kept or added to.

    It calls itself for messages inside; no Caffe message holds its own kind, so the schema bounds the depth.
    """
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
            read_fields(source, inner, record.start, record.stop)
        elif field.packed and field.kind in _TYPES:
            run, position = _numbers(source, message, field, record, stop)
            runs.setdefault(field.name, []).append(run)
        else:
            _read_value(source, message, field, record)
    for name, parts in runs.items():
        setattr(message, name, parts[0] if len(parts) == 1 else np.concatenate(parts))


def _keep_unknown(source: Source, message: Message, record: Record) -> None:
    value = source.view[record.tag : record.stop]
    message.unknown.append(Unknown(str(record.number), value, f"byte {record.tag}"))


def _check_wire(source: Source, message: Message, field: Field, record: Record) -> None:
    wanted = _WIRES.get(field.kind, VARINT)
    if record.wire != wanted:
        source.fail(
            record.tag,
            f"{message.type_name}.{field.name} is stored as {WIRE_TYPES[record.wire]} instead of "
            f"{WIRE_TYPES[wanted]}: the file is damaged, or not the kind of file it seems.",
        )


def _numbers(
    source: Source, message: Message, field: Field, record: Record, stop: int
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


def _read_value(source: Source, message: Message, field: Field, record: Record) -> None:
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


def _packed(source: Source, message: Message, field: Field, record: Record) -> list[Any]:
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


def _single(source: Source, field: Field, record: Record) -> Any:
    if record.wire == VARINT:
        return _whole(field, record.value)
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
    """Return a message in protobuf's binary form, fields by number, numbers packed where Caffe packs them."""
    return b"".join(_chunks(message)[0])


def write_binary_file(message: Message, path: str | PathLike[str]) -> None:
    """Write a message to a file without a second copy of its arrays.

    The file appears whole or not at all, so it may replace the one whose weights are still mapped.
    """
    chunks, size = _chunks(message)
    if size > MAXIMUM_BYTES:
        raise NetworkFileError(f"{fspath(path)} would take {size:,} bytes, and a caffemodel holds at most 2 GB. "
                               "Save it as HDF5 (.caffemodel.h5).")  # fmt: skip
    try:
        with written_whole(path) as partial, partial.open("wb") as stream:
            stream.writelines(chunks)
    except OSError as error:
        raise NetworkFileError(f"{fspath(path)} cannot be written: {error.strerror or error}.") from None


def _chunks(message: Message) -> tuple[list[Chunk], int]:
    """Return the message as pieces to write one after the other, and their length together."""
    chunks: list[Chunk] = []
    for field, value in message.fields():
        if field.packed:
            _add_run(chunks, field, _packed_bytes(field, value))
        else:
            for item in value if field.repeated else [value]:
                _add_item(chunks, field, item)
    chunks += [unknown.value for unknown in message.unknown if isinstance(unknown.value, memoryview)]
    return chunks, sum(map(len, chunks))


def _add_run(chunks: list[Chunk], field: Field, data: Chunk) -> None:
    chunks += [_varint(field.number << 3 | LENGTH) + _varint(len(data)), data]


def _packed_bytes(field: Field, values: Any) -> Chunk:
    if field.kind in _TYPES:
        return np.ascontiguousarray(values, _TYPES[field.kind]).data.cast("B")
    return b"".join(_varint(_unsigned(field, value)) for value in values)


def _add_item(chunks: list[Chunk], field: Field, item: Any) -> None:
    if isinstance(item, Message):
        inner, size = _chunks(item)
        chunks += [_varint(field.number << 3 | LENGTH) + _varint(size), *inner]
    elif isinstance(item, (str, bytes)) and not field.enumeration:
        _add_run(chunks, field, item if isinstance(item, bytes) else item.encode(errors="replace"))
    elif field.kind in _TYPES:
        data = struct.pack("<f" if field.kind == "float" else "<d", item)
        chunks.append(_varint(field.number << 3 | _WIRES[field.kind]) + data)
    else:
        chunks.append(_varint(field.number << 3 | VARINT) + _varint(_unsigned(field, item)))


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
