"""Damages a file: bytes anywhere, words of a text, and what lies inside a checksum, a size or a zip."""

from __future__ import annotations

import io
import re
import struct
import zipfile
import zlib
from collections.abc import Callable

import numpy as np

from fuzz_structure import (
    hdf5_damage,
    numpy_damage,
    pickle_damage,
    protobuf_damage,
    tar_damage,
    tree_damage,
)

Random = np.random.Generator
VALUES = (0, 1, 2, 7, 8, 10, 13, 34, 44, 58, 91, 123, 127, 128, 254, 255)
NUMBERS = (0, 0xFFFFFFFF, 0x7FFFFFFF, 0x80000000, 0x00FFFFFF)
WORDS = (
    *(b"-1", b"0", b"99999999999", b"1e400", b"nan", b"inf", b"3.5", b"-9223372036854775808", b"4294967296"),
    *(b"2147483647", b"30000", b"4000000", b"9223372036854775807"),
    *(b'""', b'"x"', b"[]", b"{}", b"[1,2", b"null", b"true"),
)
_WORD = re.compile(rb'-?\d+(?:\.\d+)?|"[^"]{0,40}"|\btrue\b|\bfalse\b|\bnull\b|[{}\[\]]')
_TEXTS = (".prototxt", ".pbtxt", ".json", ".csv", ".txt", ".py", ".js", ".svg")
_PNG, _CHUNKS = b"\x89PNG\r\n\x1a\n", (b"tRNS", b"iCCP", b"eXIf", b"acTL", b"fcTL", b"PLTE", b"IHDR", b"zTXt")


def damage(name: str, data: bytes, random: Random, other: bytes = b"") -> bytes:
    """Return a file damaged at random: what is inside it more often than its bytes, so that readers get that far.

    A piece of another file is put in now and then.
    """
    if other and random.random() < 0.05:
        at, size = int(random.integers(len(data) + 1)), int(random.choice((8, 100, 2000)))
        begin = int(random.integers(len(other)))
        return data[:at] + other[begin : begin + size] + data[at + int(random.integers(2)) * size :]
    ways = [way for fits, way in _INSIDE if fits(name, data)]
    if not ways or random.random() < 0.2:
        return bytes_damage(data, random)
    try:
        return ways[random.integers(len(ways))](data, random)
    except Exception:  # a library refuses to write what it is asked for
        return bytes_damage(data, random)


def bytes_damage(data: bytes, random: Random) -> bytes:
    """Change a few bytes or numbers, cut a piece out, double it or the end off; near the beginning more often."""
    content = bytearray(data)
    for _ in range(random.integers(1, 6)):
        end = (
            len(content)
            if random.random() < 0.3
            else min(len(content), int(random.choice((64, 512, 4096, 40000))))
        )
        at, length = int(random.integers(0, max(1, end))), int(random.integers(1, 40))
        match random.integers(0, 7):
            case 0 if random.random() < 0.4:
                del content[at:]
            case 1:
                del content[at : at + length]
            case 2:
                content[at:at] = content[at : at + length]
            case 3 if at < len(content):
                content[at] ^= 1 << int(random.integers(8))
            case 4:
                content[at : at + 4] = random.bytes(4)
            case 5:
                content[at : at + 4] = int(random.choice(NUMBERS)).to_bytes(4, "little")
            case _ if at < len(content):
                content[at] = VALUES[random.integers(len(VALUES))]
    return bytes(content)


def text_damage(data: bytes, random: Random) -> bytes:
    """Put other words in the places of a text's numbers, texts and brackets, or lines in other lines' places."""
    for _ in range(random.integers(1, 4)):
        words = [match.span() for match in _WORD.finditer(data)]
        if not words:
            return bytes_damage(data, random)
        (begin, end), other = words[random.integers(len(words))], words[random.integers(len(words))]
        match random.integers(0, 4):
            case 0 | 1:
                data = data[:begin] + WORDS[random.integers(len(WORDS))] + data[end:]
            case 2:
                data = data[:begin] + data[slice(*other)] + data[end:]
            case _:
                lines = data.split(b"\n")
                lines[random.integers(len(lines))] = (
                    lines[random.integers(len(lines))] if random.random() < 0.5 else b""
                )
                data = b"\n".join(lines)
    return data


