"""The table of operations: what every source translates its layers into, and what every graph runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias, TypeVar

from torch import Tensor

Result: TypeAlias = Tensor | tuple[Tensor, ...]
Function = TypeVar("Function", bound=Callable[..., Result])

OPERATIONS: dict[str, Callable[..., Result]] = {}


def operation(function: Function) -> Function:
    """Register a function as the operation of its own name.

    An operation takes its input tensors by position, its parameters and attributes by keyword, changes none
    of them, and returns a tensor, or a tuple where it has several outputs.
    """
    OPERATIONS[function.__name__] = function
    return function


def one_or_all(outputs: Sequence[Tensor]) -> Result:
    """Return a single output as it is and several as a tuple."""
    return outputs[0] if len(outputs) == 1 else tuple(outputs)
