"""A TensorProto as an array: on top of the mapped file where it can be, and never larger than the file deserves."""

from __future__ import annotations

from math import prod
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from convscope.errors import NetworkFileError
from convscope.formats.folding_budget import LEAST_BUDGET
from convscope.formats.protobuf.message import Message
from convscope.network.engine.memory import machine_memory

Array: TypeAlias = NDArray[Any]

# Data type to how its bytes are read, and the field that may hold its values one by one.
_TYPES: dict[str, tuple[str, str]] = {
    "DT_FLOAT": ("<f4", "float_val"),
    "DT_DOUBLE": ("<f8", "double_val"),
    "DT_HALF": ("<f2", "half_val"),
    "DT_BFLOAT16": ("<u2", "half_val"),
    "DT_INT8": ("<i1", "int_val"),
    "DT_QINT8": ("<i1", "int_val"),
    "DT_UINT8": ("<u1", "int_val"),
    "DT_QUINT8": ("<u1", "int_val"),
    "DT_INT16": ("<i2", "int_val"),
    "DT_QINT16": ("<i2", "int_val"),
    "DT_UINT16": ("<u2", "int_val"),
    "DT_QUINT16": ("<u2", "int_val"),
    "DT_INT32": ("<i4", "int_val"),
    "DT_QINT32": ("<i4", "int_val"),
    "DT_INT64": ("<i8", "int64_val"),
    "DT_UINT32": ("<u4", "uint32_val"),
    "DT_UINT64": ("<u8", "uint64_val"),
    "DT_BOOL": ("?", "bool_val"),
}
WHOLE = {
    name: np.dtype(layout)
    for name, (layout, _) in _TYPES.items()
    if np.dtype(layout).kind in "iu" and "INT" in name
}
"""Types of whole numbers, those of codes among them."""
CODES = {
    f"DT_Q{'U' * (not signed)}INT{bits}": (bits, signed) for bits in (8, 16, 32) for signed in (False, True)
}
"""A type of codes that stand for a range of numbers: how many bits, and whether they go below 0."""
FLOATING = ("DT_FLOAT", "DT_DOUBLE", "DT_HALF", "DT_BFLOAT16")


def shape_of(message: Message) -> tuple[int, ...] | None:
    """Return the sizes of a TensorShapeProto, -1 for one that is not known; None where their number is not."""
    return None if message.unknown_rank else tuple(dim.size for dim in message.dim)


def to_array(tensor: Message, name: str) -> Array | None:
    """Return a tensor's numbers; None for text and other things that are no numbers.

    Its values are the bytes of ``tensor_content``, or listed one by one with the last one repeated as often as the
    shape asks for. NetworkFileError where they do not fill the shape.
    """
    if tensor.dtype not in _TYPES:
        return None
    shape = shape_of(tensor.tensor_shape) or ()
    if min(shape, default=0) < 0 or prod(shape) * 8 > machine_memory():
        raise NetworkFileError(f"the constant {name!r} says its shape is {shape}: the file is damaged")
    code, field = _TYPES[tensor.dtype]
    if tensor.has("tensor_content"):
        values = _content(tensor.tensor_content, np.dtype(code), shape, name)
    else:
        values = _listed(getattr(tensor, field), np.dtype(code), shape, name)
    if tensor.dtype == "DT_BFLOAT16":  # the upper half of a float
        return (values.astype("<u4") << 16).view("<f4")
    return values


def _content(content: memoryview, dtype: np.dtype[Any], shape: tuple[int, ...], name: str) -> Array:
    if len(content) != prod(shape) * dtype.itemsize:
        raise NetworkFileError(
            f"the constant {name!r} of shape {shape} has {len(content):,} bytes and not "
            f"{prod(shape) * dtype.itemsize:,}: the file is damaged"
        )
    return np.frombuffer(content, dtype).reshape(shape)


def _listed(values: Any, dtype: np.dtype[Any], shape: tuple[int, ...], name: str) -> Array:
    count = prod(shape)
    if len(values) > count:
        raise NetworkFileError(
            f"the constant {name!r} of shape {shape} lists {len(values):,} values: the file is damaged"
        )
    if dtype.str in ("<f2", "<u2"):  # half_val has the bits of each as a whole number
        array = np.asarray(values, "<i8").astype("<u2").view(dtype)
    else:
        array = np.asarray(values).astype(dtype, copy=False) if len(values) else np.zeros(1, dtype)
    if len(array) == count:
        return array.reshape(shape)
    if len(array) > 1 and count > LEAST_BUDGET:
        raise NetworkFileError(
            f"the constant {name!r} of shape {shape} lists {len(values):,} values: the others are not made up"
        )
    if len(array) <= 1:
        return np.broadcast_to(array[-1] if len(array) else dtype.type(0), shape)
    return np.concatenate([array, np.broadcast_to(array[-1], count - len(array))]).reshape(shape)