def _embedded_text(data: bytes, random: Random) -> bytes:
    """Put another word over a number of JSON within a binary file, which keeps its length more often than not."""
    words = [match.span() for match in re.finditer(rb"(?<=[:\[, ])-?\d{1,6}(?=[,\]} ])", data[:400_000])]
    if not words or random.random() < 0.5:
        return bytes_damage(data, random)
    begin, end = words[random.integers(len(words))]
    word = WORDS[random.integers(len(WORDS))]
    same = (word + b" " * (end - begin))[: end - begin]
    return data[:begin] + (same if random.random() < 0.7 else word) + data[end:]


def _png_damage(data: bytes, random: Random) -> bytes:
    """Damage, double or rename a chunk of a PNG, and make its checksum right."""
    chunks, at = [], len(_PNG)
    while at < len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        chunks.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + length]))
        at += 12 + length
    index = int(random.integers(len(chunks)))
    kind, body = chunks[index]
    way = random.random()
    if way < 0.7:
        chunks[index] = kind, bytes_damage(body or b"\0\0", random)
    elif way < 0.85:
        chunks.insert(int(random.integers(len(chunks))), (kind, body))
    else:
        chunks[index] = _CHUNKS[random.integers(len(_CHUNKS))], body
    return _PNG + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )


def _zip_damage(data: bytes, random: Random) -> bytes:
    """Damage or leave out a member of a zip, its texts and pickles more often than its numbers."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = [(info, archive.read(info)) for info in archive.infolist()]
    texts = [
        index
        for index, (info, _) in enumerate(members)
        if info.filename.endswith((".json", ".pkl", ".py", ".h5"))
    ]
    chosen = (
        int(random.choice(texts)) if texts and random.random() < 0.8 else int(random.integers(len(members)))
    )
    stream, left_out = io.BytesIO(), random.random() < 0.07
    with zipfile.ZipFile(stream, "w") as archive:
        for index, (info, body) in enumerate(members):
            if index == chosen:
                if left_out:
                    continue
                body = damage(info.filename, body or b"0", random)
            kind = zipfile.ZIP_DEFLATED if info.compress_type else zipfile.ZIP_STORED
            archive.writestr(zipfile.ZipInfo(info.filename), body, kind)
    return stream.getvalue()


def _header_damage(data: bytes, random: Random) -> bytes:
    """Damage the JSON before safetensors' numbers, and make its length right."""
    (length,) = struct.unpack("<Q", data[:8])
    header = (text_damage if random.random() < 0.4 else tree_damage)(data[8 : 8 + length], random)
    return struct.pack("<Q", len(header)) + header + data[8 + length :]


_INSIDE: tuple[tuple[Callable[[str, bytes], bool], Callable[[bytes, Random], bytes]], ...] = (
    (lambda name, data: name.endswith(_TEXTS), text_damage),
    (lambda name, data: name.endswith(".json"), tree_damage),
    (lambda name, data: data.startswith(_PNG), _png_damage),
    (lambda name, data: data[:2] == b"PK", _zip_damage),
    (lambda name, data: name.endswith((".convscope", ".safetensors")), _header_damage),
    (lambda name, data: name.endswith((".h5", ".hdf5", ".pt2")), _embedded_text),
    (lambda name, data: data.startswith(b"\x89HDF"), hdf5_damage),
    (lambda name, data: name.endswith((".pb", ".onnx", ".caffemodel", ".binaryproto")), protobuf_damage),
    (lambda name, data: name.endswith(".pkl"), pickle_damage),
    (lambda name, data: name.endswith(".npy"), numpy_damage),
    (lambda name, data: name.endswith(".tar"), tar_damage),
)
