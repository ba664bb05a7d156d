"""Arithmetic of two values, or of a value and a number."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from convscope.formats.operation_plan import OperationPlan
from convscope.formats.pytorch.functions.registry import translates

_OF_TWO = {"eltwise_sum": "add", "eltwise_product": "multiply"}
_OF_TWO |= {kind: kind for kind in ("add", "subtract", "multiply", "divide")}


def with_constant(plan: OperationPlan, constant: Tensor) -> OperationPlan | None:
    """Return the plan of arithmetic of two with one of them as a parameter; None for anything else."""
    others = tuple(leaf for leaf in plan.inputs if leaf is not constant)
    kind = _OF_TWO.get(plan.kind)
    if kind is None or len(others) != 1 or plan.attributes or not constant.is_floating_point():
        return None
    swapped = kind in ("subtract", "divide") and plan.inputs[0] is constant
    return OperationPlan(kind, others, {"operand": constant}, {"swapped": True} if swapped else {})


@translates("add")
def _add(input: Any, other: Any, alpha: float = 1) -> OperationPlan | None:
    if _alike(input, other):
        coefficients = {} if alpha == 1 else {"coefficients": (1.0, float(alpha))}
        return OperationPlan("eltwise_sum", (input, other), attributes=coefficients)
    return _arithmetic("add", input, other) if alpha == 1 else None


@translates("sub", "subtract")
def _subtract(input: Any, other: Any, alpha: float = 1) -> OperationPlan | None:
    return _arithmetic("subtract", input, other) if alpha == 1 else None


@translates("rsub")
def _subtract_from(input: Any, other: Any, alpha: float = 1) -> OperationPlan | None:
    return _arithmetic("subtract", other, input) if alpha == 1 else None


@translates("mul", "multiply")
def _multiply(input: Any, other: Any) -> OperationPlan | None:
    return (
        OperationPlan("eltwise_product", (input, other))
        if _alike(input, other)
        else _arithmetic("multiply", input, other)
    )


@translates("div", "divide", "true_divide")
def _divide(input: Any, other: Any, rounding_mode: str | None = None) -> OperationPlan | None:
    return None if rounding_mode else _arithmetic("divide", input, other)


@translates("matmul", "bmm", "mm")
def _matmul(input: Tensor, other: Tensor) -> OperationPlan | None:
    return OperationPlan("matmul", (input, other)) if input.dim() > 1 and other.dim() > 1 else None


def _alike(left: Any, right: Any) -> bool:
    tensors = isinstance(left, Tensor) and isinstance(right, Tensor)
    return tensors and left.shape == right.shape and left.dtype == right.dtype and left.dim() > 0


def _arithmetic(kind: str, left: Any, right: Any) -> OperationPlan | None:
    """Two values that stretch to each other, or one and a number."""
    tensors = tuple(each for each in (left, right) if isinstance(each, Tensor))
    numbers = [each for each in (left, right) if type(each) is int or type(each) is float]  # no size
    if len(tensors) + len(numbers) != 2 or not all(tensor.is_floating_point() for tensor in tensors):
        return None
    attributes: dict[str, Any] = {"number": float(numbers[0])} if numbers else {}
    if numbers and isinstance(right, Tensor) and kind in ("subtract", "divide"):
        attributes["swapped"] = True
    return OperationPlan(kind, tensors, attributes=attributes)
