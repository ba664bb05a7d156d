"""TensorFlow's checkpoints: ``NAME.index``, a sorted table of what lies where, and ``NAME.data-00000-of-00001``.

The table is LevelDB's (https://github.com/google/leveldb/blob/main/doc/table_format.md): blocks of keys that share
their beginnings, and a last block that says where the others are. TensorFlow packs blocks with Snappy where it was
built with it, else leaves them as they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from convscope.errors import NetworkFileError
from convscope.formats.protobuf.message import Message
from convscope.formats.protobuf.records import ByteSource, open_source, read_varint
from convscope.formats.protobuf.schema import load_schema
from convscope.formats.protobuf.wire import read_fields
from convscope.formats.tensorflow.snappy import unpacked

_MAGIC = bytes.fromhex("57fb808b247547db")
_FOOTER = 48
_TRAILER = 5  # bytes behind a block: how it is compressed, and its checksum
_SNAPPY = 1  # how a block says that it is packed so
_MOST_SHARDS = 10_000
INDEX = ".index"


@dataclass(frozen=True)
class VariableCheckpoint:
    """A checkpoint: each tensor's key to where its numbers are, and the files of numbers. `name` is for messages."""

    name: str
    entries: Mapping[str, Message]
    shards: Sequence[ByteSource]

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file it consists of."""
        return (Path(f"{self.name}{INDEX}"), *(Path(shard.file) for shard in self.shards))

    def tensor(self, key: str) -> Message:
        """Return a tensor as a graph would state it, its numbers still in the file."""
        entry = self.entries[key]
        if not 0 <= entry.shard_id < len(self.shards):
            raise NetworkFileError(f"{self.name}: {key!r} lies in a file that the checkpoint does not have")
        data = self.shards[entry.shard_id].view
        if not 0 <= entry.offset <= entry.offset + entry.size <= len(data):
            raise NetworkFileError(
                f"{self.name}: {key!r} lies beyond the end of its file, which is cut short"
            )
        if entry.slices:
            raise NetworkFileError(f"{self.name}: {key!r} is saved in slices, which convscope does not join")
        return Message(
            load_schema(__package__)["TensorProto"],
            dtype=entry.dtype,
            tensor_shape=entry.shape,
            tensor_content=data[entry.offset : entry.offset + entry.size],
        )


def read_checkpoint(prefix: str) -> VariableCheckpoint:
    """Look through a checkpoint by the beginning of its files' names; NetworkFileError for a damaged one."""
    source, schema = open_source(f"{prefix}{INDEX}"), load_schema(__package__)
    header, entries = Message(schema["BundleHeader"]), {}
    for key, block, start, stop in _table(source):
        message = Message(schema["BundleEntry"]) if key else header
        read_fields(block, message, start, stop)
        if key:
            entries[key] = message
    if header.endianness or not 0 < header.num_shards < _MOST_SHARDS:
        raise NetworkFileError(f"{source.file} is of a machine that writes numbers the other way, or damaged")
    names = (f"{prefix}.data-{at:05d}-of-{header.num_shards:05d}" for at in range(header.num_shards))
    return VariableCheckpoint(prefix, entries, [open_source(name) for name in names])


_Entry = tuple[str, ByteSource, int, int]


def _table(source: ByteSource) -> Iterator[_Entry]:
    """Yield each key of a table, and in which bytes, from where to where, its value lies."""
    size = len(source.view)
    if size < _FOOTER or bytes(source.view[-8:]) != _MAGIC:
        raise NetworkFileError(f"{source.file} is not the index of a TensorFlow checkpoint, or cut short")
    position = size - _FOOTER
    for _ in range(2):  # where the table of tables is, which nothing is in
        _, position = read_varint(source, position, size)
    seen = -1
    for _, block, start, stop in _block(source, source, position, size):
        place, _ = read_varint(block, start, stop)
        if place <= seen:
            source.fail(
                place, "a block is named twice, or before one that lies before it: the file is damaged."
            )
        seen = place
        yield from _block(source, block, start, stop)


def _block(file: ByteSource, place: ByteSource, position: int, end: int) -> Iterator[_Entry]:
    """Yield the entries of the block that the two numbers at a position say the place of."""
    start, position = read_varint(place, position, end)
    length, _ = read_varint(place, position, end)
    stop = start + length
    if stop + _TRAILER > len(file.view) or length < 4:
        file.fail(start, "a block lies beyond the end of the file: it is damaged.")
    source = file
    if (packing := file.view[stop]) == _SNAPPY:
        source = unpacked(file, start, stop)
        start, stop = 0, len(source.view)
    elif packing:
        file.fail(
            stop, f"a block is packed in a way (number {packing}) that no checkpoint is: it is damaged."
        )
    restarts = int.from_bytes(source.view[max(stop - 4, 0) : stop], "little")
    at, entries_end, key = start, stop - 4 - 4 * restarts, b""
    while at < entries_end:
        source.spend(at)
        shared, at = read_varint(source, at, entries_end)
        own, at = read_varint(source, at, entries_end)
        size, at = read_varint(source, at, entries_end)
        if shared > len(key) or at + own + size > entries_end:
            source.fail(at, "an entry runs past the end of its block: the file is damaged.")
        key = key[:shared] + bytes(source.view[at : at + own])
        at += own
        yield key.decode("utf-8", "replace"), source, at, at + size
        at += size
