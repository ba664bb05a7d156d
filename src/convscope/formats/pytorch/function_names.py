"""What torch's functions are called, however they are called: ``x += y``, ``x.add(y)`` and ``torch.add(x, y)``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

_SYMBOLS = {"add": "add", "mul": "mul", "sub": "sub", "truediv": "div", "matmul": "matmul", "pow": "pow"}
_SYMBOLS |= {"and": "bitwise_and", "or": "bitwise_or", "floordiv": "floor_divide", "mod": "remainder"}
_SYMBOLS |= {"xor": "bitwise_xor", "lshift": "bitwise_left_shift", "rshift": "bitwise_right_shift"}
_NAMES = {f"__{way}{symbol}__": name for symbol, name in _SYMBOLS.items() for way in ("", "i")}
_NAMES |= {
    "__radd__": "add",
    "__rmul__": "mul",
    "__rsub__": "rsub",
    "__neg__": "neg",
    "__invert__": "bitwise_not",
}
_NAMES |= {f"__{name}__": name for name in ("gt", "lt", "ge", "le", "eq", "ne", "getitem", "setitem")}
_NAMES |= {"__div__": "div", "__idiv__": "div", "data": "detach"}


def name_of(func: Callable[..., Any]) -> str:
    """Return what a function is called, without what says how it is called: ``x += y`` is add."""
    if isinstance(func, torch._ops.OpOverload):
        return func._schema.name.partition("::")[2]
    name = getattr(func, "__name__", type(func).__name__)
    if name == "__get__":
        name = getattr(getattr(func, "__self__", None), "__name__", name)
    return _NAMES.get(name, name)
