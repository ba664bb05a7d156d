"""The records of protobuf's binary form: number, wire type and place of each, and nothing of what they mean."""

from __future__ import annotations

import mmap
import os
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path
from typing import NoReturn

from convscope.errors import NetworkFileError
from convscope.files import COPIED_BYTES, require_regular

VARINT, FIXED64, LENGTH, GROUP, END_GROUP, FIXED32 = range(6)
WIRE_TYPES = ("a whole number", "8 bytes", "a run of bytes", "a group", "the end of a group", "4 bytes")
MAXIMUM_RECORDS = 300_000
MAXIMUM_DEPTH = 100

_SIZES = {FIXED32: 4, FIXED64: 8}
_HIGHEST_NUMBER = 2**29 - 1
_LONGEST_VARINT = 10
_ENOUGH = 4096


class ByteSource:
    """A binary file's bytes: copied where they are few, else mapped, so that only what is looked at comes into memory.

    Writing to arrays on top of it is allowed and changes neither the file nor another reader's view of it.
    ``budget`` is how many more records may be read, so that a file of empty records cannot fill the memory.
    """

    def __init__(
        self, data: bytes | bytearray | memoryview | mmap.mmap, file: str, budget: int | None = None
    ) -> None:
        self._data = data
        self.view = memoryview(data).cast("B")
        self.file = file
        self.budget = self._most = MAXIMUM_RECORDS if budget is None else budget

    def failure(self, position: int, problem: str) -> NetworkFileError:
        """Return an error that names the file and the byte."""
        return NetworkFileError(f"{self.file}, byte {position}: {problem}")

    def fail(self, position: int, problem: str) -> NoReturn:
        """Raise that error."""
        raise self.failure(position, problem)

    def forget(self) -> None:
        """Give back the memory of what was looked at so far; what was written on top of the file is lost."""
        if isinstance(self._data, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
            self._data.madvise(mmap.MADV_DONTNEED)

    def spend(self, position: int) -> None:
        """Count one record or value against the budget."""
        self.budget -= 1
        if self.budget < 0:
            self.fail(position, f"more than {self._most:,} fields; no network has so many.")


@dataclass(frozen=True)
class Record:
    """One record: its value is the whole number ``value``, or the bytes from ``start`` to ``stop``."""

    number: int
    wire: int
    tag: int
    start: int
    stop: int
    value: int = 0


def open_source(path: str | PathLike[str], budget: int | None = None) -> ByteSource:
    """Return a file's bytes; `NetworkFileError` when it cannot be opened. An empty file gives an empty source.

    Up to `COPIED_BYTES` they are copied; a larger file is mapped, and only what is looked at comes into memory.
    """
    file = fspath(path)
    require_regular(path)
    try:
        with Path(path).open("rb") as stream:
            if not stream.read(1):
                return ByteSource(b"", file)
            if (size := os.fstat(stream.fileno()).st_size) <= COPIED_BYTES:
                stream.seek(0)
                copied = bytearray(size)
                del copied[stream.readinto(copied) :]
                return ByteSource(copied, file, budget)
            return ByteSource(mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_COPY), file, budget)
    except (OSError, ValueError) as error:
        raise NetworkFileError(f"{file} cannot be read: {error}.") from None


def read_record(source: ByteSource, position: int, stop: int) -> Record:
    """Read the record at a position, inside a message that ends at ``stop``."""
    source.spend(position)
    tag, start = read_varint(source, position, stop)
    number, wire = tag >> 3, tag & 7
    if not 0 < number <= _HIGHEST_NUMBER or wire > FIXED32:
        source.fail(position, "no field begins like this: the file is damaged, or of another kind.")
    if wire == VARINT:
        value, end = read_varint(source, start, stop)
        return Record(number, wire, position, start, end, value)
    if wire == GROUP:
        return Record(number, wire, position, start, _group_end(source, number, position, start, stop))
    if wire == END_GROUP:
        source.fail(position, f"group {number} ends where none began: the file is damaged.")
    length = _SIZES.get(wire, 0)
    if wire == LENGTH:
        length, start = read_varint(source, start, stop)
    if start + length > stop:
        _fail_short(source, position, start + length, stop)
    return Record(number, wire, position, start, start + length)


def top_records(source: ByteSource, position: int, stop: int) -> list[Record]:
    """Return the first records of a message, enough to tell what it is; none where they do not add up."""
    records: list[Record] = []
    try:
        while position < stop and len(records) < _ENOUGH:
            records.append(read_record(source, position, stop))
            position = records[-1].stop
    except NetworkFileError:
        return []
    return records


def read_varint(source: ByteSource, position: int, stop: int) -> tuple[int, int]:
    """Return the whole number at a position, without a sign, and where it ends."""
    value, start = 0, position
    while position < stop and position - start < _LONGEST_VARINT:
        byte = source.view[position]
        value |= (byte & 127) << 7 * (position - start)
        position += 1
        if byte < 128:
            return value & (2**64 - 1), position
    if position == stop:
        _fail_short(source, start, position + 1, stop)
    raise source.failure(
        start, "a whole number is longer than 10 bytes: the file is damaged, or of another kind."
    )


def _fail_short(source: ByteSource, position: int, needed: int, stop: int) -> NoReturn:
    size = len(source.view)
    if needed > size:
        source.fail(position, f"the file ends after {size:,} bytes, inside a field: it is incomplete or damaged. "
                    "Download or copy it again.")  # fmt: skip
    source.fail(
        position, f"a field runs past byte {stop}, where the message around it ends: the file is damaged."
    )


def _group_end(source: ByteSource, number: int, tag: int, position: int, stop: int) -> int:
    """Return where a group ends, its end tag included; groups inside it are walked without recursion."""
    open_groups = [number]
    while open_groups:
        source.spend(position)
        if len(open_groups) > MAXIMUM_DEPTH:
            source.fail(position, f"groups are nested more than {MAXIMUM_DEPTH} deep: the file is damaged.")
        value, start = read_varint(source, position, stop)
        if value & 7 == GROUP:
            open_groups.append(value >> 3)
            position = start
        elif value & 7 == END_GROUP:
            if value >> 3 != open_groups.pop():
                source.fail(
                    position, f"another group ends inside the group of byte {tag}: the file is damaged."
                )
            position = start
        else:
            position = read_record(source, position, stop).stop
    return position
