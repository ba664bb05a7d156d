"""Damages what a file says, not its bytes: other trees of JSON, other fields, other numbers that might be meant."""

from __future__ import annotations

import ast
import io
import json
import pickletools
import struct
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import numpy as np

Random = np.random.Generator
OTHERS: tuple[Any, ...] = (
    *(None, True, -1, 0, 1, 3.5, 1e400, float("nan"), 2**31, 2**63, 2**70, "", "x", "é" * 40),
    *([], {}, [[]], [None], {"": None}, [1, 2, 3], [2**40], {"class_name": "Dense", "config": {}}),
)
EXTREMES = (-1, -(2**31), -(2**63), 2**31 - 1, 2**32, 2**63 - 1, 30_000, 4_000_000)
_STRINGS = {"BINUNICODE": (b"X", "<I"), "SHORT_BINUNICODE": (b"\x8c", "<B")}
_WHOLE = {"BININT", "BININT1", "BININT2", "LONG1"}


def near(number: Any, random: Random) -> Any:
    """Return a number that might stand there as well."""
    ways = (1 + number, number - 1, 2 * number, -number, 0, 1000 * number, number / 2, number * 10**6)
    if random.random() < 0.25:
        ways = EXTREMES
    return ways[random.integers(len(ways))]


# JSON


def tree_damage(text: bytes, random: Random) -> bytes:
    """Put other values, of the tree itself or of another type, in some places of JSON; in texts of JSON as well."""
    try:
        tree = json.loads(text)
    except ValueError:
        return text
    for _ in range(random.integers(1, 4)):
        tree = _changed(tree, _places(tree), random)
    return json.dumps(tree).encode()


def _places(tree: Any) -> list[tuple[Any, Any]]:
    """Return every place of a tree: what it is in, and at which key."""
    found: list[tuple[Any, Any]] = []
    waiting = [tree]
    while waiting and len(found) < 50_000:
        inside = waiting.pop()
        keys = (
            list(inside)
            if isinstance(inside, dict)
            else range(len(inside))
            if isinstance(inside, list)
            else ()
        )
        for key in keys:
            found.append((inside, key))
            waiting.append(inside[key])
    return found


def _changed(tree: Any, places: list[tuple[Any, Any]], random: Random) -> Any:
    if not places:
        return OTHERS[random.integers(len(OTHERS))]
    inside, key = places[random.integers(len(places))]
    value, (other, at) = inside[key], places[random.integers(len(places))]
    if isinstance(value, str) and value[:1] in ("{", "["):
        inside[key] = tree_damage(value.encode(), random).decode()
        return tree
    match random.integers(0, 8):
        case 0 | 1 if isinstance(value, (int, float)):
            inside[key] = near(value, random)
        case 0 | 1 | 2:
            inside[key] = OTHERS[random.integers(len(OTHERS))]
        case 3:
            inside[key] = json.loads(json.dumps(other[at]))
        case 4:
            del inside[key]
        case 5 if isinstance(inside, list):
            inside.insert(int(random.integers(len(inside) + 1)), json.loads(json.dumps(value)))
        case 5 | 6 if isinstance(value, list):
            inside[key] = value[::-1] if random.random() < 0.5 else [value]
        case 6 if isinstance(inside, dict):
            inside[f"{key}x"] = inside.pop(key)
        case _:
            inside[key] = [value] if random.random() < 0.5 else str(value)
    return tree


# Protobuf


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
        if shift > 63:
            raise ValueError


def _as_varint(value: int) -> bytes:
    value %= 1 << 64
    made = bytearray()
    while value > 127:
        made.append(value & 127 | 128)
        value >>= 7
    return bytes([*made, value])


def _fields(data: bytes) -> list[list[Any]] | None:
    """Return the [number, wire, value] of a message; None for what is none."""
    found: list[list[Any]] = []
    at = 0
    try:
        while at < len(data):
            tag, at = _varint(data, at)
            wire, value = tag & 7, None
            if wire == 0:
                value, at = _varint(data, at)
            elif wire in (1, 5):
                value, at = data[at : at + (8 if wire == 1 else 4)], at + (8 if wire == 1 else 4)
            elif wire == 2:
                length, at = _varint(data, at)
                value, at = data[at : at + length], at + length
            if value is None or at > len(data) or not tag >> 3:
                return None
            found.append([tag >> 3, wire, value])
    except (IndexError, ValueError):
        return None
    return found


def _message(fields: list[list[Any]]) -> bytes:
    return b"".join(
        _as_varint(number << 3 | wire)
        + (_as_varint(value) if wire == 0 else _as_varint(len(value)) + value if wire == 2 else value)
        for number, wire, value in fields
    )


