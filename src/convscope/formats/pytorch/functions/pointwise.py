"""Functions of each number alone, and softmax: torch's activations."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from convscope.formats.operation_plan import OperationPlan
from convscope.formats.pytorch.functions.registry import FUNCTIONS, Translator, translates


@translates("relu")
def _relu(input: Tensor, inplace: bool = False) -> OperationPlan:
    return OperationPlan("relu", (input,))


@translates("leaky_relu")
def _leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> OperationPlan:
    return OperationPlan("relu", (input,), attributes={"negative_slope": negative_slope})


@translates("rrelu")
def _rrelu(
    input: Tensor,
    lower: float = 1 / 8,
    upper: float = 1 / 3,
    training: bool = False,
    *others: Any,
    **more: Any,
) -> OperationPlan | None:
    """Without training the slope is the middle of those that it is drawn from."""
    if training:
        return None
    return OperationPlan("relu", (input,), attributes={"negative_slope": (lower + upper) / 2})


@translates("relu6")
def _relu6(input: Tensor, inplace: bool = False) -> OperationPlan:
    return OperationPlan("clip", (input,), attributes={"minimum": 0.0, "maximum": 6.0})


@translates("hardtanh")
def _hardtanh(
    input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False
) -> OperationPlan:
    return OperationPlan("clip", (input,), attributes={"minimum": min_val, "maximum": max_val})


@translates("clamp", "clip")
def _clip(input: Tensor, min: float | None = None, max: float | None = None) -> OperationPlan | None:
    if not (isinstance(min, int | float) and isinstance(max, int | float)):
        return None
    return OperationPlan("clip", (input,), attributes={"minimum": min, "maximum": max})


@translates("elu")
def _elu(input: Tensor, alpha: float = 1.0, *others: Any, inplace: bool = False) -> OperationPlan | None:
    return (
        None
        if any(other not in (False, 1) for other in others)
        else OperationPlan("elu", (input,), attributes={"alpha": alpha})
    )


@translates("prelu")
def _prelu(input: Tensor, weight: Tensor) -> OperationPlan:
    return OperationPlan("prelu", (input,), {"weight": weight})


def _of_each(kind: str) -> Translator:
    return lambda input, inplace=False: OperationPlan(kind, (input,))


_EACH = {
    "sigmoid": "sigmoid",
    "tanh": "tanh",
    "silu": "swish",
    "abs": "absolute",
    "absolute": "absolute",
    "__abs__": "absolute",
}
_EACH |= {
    "hardsigmoid": "hard_sigmoid",
    "hardswish": "hard_swish",
    "mish": "mish",
    "selu": "selu",
    "softsign": "softsign",
}
FUNCTIONS |= {name: _of_each(kind) for name, kind in _EACH.items()}


@translates("gelu")
def _gelu(input: Tensor, approximate: str = "none") -> OperationPlan:
    return OperationPlan("gelu", (input,), attributes={"approximate": approximate})


def _along(kind: str) -> Translator:
    def translate(
        input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None
    ) -> OperationPlan | None:
        if dim is None or dtype not in (None, input.dtype):
            return None
        return OperationPlan(kind, (input,), attributes={"axis": dim % input.dim()})

    return translate


FUNCTIONS |= {name: _along(name) for name in ("softmax", "log_softmax")}
