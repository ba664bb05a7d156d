"""Google's Snappy, in which TensorFlow packs the blocks of a checkpoint's index where it was built with it.

https://github.com/google/snappy/blob/main/format_description.txt: how long the whole is, then pieces, each of bytes as
they are or of a place before to copy from.
"""

from __future__ import annotations

from convscope.formats.protobuf.records import ByteSource, read_varint

_MOST_TIMES = 32  # a piece of three bytes stands for 64 at most


def unpacked(source: ByteSource, start: int, stop: int) -> ByteSource:
    """Return the bytes that those from `start` to `stop` stand for; NetworkFileError where they are damaged."""
    size, at = read_varint(source, start, stop)
    if size > _MOST_TIMES * (stop - start):
        source.fail(start, f"a packed block of {stop - start:,} bytes claims to be {size:,}: it is damaged.")
    made = bytearray()
    while at < stop:
        source.spend(at)
        tag, at = source.view[at], at + 1
        kind, length = tag & 3, (tag >> 2) + 1
        if kind == 0:
            if (wide := length - 60) > 0:
                length, at = 1 + int.from_bytes(source.view[at : at + wide], "little"), at + wide
            made += source.view[at : at + length]
            at += length
            back = 1
        else:
            width = (1, 2, 4)[kind - 1]
            back, at = int.from_bytes(source.view[at : at + width], "little"), at + width
            if kind == 1:
                length, back = (length - 1 & 7) + 4, back | tag >> 5 << 8
            if 0 < back <= len(made):  # what is copied may reach into itself, and is repeated then
                piece = made[len(made) - back : len(made) - back + length]
                made += (piece * -(-length // len(piece)))[:length]
        if at > stop or not 0 < back <= len(made) or len(made) > size:
            source.fail(at, "a packed block does not unpack: the file is damaged.")
    if len(made) != size:
        source.fail(stop, f"a packed block of {size:,} bytes unpacks to {len(made):,}: the file is damaged.")
    return ByteSource(made, source.file, source.budget)