def protobuf_damage(data: bytes, random: Random, depth: int = 0) -> bytes:
    """Change fields of a message, somewhere within it: numbers, texts, their order and count; all lengths are right."""
    fields = _fields(data)
    if not fields:
        return _leaf_damage(data, random)
    if not depth and random.random() < 0.25:
        return _renamed(fields, random)
    for _ in range(1 if depth else random.integers(1, 4)):
        if not fields:
            break
        at = int(random.integers(len(fields)))
        number, wire, value = fields[at]
        if wire == 2 and depth < 9 and random.random() < 0.85:
            fields[at][2] = protobuf_damage(value, random, depth + 1)
            continue
        other = fields[random.integers(len(fields))]
        match random.integers(0, 7):
            case 0:
                del fields[at]
            case 1:
                fields.insert(int(random.integers(len(fields) + 1)), [number, wire, value])
            case 2:
                fields[at] = [number, *other[1:]]
            case 3:
                fields[at][0] = int(random.integers(1, 16)) if random.random() < 0.5 else other[0]
            case 4:
                fields[at] = [number, 0, int(random.integers(0, 300))]
            case _ if wire == 0:
                fields[at][2] = int(near(value, random))
            case _:
                fields[at][2] = _leaf_damage(value, random) if wire == 2 else random.bytes(len(value))
    return _message(fields)


def _renamed(fields: list[list[Any]], random: Random) -> bytes:
    """Put names of a message in the places of others, wherever they stand: cycles, twins, what is nowhere."""
    tree = _tree(fields)
    places = [*_texts(tree)]
    for _ in range(random.integers(1, 4) if places else 0):
        to, other = places[random.integers(len(places))], places[random.integers(len(places))]
        to[2] = other[2]
    return _written(tree)


def _tree(fields: list[list[Any]], depth: int = 0) -> list[list[Any]]:
    """Return a message's fields with those of the messages within it; bytes that could be a text are one."""
    for field in fields:
        if field[1] == 2 and depth < 9 and not _is_text(field[2]):
            inside = _fields(field[2])
            field[2] = _tree(inside, depth + 1) if inside else field[2]
    return fields


def _is_text(value: bytes) -> bool:
    return 0 < len(value) < 200 and all(32 <= byte < 127 for byte in value)


def _texts(tree: list[list[Any]]) -> Iterator[list[Any]]:
    for field in tree:
        if isinstance(field[2], list):
            yield from _texts(field[2])
        elif field[1] == 2 and _is_text(field[2]):
            yield field


def _written(tree: list[list[Any]]) -> bytes:
    return _message(
        [
            [number, wire, _written(value) if isinstance(value, list) else value]
            for number, wire, value in tree
        ]
    )


