"""ONNX's operators, read and written: a family a file, and in it a function for each operator."""

from convscope.formats.onnx.operators import (
    activation,
    arithmetic,
    arrangement,
    aten,
    convolution,
    fused,
    integer,
    normalization,
    pooling,
    product,
    quantization,
    reduction,
    resizing,
    retired,
    size,
)
from convscope.formats.onnx.operators.registry import READERS, WRITERS, reader_of, reads, writes

__all__ = [
    "READERS",
    "WRITERS",
    "activation",
    "arithmetic",
    "arrangement",
    "aten",
    "convolution",
    "fused",
    "integer",
    "normalization",
    "pooling",
    "product",
    "quantization",
    "reader_of",
    "reads",
    "reduction",
    "resizing",
    "retired",
    "size",
    "writes",
]
