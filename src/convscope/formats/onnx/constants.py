"""The numbers an ONNX file holds: initializers and Constant nodes, in the file or beside it, or made from others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from math import prod
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from convscope.errors import NetworkFileError
from convscope.formats.protobuf.message import Message
from convscope.formats.protobuf.records import open_source
from convscope.network.engine.memory import machine_memory
from convscope.network.operations.checks import dimensions
from convscope.network.parameters import Shape

Array = NDArray[Any]

FLOAT, STRING, BOOL, FLOAT16, DOUBLE, BFLOAT16, UINT4, INT4 = 1, 8, 9, 10, 11, 16, 21, 22
FLOATING = frozenset({FLOAT, FLOAT16, DOUBLE, BFLOAT16})
_TYPES: dict[int, str] = {FLOAT: "<f4", 2: "u1", 3: "i1", 4: "<u2", 5: "<i2", 6: "<i4", 7: "<i8", BOOL: "?"}
_TYPES |= {FLOAT16: "<f2", DOUBLE: "<f8", 12: "<u4", 13: "<u8", BFLOAT16: "<u2", UINT4: "u1", INT4: "u1"}
_FIELDS = {FLOAT: "float_data", 7: "int64_data", DOUBLE: "double_data", 12: "uint64_data", 13: "uint64_data"}
_EXTERNAL = 1


@dataclass(frozen=True)
class Constant:
    """Numbers that are known before the network runs; `load` gives them in their own type, each time."""

    shape: Shape
    whole: bool
    load: Callable[[], Array] = field(repr=False)

    @property
    def size(self) -> int:
        """How many numbers there are."""
        return prod(self.shape)

    @cached_property
    def array(self) -> Array:
        """The numbers, kept: for small ones that the translation looks at."""
        return self.load()

    def tensor(self) -> Tensor:
        """The numbers as a parameter: single precision, memory of its own."""
        return torch.from_numpy(np.array(self.load(), np.float32, order="C"))


def constant_of(values: Any) -> Constant:
    """Return what an attribute or an operation gave: numbers that are already there."""
    array = np.asarray(values)
    return Constant(array.shape, array.dtype.kind in "iub", lambda: array)


def read_tensor(tensor: Message, file: Path) -> Constant:
    """Return a ``TensorProto``'s numbers, unread; NetworkFileError where its shape and its bytes disagree."""
    place = f"{file}, tensor {tensor.name or ''!r}"
    shape, kind = tuple(map(int, tensor.dims)), tensor.data_type or 0
    if kind not in _TYPES:
        what = "strings" if kind == STRING else f"numbers of type {kind}"
        raise NetworkFileError(f"{place} holds {what}, which convscope does not read")
    if min(shape, default=0) < 0 or prod(shape) * 4 > machine_memory():
        raise NetworkFileError(f"{place} says its shape is {dimensions(shape)}, more than this machine holds")
    width = np.dtype(_TYPES[kind]).itemsize
    size = -(-prod(shape) // 2) if kind in (UINT4, INT4) else prod(shape) * width
    if tensor.data_location == _EXTERNAL:
        view = _external(tensor, file, place, size)
    elif tensor.has("raw_data"):
        view = tensor.raw_data
    else:
        return _listed(tensor, place, shape, kind)
    if len(view) != size:
        raise NetworkFileError(
            f"{place} says its shape is {dimensions(shape)}, which takes {size:,} bytes, but holds {len(view):,}"
        )
    return Constant(shape, kind not in FLOATING, lambda: _from_bytes(view, kind, shape))


def _from_bytes(view: memoryview, kind: int, shape: Shape) -> Array:
    stored = np.frombuffer(view, _TYPES[kind])
    if kind in (UINT4, INT4):
        halves = np.stack([stored & 15, stored >> 4], 1).reshape(-1)[: prod(shape)].astype(np.int8)
        stored = np.where((halves > 7) & (kind == INT4), halves - 16, halves)
    return _decoded(stored, kind).reshape(shape)


def _decoded(stored: Array, kind: int) -> Array:
    if kind == BFLOAT16:
        return (stored.astype(np.uint32) << 16).view(np.float32)
    return stored


def _listed(tensor: Message, place: str, shape: Shape, kind: int) -> Constant:
    """Return numbers that are a list in the file; half precision is kept as the bits of whole numbers."""
    values = getattr(tensor, _FIELDS.get(kind, "int32_data"))
    if len(values) != prod(shape) or kind in (UINT4, INT4):
        raise NetworkFileError(
            f"{place} says its shape is {dimensions(shape)} but holds {len(values):,} numbers"
        )

    def load() -> Array:
        stored = np.asarray(values)
        if kind in (FLOAT16, BFLOAT16):
            stored = stored.astype(np.uint16).view(_TYPES[kind])
        return _decoded(stored.astype(_TYPES[kind], copy=False), kind).reshape(shape)

    return Constant(shape, kind not in FLOATING, load)


def _external(tensor: Message, file: Path, place: str, size: int) -> memoryview:
    """Return the bytes of a tensor that is in a file of its own; it must lie in the network's folder."""
    entries = {entry.key: entry.value for entry in tensor.external_data}
    location = str(entries.get("location") or "")
    folder = file.resolve().parent
    try:
        path = (folder / location).resolve()
        inside = path.is_relative_to(folder) and not PurePosixPath(location).is_absolute()
    except (OSError, ValueError):
        inside = False
    if not location or not inside:
        raise NetworkFileError(f"{place} is in {location!r}, outside the network's folder: it is not read")
    if not path.is_file():
        raise NetworkFileError(f"{place} is in {location!r}, which is not beside the network: put it there")
    try:
        start, length = int(entries.get("offset") or 0), int(entries.get("length") or size)
    except ValueError as error:
        raise NetworkFileError(f"{place}: its place in {location!r} is not numbers") from error
    view = _mapped(path, path.stat().st_mtime_ns)
    if start < 0 or length < 0 or start + length > len(view):
        raise NetworkFileError(
            f"{place} is bytes {start:,} to {start + length:,} of {location!r}, which has {len(view):,}"
        )
    return view[start : start + length]


@lru_cache(maxsize=4)
def _mapped(path: Path, changed: int) -> memoryview:
    """Return a file's bytes, mapped once for all tensors in it: each mapping keeps a file open."""
    return open_source(path).view