def _leaf_damage(value: bytes, random: Random) -> bytes:
    if len(value) in (1, 2, 3, 8, 16, 24) and random.random() < 0.5:
        return bytes(random.integers(0, 9, len(value), np.uint8))
    if len(value) % 8 == 0 and 0 < len(value) < 100 and random.random() < 0.3:  # sizes
        at = 8 * int(random.integers(len(value) // 8))
        number = EXTREMES[random.integers(len(EXTREMES))]
        return value[:at] + (number % 2**64).to_bytes(8, "little") + value[at + 8 :]
    ways = (b"", b"\xff\xfe", value[:-1], value + value, value[::-1], b"x" * len(value), value + b"\0")
    return ways[random.integers(len(ways))]


# HDF5


def hdf5_damage(data: bytes, random: Random) -> bytes:
    """Change, rename, move or leave out an attribute or a dataset of an HDF5 file; other shapes, types and links."""
    with tempfile.NamedTemporaryFile(suffix=".h5") as place:
        path = Path(place.name)
        path.write_bytes(data)
        with h5py.File(path, "r+") as file:
            names: list[str] = []
            file.visit(names.append)
            owner = file[names[random.integers(len(names))]] if names and random.random() < 0.8 else file
            for _ in range(random.integers(1, 3)):
                if len(owner.attrs) and (owner is file or random.random() < 0.5):
                    _change_attribute(owner.attrs, random)
                elif owner is not file:
                    _change_member(file, owner.name, names, random)
                    break
        return path.read_bytes()


def _change_attribute(attributes: Any, random: Random) -> None:
    key = list(attributes)[random.integers(len(attributes))]
    value = attributes[key]
    text = value.encode() if isinstance(value, str) else value
    if isinstance(text, bytes) and text[:1] == b"{" and random.random() < 0.85:
        attributes[key] = tree_damage(text, random).decode()
        return
    ways: tuple[Callable[[], Any], ...] = (
        lambda: np.asarray(value)[..., None],
        lambda: np.asarray(value).ravel()[::-1],
        lambda: np.asarray(value).ravel()[:-1],
        lambda: "x",
        lambda: np.zeros((2, 2)),
        lambda: np.asarray([b"\xff", b"a/b"]),
        lambda: h5py.Empty("f4"),
        lambda: 7,
    )
    del attributes[key]
    if random.random() < 0.85:
        attributes[key] = ways[random.integers(len(ways))]()


def _change_member(file: Any, name: str, names: list[str], random: Random) -> None:
    other, value = names[random.integers(len(names))], file[name]
    array = value[()] if isinstance(value, h5py.Dataset) else np.zeros(3, np.float32)
    del file[name]
    ways: tuple[Callable[[], Any], ...] = (
        lambda: None,
        lambda: array[..., None],
        lambda: array[:0],
        lambda: array.reshape(-1),
        lambda: array.T,
        lambda: np.concatenate([array, array]),
        lambda: array.astype(np.float64),
        lambda: array.astype(np.int8),
        lambda: array.astype(np.complex64),
        lambda: np.full(array.shape, np.nan),
        lambda: np.asarray([b"text"] * 3),
        lambda: h5py.Empty("f4"),
        lambda: h5py.SoftLink(f"/{other}"),
        lambda: h5py.SoftLink(name),
        lambda: h5py.ExternalLink("/dev/zero", "/a"),
    )
    made = ways[random.integers(len(ways))]()
    if made is not None:
        file[name] = made


# Pickles, NumPy, tar


def pickle_damage(data: bytes, random: Random) -> bytes:
    """Leave out, double, move or change steps of a pickle: its numbers, its texts, the classes it names."""
    try:
        found = list(pickletools.genops(data))
    except Exception:
        return data
    places = [at or 0 for _, _, at in found] + [len(data)]
    parts = [data[begin:end] for begin, end in pairwise(places)]
    for _ in range(random.integers(1, 4)):
        at, to = (int(random.integers(1, max(2, len(found) - 1))) for _ in "ab")
        at, to = min(at, len(found) - 1), min(to, len(found) - 1)
        operation, argument, _ = found[at]
        if operation.name in _WHOLE and random.random() < 0.8:
            number = int(near(argument, random))
            parts[at] = b"\x8a\x08" + struct.pack("<q", max(-(2**63), min(2**63 - 1, number)))
        elif operation.name in _STRINGS and random.random() < 0.8:
            texts = [one for kind, one, _ in found if kind.name in _STRINGS] + ["", "x", "é", "weight.0"]
            text = texts[random.integers(len(texts))].encode("utf-8", "surrogatepass")[:250]
            code, size = _STRINGS[operation.name]
            parts[at] = code + struct.pack(size, len(text)) + text
        elif operation.name == "GLOBAL" and random.random() < 0.6:
            names = [part for part, (kind, _, _) in zip(parts, found, strict=True) if kind.name == "GLOBAL"]
            names += [
                b"ctorch\nFloatStorage\n",
                b"cbuiltins\nlist\n",
                b"ctorch.nn\nLinear\n",
                b"cos\nsystem\n",
            ]
            parts[at] = names[random.integers(len(names))]
        else:
            parts[at] = (b"", parts[at] * 2, parts[to], b"N", b"]", b"}", b")")[random.integers(7)]
    return b"".join(parts)


def numpy_damage(data: bytes, random: Random) -> bytes:
    """Change what a .npy file says of its numbers."""
    length = int.from_bytes(data[8:10], "little")
    header = ast.literal_eval(data[10 : 10 + length].decode())
    kinds = (
        "<f2",
        ">f4",
        "<f8",
        "|b1",
        "|O",
        "<M8[ns]",
        "<c8",
        "|S5",
        "<U3",
        "|V9",
        "<i8",
        "|u1",
        "x",
        "f4,f4",
    )
    shape = list(header["shape"])
    match random.integers(0, 5):
        case 0 | 1:
            header["descr"] = kinds[random.integers(len(kinds))]
        case 2 if shape:
            at = int(random.integers(len(shape)))
            shape[at] = int(near(shape[at], random))
        case 3:
            shape = [*shape, 1] if random.random() < 0.5 else shape[1:]
        case _:
            header["fortran_order"] = not header["fortran_order"]
    header["shape"] = tuple(shape)
    text = repr(header).encode().ljust(length) + b"\n"
    return data[:8] + struct.pack("<H", len(text)) + text + data[10 + length :]


def tar_damage(data: bytes, random: Random) -> bytes:
    """Change a member of a tar: its name, size, kind or content; the checksums are right."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(data)) as old:
        members = old.getmembers()
        chosen = int(random.integers(len(members)))
        with tarfile.open(fileobj=stream, mode="w"):
            for index, member in enumerate(members):
                content = (old.extractfile(member) or io.BytesIO()).read()
                if index == chosen:
                    kinds = (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE, b"S", b"x")
                    names = ("../a.jpg", "/a.jpg", "", "a" * 90 + ".jpg", "é.png", ".jpg", members[0].name)
                    match random.integers(0, 5):
                        case 0:
                            member.name = names[random.integers(len(names))]
                        case 1:
                            member.size = int(abs(near(member.size, random)))
                        case 2:
                            member.type = kinds[random.integers(len(kinds))]
                            member.linkname = members[random.integers(len(members))].name
                        case 3:
                            member.mtime = float(random.choice([-1, 2**40, 0]))
                        case _:
                            content = content[::-1]
                stream.write(member.tobuf(tarfile.GNU_FORMAT) if member.type != b"x" else member.tobuf())
                stream.write(content + bytes(-len(content) % 512))
    return stream.getvalue()
