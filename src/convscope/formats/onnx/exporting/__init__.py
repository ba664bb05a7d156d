"""From convscope's operations to ONNX's operators: one file for each family, one function for each operation."""

from convscope.formats.onnx.exporting import arranging, aten, learned, pointwise, pooling, sizes
from convscope.formats.onnx.exporting.registry import EXPORTERS, exports

__all__ = ["EXPORTERS", "arranging", "aten", "exports", "learned", "pointwise", "pooling", "sizes"]
