"""The table of the functions that find the operation that does what a call of torch does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

from convscope.formats.operation_plan import OperationPlan

Translator = Callable[..., OperationPlan | None]
FUNCTIONS: dict[str, Translator] = {}
Sizes = int | Sequence[int]


def translates(*names: str) -> Callable[[Translator], Translator]:
    """Register a function for torch's of these names."""

    def register(function: Translator) -> Translator:
        FUNCTIONS.update(dict.fromkeys(names, function))
        return function

    return register


def present(**parameters: Tensor | None) -> dict[str, Tensor]:
    """Return the parameters that a call has: role to tensor."""
    return {role: tensor for role, tensor in parameters.items() if tensor is not None}


def as_sizes(value: Any) -> Any:
    """Return sizes as plain numbers."""
    return tuple(int(item) for item in value) if isinstance(value, list | tuple) else int(value)
