"""One call of a torch function as the step of a trace: an operation of convscope's own, or an ATen operator."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from types import FunctionType
from typing import Any

import torch
from torch import Tensor

from convscope.errors import InputError
from convscope.formats.pytorch.coding import coded_assignment, coded_call, coded_subscript
from convscope.formats.pytorch.functions import FUNCTIONS, with_constant
from convscope.formats.pytorch.twins import Twins
from convscope.formats.pytorch.values import TraceStep, Values
from convscope.formats.sizes import Size, SizeFraction, TracedShape
from convscope.network.operations.aten import is_pointwise, pure_operator

# Written in Python, with the ATen operator's own arguments.
_AS_ATEN = frozenset({"layer_norm", "group_norm", "pad", "split", "unflatten", "rms_norm", "stack"})
_AS_ATEN |= {"floor_divide", "rsub"}
# Whose operation hangs on where the sizes among their arguments were read.
_READS_SIZES = frozenset({"view", "reshape", "max_pool2d", "avg_pool2d"})
# A number among their arguments is an axis; ATen by itself takes it for a yes, of an argument that torch hides.
_SPREADS = frozenset({"var", "std", "var_mean", "std_mean"})
# What these give holds the same numbers, unless it is of another type. `detach`, which stops gradients, is none.
COPIES = frozenset({"clone", "contiguous", "to", "type", "type_as", "alias", "cpu", "_to_copy"})
COPIES |= {"float", "double", "half", "bfloat16", "lift_fresh", "requires_grad"}
# Memory that is written to before it is read: zeros are as good as what happens to be there.
UNWRITTEN = {"empty": "zeros", "empty_like": "zeros_like", "new_empty": "new_zeros"}


def own_step(
    values: Values,
    sizes: Callable[[Tensor], TracedShape],
    func: Callable[..., Any],
    name: str,
    args: Any,
    kwargs: dict[str, Any],
) -> TraceStep | None:
    """Return the call as an operation of convscope's own, or None."""
    if name == "getitem":
        return coded_subscript(values, args[0], args[1])
    if name == "batch_norm" and not isinstance(func, FunctionType):
        name = "native_batch_norm"  # the order of its arguments is another
    function = FUNCTIONS.get(name)
    if function is None or (is_pointwise(name) and any(sizes_in((args, kwargs)))):
        return None  # of which the ATen operator takes arithmetic with sizes
    try:
        more = {"sizes": sizes} if name in _READS_SIZES else {}
        plan = function(*args, **kwargs, **more)
    except TypeError:  # another overload of that name
        return None
    if plan is not None and any(leaf not in values for leaf in plan.inputs):
        plan = with_constant(plan, next(leaf for leaf in plan.inputs if leaf not in values))
    if plan is None or any(leaf in values for leaf in plan.parameters.values()):
        return None
    inputs = tuple(values.read(leaf) for leaf in plan.inputs)
    return TraceStep(replace(plan, inputs=inputs, label=name))


def aten_step(
    values: Values, twins: Twins, func: Callable[..., Any], name: str, args: Any, kwargs: dict[str, Any]
) -> TraceStep | None:
    """Return the call as one of the ATen operator of its name, or None where there is none that takes it."""
    if name == "getitem":
        return coded_subscript(values, args[0], args[1])
    if name == "setitem":
        return coded_assignment(values, *args)
    if name == "copy":  # of which ATen knows no gradient
        return coded_assignment(values, args[0], ..., args[1])
    name = {"view": "reshape", "_unsafe_view": "reshape"}.get(name, name)  # other memory, other strides
    name = UNWRITTEN.get(name, name)
    if isinstance(func, FunctionType) and name not in _AS_ATEN:
        return None
    if isinstance(func, torch._ops.OpOverload):
        overload = func._overloadname
        by_name = func._schema.is_mutable  # the overloads of what writes are called otherwise
        plain = overload == "default" or name == "reshape" or by_name
        name = name if plain else f"{name}.{overload}"
        return coded_call(values, name, args, kwargs) if _is_pure(name) else None
    if name in COPIES:
        result = func(*twins.of_all(args), **twins.of_all(kwargs))
        name, kwargs = ("alias", {}) if result.dtype == args[0].dtype else ("to.dtype", {})
        args = args[:1] if name == "alias" else (args[0], result.dtype)
    if args == () and "input" in kwargs:
        args, kwargs = (kwargs["input"],), {key: kwargs[key] for key in kwargs if key != "input"}
    kwargs = {key: item for key, item in kwargs.items() if key not in ("inplace", "device", "layout", "out")}
    if name in _SPREADS and len(args) > 1 and isinstance(args[1], int) and not isinstance(args[1], bool):
        args = (args[0], [args[1]], *args[2:])
    for arguments in (args, (args[0], list(args[1:])), (list(args),)):  # sizes may be spread out
        if _accepts(twins, name, arguments, kwargs):
            return coded_call(values, name, arguments, kwargs)
    return None


def _accepts(twins: Twins, name: str, args: Any, kwargs: dict[str, Any]) -> bool:
    if not twins.leaves((args, kwargs)):
        kwargs = {**kwargs, "device": torch.device("meta")}  # whether it takes a size needs no memory
    try:
        pure_operator(name)(*twins.of_all(args), **twins.of_all(kwargs))
    except (InputError, RuntimeError, TypeError, ValueError, IndexError, NotImplementedError):
        return False
    return True


def sizes_in(argument: Any) -> Iterator[Size | SizeFraction]:
    """Yield each size among some arguments; `torch.Size` holds them as a tuple does."""
    if isinstance(argument, dict):
        argument = argument.values()
    elif not isinstance(argument, tuple | list):
        argument = [argument] if isinstance(argument, Size | SizeFraction) else []
    for item in argument:
        if isinstance(item, Size | SizeFraction):
            yield item
        else:
            yield from sizes_in(item)


def _is_pure(name: str) -> bool:
    try:
        pure_operator(name)
    except InputError:
        return False
    return True
