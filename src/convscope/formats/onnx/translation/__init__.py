"""From ONNX's operators to convscope's operations: one file for each family, one function for each operator."""

from convscope.formats.onnx.translation import (
    arranging,
    normalizing,
    pointwise,
    products,
    quantizing,
    reducing,
    resizing,
    sizes,
    windows,
)
from convscope.formats.onnx.translation.registry import TRANSLATORS, translates

__all__ = [
    "TRANSLATORS",
    "arranging",
    "normalizing",
    "pointwise",
    "products",
    "quantizing",
    "reducing",
    "resizing",
    "sizes",
    "translates",
    "windows",
]
