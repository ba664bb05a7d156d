"""What a function of ``keras.ops`` (or of TensorFlow) reads, and its call of an operator of torch's ATen library."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from convscope.formats.keras.layers.constants import constants_of, is_array
from convscope.formats.keras.layers.functions import camel, setting
from convscope.formats.keras.layers.registry import keras_function
from convscope.formats.keras.layers.translation import Steps, Use
from convscope.formats.keras.model import CallReference
from convscope.formats.operation_plan import OperationPlan


@dataclass(frozen=True)
class Operands:
    """What a call reads, in its order, as `aten` writes it: ``"$0"``, a number, or ``"$constant0"`` for an array."""

    codes: tuple[Any, ...]
    parameters: Mapping[str, str]

    def plan(self, operator: str, *more: Any, first: int | None = None, **keywords: Any) -> OperationPlan:
        """Return the call of an operator with the (first) operands, and more behind them."""
        codes = self.codes if first is None else self.codes[:first]
        attributes: dict[str, Any] = {"operator": operator, "arguments": (*codes, *more)}
        if keywords:
            attributes["keywords"] = keywords
        parameters = {role: role for role in self.parameters if f"${role}" in codes}
        return OperationPlan("aten", (), parameters, attributes)


def operands(use: Use) -> Operands:
    """Return the tensors, numbers and arrays that a call reads."""
    names = {id(value): name for name, value in constants_of(use.call)}
    codes: list[Any] = []
    count = 0
    for value in (*use.call.arguments, *use.call.keywords.values()):
        if isinstance(value, CallReference):
            codes.append(f"${count}")
            count += 1
        elif is_array(value):
            codes.append(f"${names[id(value)]}")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            codes.append(value)
    return Operands(tuple(codes), {name: name for name in names.values()})


def aten(operator: str, *arguments: Any, outputs: int = 1) -> OperationPlan:
    """Return the call of an operator with the first tensor that is read."""
    return OperationPlan("aten", (0,), {}, {"operator": operator, "arguments": arguments}, outputs)


AS_FLOATS = OperationPlan(
    "aten",
    ("",),
    {},
    {"operator": "_to_copy", "arguments": ("$0",), "keywords": {"dtype": "torch.float32"}},
)


def keras_and_tensorflow(*names: str) -> Callable[[Callable[[Use], Steps]], Callable[[Use], Steps]]:
    """Register a function under the names that it has in ``keras.ops``, and as TensorFlow's layers spell them."""
    return keras_function(*names, *map(camel, names))


def axis_of(use: Use, default: Any = None, place: int = 0) -> Any:
    """Return the axis, or the axes, that a call names."""
    axis = setting(use, place, "axis", default=default)
    return axis if axis is None or isinstance(axis, list | tuple) else int(axis)


def keeps_axes(use: Use) -> bool:
    """Tell whether an axis that is summed up stays, of length 1."""
    return bool(setting(use, 1, "keepdims", "keep_dims", default=False))
