"""Arithmetic of two values, as TensorFlow and Keras call it: the operation's name to theirs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Names(NamedTuple):
    """What formats call one kind of arithmetic: ops of TensorFlow, functions of Keras."""

    tensorflow: tuple[str, ...]
    keras: tuple[str, ...] = ()


ARITHMETIC: Mapping[str, Names] = {
    "add": Names(("Add", "AddV2"), ("Add", "add", "__operators__.add")),
    "subtract": Names(("Sub",), ("Subtract", "subtract", "sub")),
    "multiply": Names(("Mul", "QuantizedMul"), ("Multiply", "multiply", "mul")),
    "divide": Names(("RealDiv", "Div"), ("Divide", "TrueDivide", "divide", "truediv")),
    "maximum": Names(("Maximum",), ("Maximum", "maximum")),
    "minimum": Names(("Minimum",), ("Minimum", "minimum")),
    "pow": Names(("Pow",)),
}
_ORDERED = frozenset({"subtract", "divide", "pow"})


def known_first(kind: str, is_first: bool) -> dict[str, Any]:
    """Return the attributes of arithmetic with a known number: of ``2 - x`` that the number stands first.

    >>> known_first("subtract", True)
    {'swapped': True}
    >>> known_first("add", True)
    {}
    """
    return {"swapped": True} if is_first and kind in _ORDERED else {}
