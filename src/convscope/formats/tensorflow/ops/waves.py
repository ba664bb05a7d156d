"""Complex numbers, and what waves a signal is made of. Here a complex number is two real ones along a last axis."""

from __future__ import annotations

from typing import Any

from convscope.formats.operation_plan import OperationPlan
from convscope.formats.tensorflow.node import Node
from convscope.formats.tensorflow.ops.operators import aten_plan
from convscope.formats.tensorflow.translation import Operands, refuse, translates, whole_numbers

_TRANSFORMS = {
    f"{name}{'' if axes == 1 else f'{axes}D'}": (name.lower(), axes)
    for name in ("FFT", "IFFT", "RFFT", "IRFFT")
    for axes in (1, 2, 3)
}
_BATCHED = {f"Batch{op}": found for op, found in _TRANSFORMS.items() if not op.startswith(("R", "IR"))}
_PARTS = {"Real": "real", "Imag": "imaginary", "ComplexAbs": "size", "Angle": "angle", "Conj": "conjugate"}
_ABLE = frozenset((*_TRANSFORMS, *_BATCHED, *_PARTS, "Complex", "Identity", "StopGradient"))


def require_real(node: Node) -> None:
    """Refuse an op of complex numbers that would take the pairs these are here for numbers of their own."""
    types = (node.text(name) for name in ("T", "SrcT", "DstT", "dtype"))
    if node.op not in _ABLE and any(kind.startswith("DT_COMPLEX") for kind in types):
        raise refuse(node, "of complex numbers")


@translates(*_TRANSFORMS, *_BATCHED)
def _transform(operands: Operands) -> OperationPlan:
    transform, axes = {**_TRANSFORMS, **_BATCHED}[operands.node.op]
    attributes: dict[str, Any] = {"transform": transform, "axes": axes}
    if len(operands) > 1:
        attributes["lengths"] = tuple(int(size) for size in whole_numbers(operands, 1, "length"))
    return OperationPlan("transform_waves", [operands.value(0)], {}, attributes)


@translates("Complex")
def _complex(operands: Operands) -> OperationPlan:
    if operands.shape(0) != operands.shape(1):
        raise refuse(operands.node, "of two parts of different shapes")
    return aten_plan(operands, "stack", ("$0", "$1"), -1, read=(0, 1))


@translates(*_PARTS)
def _part(operands: Operands) -> OperationPlan:
    """A part of complex numbers; of real ones TensorFlow has only itself."""
    if operands.node.text("T").startswith("DT_FLOAT"):
        return OperationPlan("identity", [operands.value(0)])
    return OperationPlan("complex_part", [operands.value(0)], {}, {"part": _PARTS[operands.node.op]})
