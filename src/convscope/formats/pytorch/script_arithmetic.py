"""What a TorchScript program computes without tensors: with numbers, with lists, and with the sizes of tensors."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from convscope.errors import UnsupportedLayer
from convscope.formats.sizes import in_single_precision, plain

_LONGEST = 10_000

# What TorchScript calls torch.NAME and is about numbers, lists and None.
PLAIN: Mapping[str, Callable[..., Any]] = {
    **{name: getattr(operator, name) for name in ("add", "sub", "mul", "neg", "floordiv")},
    **{name: getattr(operator, name) for name in ("eq", "ne", "lt", "le", "gt", "ge")},
    "div": operator.truediv,
    "remainder": operator.mod,
    "__is__": operator.is_,
    "__isnot__": operator.is_not,
    "__not__": operator.not_,
    "__and__": operator.and_,
    "__or__": operator.or_,
    "__contains__": operator.contains,
    "__getitem__": operator.getitem,
    "len": len,
    "list": list,
    "append": lambda items, item: items.append(item),
    "slice": lambda items, start=None, end=None, step=1: items[start:end:step],
    "format": lambda text, *values: f"{text} {values}",  # of messages alone; a format may ask for any width
    "floor": math.floor,
    "ceil": math.ceil,
    "device": torch.device,
    "tensor": lambda values, dtype=None, **others: torch.tensor(values, dtype=dtype),
    "keys": lambda items: list(items),
    "values": lambda items: list(items.values()),
    "is_autocast_enabled": lambda *device: False,
    "is_grad_enabled": lambda: True,
    "_set_item": lambda items, key, value: items.__setitem__(key, value),
}


def _divided(one: Any, other: Any, rounding_mode: str | None = None) -> Any:
    if rounding_mode == "trunc" and (one < 0) != (other < 0):
        return -(-one // other)
    return one // other if rounding_mode else one / other


# What a trace does with a size, which it holds as a tensor: what torch.NAME is of tensors.
OF_SIZES: Mapping[str, Callable[..., Any]] = {
    "add": lambda one, other, alpha=1: one + alpha * other,
    "sub": lambda one, other, alpha=1: one - alpha * other,
    "rsub": lambda one, other, alpha=1: other - alpha * one,
    "mul": operator.mul,
    "neg": operator.neg,
    "pow": operator.pow,
    "div": _divided,
    "floor_divide": operator.floordiv,
    "remainder": operator.mod,
    "floor": in_single_precision(math.floor),
    "ceil": in_single_precision(math.ceil),
    "sqrt": lambda number: number**0.5,
    "rsqrt": lambda number: number**-0.5,
    "to": lambda number, *of_what, **how: number,
    "detach": lambda number: number,
    "clone": lambda number, *how: number,
}


def computed(function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """Return what arithmetic with numbers and lists gives, as long as it stays of a size that networks have."""
    if function is operator.mul and any(isinstance(one, list | tuple | str) for one in args):
        repeats = [one for one in args if isinstance(one, int)]
        if any(repeat > _LONGEST for repeat in repeats):
            raise UnsupportedLayer(f"the program makes a list {max(repeats):,} times as long")
    listed = [len(one) for one in args if isinstance(one, list | tuple | str | range)]
    if function in (operator.mul, operator.add, list) and sum(listed) > _LONGEST:
        raise UnsupportedLayer(f"the program makes a list or a text of {sum(listed):,} items")
    result = function(*args, **kwargs)
    if isinstance(result, int) and abs(plain(result)) >= 2**63:
        raise UnsupportedLayer("the program computes with numbers beyond 64 bits")
    return result
