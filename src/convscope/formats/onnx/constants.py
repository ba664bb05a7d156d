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
from convscope.files import COPIED_BYTES, FileState
from convscope.formats.onnx.element_types import (
    BFLOAT16,
    BOOL,
    DOUBLE,
    FLOAT,
    FLOAT16,
    FLOATING,
    INT8,
    INT16,
    INT32,
    INT64,
    NAMES,
    PACKED,
    SMALL_FLOATS,
    STRING,
    UINT8,
    UINT16,
    UINT32,
    UINT64,
    type_of,
    unpacked,
)
from convscope.formats.protobuf.message import Message
from convscope.formats.protobuf.records import open_source
from convscope.network.engine.memory import machine_memory
from convscope.network.operations.checks import dimensions
from convscope.network.parameters import Shape

Array = NDArray[Any]

# How each type's numbers lie in the file.
_STORED: dict[int, str] = {FLOAT: "<f4", UINT8: "u1", INT8: "i1", UINT16: "<u2", INT16: "<i2", INT32: "<i4"}
_STORED |= {INT64: "<i8", BOOL: "?", FLOAT16: "<f2", DOUBLE: "<f8", UINT32: "<u4", UINT64: "<u8"}
_STORED |= {BFLOAT16: "<u2", **dict.fromkeys((*PACKED, *SMALL_FLOATS), "u1")}
_FIELDS = {FLOAT: "float_data", INT64: "int64_data", DOUBLE: "double_data"}
_FIELDS |= dict.fromkeys((UINT32, UINT64), "uint64_data")
_EXTERNAL = 1


@dataclass(frozen=True)
class Constant:
    """Numbers that are known before the network runs; `load` gives them in their own type, each time.

    `beside` is the file that they lie in, where that is not the network's own.
    """

    shape: Shape
    type: int
    load: Callable[[], Array] = field(repr=False)
    beside: FileState | None = None

    @property
    def whole(self) -> bool:
        """Whether these are whole numbers or truth values."""
        return self.type not in FLOATING

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
    return Constant(array.shape, type_of(array), lambda: array)


def read_tensor(tensor: Message, file: Path) -> Constant:
    """Return a ``TensorProto``'s numbers, unread; NetworkFileError where its shape and its bytes disagree."""
    place = f"{file}, tensor {tensor.name or ''!r}"
    shape, kind = tuple(map(int, tensor.dims)), tensor.data_type or 0
    if kind not in _STORED:
        raise NetworkFileError(f"{place} holds {named_type(kind)}, which convscope does not read")
    if min(shape, default=0) < 0 or prod(shape) * 4 > machine_memory():
        raise NetworkFileError(f"{place} says its shape is {dimensions(shape)}, more than this machine holds")
    state: FileState | None = None
    width = np.dtype(_STORED[kind]).itemsize
    size = -(-prod(shape) // PACKED.get(kind, 1)) * width
    if tensor.data_location == _EXTERNAL:
        state, view = _external(tensor, file, place, size)
    elif tensor.has("raw_data"):
        view = tensor.raw_data
    else:
        return _listed(tensor, place, shape, kind)
    if len(view) != size:
        raise NetworkFileError(
            f"{place} says its shape is {dimensions(shape)}, which takes {size:,} bytes, but holds {len(view):,}"
        )
    return Constant(shape, kind, lambda: _from_bytes(view, kind, shape, state), state)


def named_type(kind: int) -> str:
    """Return what a type is called in a message."""
    return "texts" if kind == STRING else NAMES[kind] if 0 <= kind < len(NAMES) else f"type {kind}"


def _from_bytes(view: memoryview, kind: int, shape: Shape, state: FileState | None) -> Array:
    if state is not None and state.size > COPIED_BYTES:  # it is mapped: what is there now would be read
        state.require_unchanged()
    return unpacked(np.frombuffer(view, _STORED[kind]), kind, prod(shape)).reshape(shape)


def _listed(tensor: Message, place: str, shape: Shape, kind: int) -> Constant:
    """Return numbers that are a list in the file; those without a type of numpy's are kept as bits in whole numbers."""
    values = getattr(tensor, _FIELDS.get(kind, "int32_data"))
    if len(values) != -(-prod(shape) // PACKED.get(kind, 1)):
        raise NetworkFileError(
            f"{place} says its shape is {dimensions(shape)} but holds {len(values):,} numbers"
        )

    def load() -> Array:
        stored = np.asarray(values)
        if kind in (FLOAT16, BFLOAT16):
            stored = stored.astype(np.uint16).view(_STORED[kind])
        elif kind in PACKED or kind in SMALL_FLOATS:
            stored = stored.astype(np.uint8)
        return unpacked(stored.astype(_STORED[kind], copy=False), kind, prod(shape)).reshape(shape)

    return Constant(shape, kind, load)


def _external(tensor: Message, file: Path, place: str, size: int) -> tuple[FileState, memoryview]:
    """Return a file beside the network's, as it is now, and the bytes in it that are a tensor's."""
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
    state = FileState.of(path)
    view = _mapped(state)
    if start < 0 or length < 0 or start + length > len(view):
        raise NetworkFileError(
            f"{place} is bytes {start:,} to {start + length:,} of {location!r}, which has {len(view):,}"
        )
    return state, view[start : start + length]


@lru_cache(maxsize=4)
def _mapped(state: FileState) -> memoryview:
    """Return a file's bytes, mapped once for all tensors in it: each mapping keeps a file open."""
    return open_source(state.path).view
