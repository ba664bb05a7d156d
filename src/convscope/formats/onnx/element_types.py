"""ONNX's types of numbers, and which one each output of a node has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

if TYPE_CHECKING:
    from convscope.formats.onnx.node import Node

Array = NDArray[Any]

FLOAT, UINT8, INT8, UINT16, INT16, INT32, INT64, STRING, BOOL, FLOAT16, DOUBLE, UINT32, UINT64 = range(1, 14)
COMPLEX64, COMPLEX128, BFLOAT16, FLOAT8E4M3FN, FLOAT8E4M3FNUZ, FLOAT8E5M2, FLOAT8E5M2FNUZ = range(14, 21)
UINT4, INT4, FLOAT4E2M1, FLOAT8E8M0, UINT2, INT2 = range(21, 27)

NAMES = (
    *("undefined", "float32", "uint8", "int8", "uint16", "int16", "int32", "int64", "string", "bool"),
    *("float16", "float64", "uint32", "uint64", "complex64", "complex128", "bfloat16", "float8_e4m3fn"),
    *(
        "float8_e4m3fnuz",
        "float8_e5m2",
        "float8_e5m2fnuz",
        "uint4",
        "int4",
        "float4_e2m1fn",
        "float8_e8m0fnu",
    ),
    *("uint2", "int2"),
)
SMALL_FLOATS = frozenset({FLOAT8E4M3FN, FLOAT8E4M3FNUZ, FLOAT8E5M2, FLOAT8E5M2FNUZ, FLOAT4E2M1, FLOAT8E8M0})
FLOATING = frozenset({FLOAT, FLOAT16, DOUBLE, BFLOAT16}) | SMALL_FLOATS
BITS = {UINT8: 8, INT8: 8, UINT16: 16, INT16: 16, INT32: 32, INT64: 64, UINT32: 32, UINT64: 64}
BITS |= {UINT4: 4, INT4: 4, UINT2: 2, INT2: 2}
"""How many bits each type of whole numbers has."""
SWITCHES = frozenset({BOOL, INT32, INT64})
"""What sizes, rates and conditions are of; pictures of whole numbers have eight bits."""
UNSIGNED = frozenset({UINT8, UINT16, UINT32, UINT64, UINT4, UINT2})

# How many numbers lie in a byte, for the types of which several do.
PACKED = {UINT4: 2, INT4: 2, FLOAT4E2M1: 2, UINT2: 4, INT2: 4}
_FLOAT4 = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6], np.float32)

_INDEX_MAKERS = frozenset({"Shape", "Size", "ArgMax", "ArgMin", "NonZero", "NonMaxSuppression"})
_TRUTH_MAKERS = frozenset(
    {"Not", "And", "Or", "Xor", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "IsNaN", "IsInf"}
)
_SECOND = {"MaxPool": INT64, "TopK": INT64, "Unique": INT64, "Dropout": BOOL}
_LIKE = {"Where": 1, "CastLike": 1, "OneHot": 2, "QLinearConv": 7, "QLinearMatMul": 7}
# What a zero point says, of com.microsoft's operators too.
_LIKE |= {"QLinearAdd": 7, "QLinearMul": 7, "QLinearSigmoid": 4, "QLinearLeakyRelu": 4, "QLinearConcat": 1}
_LIKE |= {"QLinearGlobalAveragePool": 4, "QLinearAveragePool": 4, "QLinearSoftmax": 4, "QLinearWhere": 8}
_LIKE |= {"QGemm": 8}
_ACCUMULATE = frozenset({"ConvInteger", "MatMulInteger"})
_DTYPE = frozenset({"EyeLike", "RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike"})
_REALS = frozenset({"DequantizeLinear", "MatMulIntegerToFloat", "DynamicQuantizeMatMul"})


def range_of(kind: int) -> tuple[int, int]:
    """Return the smallest and the largest whole number of a type."""
    bits = BITS[kind]
    return (0, 2**bits - 1) if kind in UNSIGNED else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def type_named(name: int | str) -> int:
    """Return a type by its number, or by its name as files before opset 6 have it; 0 for none."""
    if not isinstance(name, str):
        return int(name)
    word = {"float": "float32", "double": "float64"}.get(name.lower(), name.lower())
    return NAMES.index(word) if word in NAMES else 0


def type_of(array: Array) -> int:
    """Return the type that an array's numbers have in ONNX's count."""
    name = array.dtype.name
    return NAMES.index(name) if name in NAMES else FLOAT


def unpacked(stored: Array, kind: int, count: int) -> Array:
    """Return the numbers of a type that several of share a byte, or that numpy has no type for."""
    if kind in PACKED:
        width = 8 // PACKED[kind]
        parts = np.stack([(stored >> (width * at)) & (2**width - 1) for at in range(PACKED[kind])], 1)
        stored = parts.reshape(-1)[:count]
        if kind == FLOAT4E2M1:
            signs: Array = np.where(stored > 7, -1, 1).astype(np.float32)
            fours: Array = signs * _FLOAT4[stored & 7]
            return fours
        low: Array = stored.astype(np.int8)
        signed: Array = np.where(low >= 2 ** (width - 1), low - 2**width, low)
        return low if kind in UNSIGNED else signed
    if kind == BFLOAT16:
        return (stored.astype(np.uint32) << 16).view(np.float32)
    if kind in SMALL_FLOATS:
        small = torch.from_numpy(np.array(stored, np.uint8)).view(getattr(torch, NAMES[kind]))
        wide: Array = small.float().numpy()
        return wide
    return stored


def output_types(node: Node) -> Sequence[int]:
    """Return the type of each output of a node, as ONNX's rules have it."""
    name, first = node.type_name, node.type_of(0) if node.inputs else FLOAT
    kind = first
    if name == "Cast":
        kind = type_named(node.attributes.get("to", FLOAT))
    elif name in _INDEX_MAKERS:
        kind = INT64
    elif name in _TRUTH_MAKERS:
        kind = BOOL
    elif name == "QuantizeLinear":
        kind = int(node.attributes.get("output_dtype", 0)) or (node.type_of(2) if node.has(2) else UINT8)
    elif name in _REALS:
        kind = FLOAT
    elif name == "DynamicQuantizeLinear":
        return (UINT8, FLOAT, UINT8)
    elif name in _ACCUMULATE:
        kind = INT32
    elif name in _LIKE:
        kind = node.type_of(_LIKE[name]) if node.has(_LIKE[name]) else UINT8
    elif name in _DTYPE:
        kind = int(node.attributes.get("dtype", FLOAT))
    elif name == "ConstantOfShape":
        value = node.attributes.get("value")
        kind = FLOAT if value is None else value.type
    return (kind, *[_SECOND.get(name, kind)] * (len(node.outputs) - 1))
