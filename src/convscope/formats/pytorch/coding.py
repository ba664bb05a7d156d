"""A call of a torch function as plain data: tensors become names, sizes the arithmetic that led to them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from convscope.formats.decisions import note_read
from convscope.formats.operation_plan import OperationPlan
from convscope.formats.pytorch.values import TraceStep, Values
from convscope.formats.sizes import Axis, Expression, Size, SizeFraction

_LEFT_OUT = (torch.device, torch.layout)


class Coder:
    """Collects the inputs and parameters of one call while its arguments are written as codes.

    The codes are those of `convscope.network.operations.aten.aten`.
    """

    def __init__(self, values: Values) -> None:
        self.values = values
        self.inputs: list[int] = []
        self.parameters: dict[str, Tensor] = {}

    def code(self, argument: Any) -> Any:
        """Return an argument as plain data; TypeError for one that has no such form."""
        if isinstance(argument, Tensor):
            return self._tensor(argument)
        if isinstance(argument, Size | SizeFraction):
            note_read(argument.expression)
            return self._expression(argument.expression)
        if isinstance(argument, np.generic):  # NumPy's float is one of Python's, but written in another way
            argument = argument.item()
        if isinstance(argument, list | tuple):
            return tuple(self.code(item) for item in argument)
        if isinstance(argument, torch.dtype | torch.memory_format):
            return str(argument)
        if isinstance(argument, float):  # as the code has written it down, where sizes are followed
            return float(argument)
        if argument is None or isinstance(argument, bool | int | str):
            return argument
        raise TypeError(f"{type(argument).__name__} is no plain data")

    def step(self, kind: str, function: str, attributes: dict[str, Any]) -> TraceStep:
        """Return the step of the call, with what was collected."""
        plan = OperationPlan(kind, tuple(self.inputs), self.parameters, attributes, label=function)
        return TraceStep(plan)

    def _tensor(self, tensor: Tensor) -> str:
        if tensor in self.values:
            name = self._input(self.values.read(tensor))
        else:
            roles = [role for role, other in self.parameters.items() if other is tensor]
            role = roles[0] if roles else f"p{len(self.parameters)}"
            self.parameters[role] = tensor
            name = f"${role}"
        kind = str(tensor.dtype).removeprefix("torch.")
        return name if tensor.is_floating_point() else f"{name}:{kind}"

    def _input(self, value: int) -> str:
        if value not in self.inputs:
            self.inputs.append(value)
        return f"${self.inputs.index(value)}"

    def _expression(self, expression: Expression) -> Any:
        if isinstance(expression, Axis):
            return f"{self._input(expression.value)}.{expression.axis}"
        if isinstance(expression, tuple):
            symbol, *rest = expression
            return (symbol, *(self._expression(item) for item in rest))
        return expression


def coded_call(
    values: Values, name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> TraceStep | None:
    """Return the step that calls an ATen operator with these arguments; None where they are no plain data."""
    coder = Coder(values)
    try:
        arguments = tuple(coder.code(argument) for argument in args)
        keywords = {key: coder.code(item) for key, item in kwargs.items() if not isinstance(item, _LEFT_OUT)}
    except TypeError:
        return None
    attributes: dict[str, Any] = {"operator": name, "arguments": arguments}
    return coder.step("aten", name, attributes | ({"keywords": keywords} if keywords else {}))


def coded_subscript(values: Values, tensor: Tensor, items: Any) -> TraceStep | None:
    """Return the step of ``tensor[items]``; None where the items are no plain data."""
    coder = Coder(values)
    try:
        of, codes = _items(coder, tensor, items)
    except TypeError:
        return None
    return coder.step("subscript", "getitem", {"items": codes} | ({"of": of} if of != "$0" else {}))


def coded_assignment(values: Values, tensor: Tensor, items: Any, part: Any) -> TraceStep | None:
    """Return the step of ``tensor[items] = part``; None where the items are no plain data."""
    coder = Coder(values)
    try:
        attributes = {"items": _items(coder, tensor, items)[1]}
        part = coder.code(part)
    except TypeError:
        return None
    return coder.step(
        "view_scatter", "setitem", {"kind": "subscript", "attributes": attributes, "part": part}
    )


def _items(coder: Coder, tensor: Tensor, items: Any) -> tuple[str, tuple[Any, ...]]:
    """Return the code of what is looked into, without its type, and those of the items."""
    of = coder.code(tensor).partition(":")[0]
    return of, tuple(_item(coder.code, item) for item in (items if isinstance(items, tuple) else (items,)))


def _item(code: Callable[[Any], Any], item: Any) -> Any:
    if item is ...:
        return "..."
    if isinstance(item, slice):
        return ("slice", *(code(end) for end in (item.start, item.stop, item.step)))
    return code(item)
