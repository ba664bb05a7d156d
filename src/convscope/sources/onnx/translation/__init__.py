"""From ONNX's operators to convscope's operations: one file for each family, one function for each operator."""

from convscope.sources.onnx.translation import (
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
from convscope.sources.onnx.translation.registry import TRANSLATORS, translates

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
