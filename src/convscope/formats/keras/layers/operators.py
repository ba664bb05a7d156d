"""Functions of ``keras.ops`` (and of TensorFlow) between layers that are operators of torch's ATen library."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from convscope.formats.keras.layers.constants import constants_of, is_array
from convscope.formats.keras.layers.functions import axes_of, camel, name_of, setting
from convscope.formats.keras.layers.registry import keras_function
from convscope.formats.keras.layers.translation import Steps, Use, numbers
from convscope.formats.keras.model import Reference
from convscope.formats.operation_plan import OperationPlan
from convscope.network.graph import CHANNELS_LAST

_ELEMENTWISE = (
    "arccos arccosh arcsin arcsinh arctan arctanh tan sinh cosh log1p log2 log10 expm1 exp2 sinc erfinv deg2rad "
    "rad2deg arctan2 hypot logaddexp logaddexp2 xlogy heaviside copysign fmax fmin inner trunc"
)
_TRUTHS = {"isfinite": "isfinite", "isinf": "isinf", "signbit": "signbit", "logical_not": "logical_not"}


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
        used = {role: role for role in self.parameters if f"${role}" in codes}
        return OperationPlan("aten", (), used, attributes)


def operands(use: Use) -> Operands:
    """Return the tensors, numbers and arrays that a call reads."""
    names = {id(value): name for name, value in constants_of(use.call)}
    codes: list[Any] = []
    count = 0
    for value in (*use.call.arguments, *use.call.keywords.values()):
        if isinstance(value, Reference):
            codes.append(f"${count}")
            count += 1
        elif is_array(value):
            codes.append(f"${names[id(value)]}")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            codes.append(value)
    return Operands(tuple(codes), {name: name for name in names.values()})


def _aten(operator: str, *arguments: Any, outputs: int = 1) -> OperationPlan:
    """Return the call of an operator with the first tensor that is read."""
    return OperationPlan("aten", (0,), {}, {"operator": operator, "arguments": arguments}, outputs)


_AS_FLOATS = OperationPlan(
    "aten",
    ("",),
    {},
    {"operator": "_to_copy", "arguments": ("$0",), "keywords": {"dtype": "torch.float32"}},
)


def _both(*names: str) -> Callable[[Callable[[Use], Steps]], Callable[[Use], Steps]]:
    return keras_function(*names, *map(camel, names))


def _axis(use: Use, default: Any = None, place: int = 0) -> Any:
    axis = setting(use, place, "axis", default=default)
    return axis if axis is None or isinstance(axis, list | tuple) else int(axis)


def _keep(use: Use) -> bool:
    return bool(setting(use, 1, "keepdims", "keep_dims", default=False))


@_both(*_ELEMENTWISE.split())
def _elementwise(use: Use) -> Steps:
    return [operands(use).plan(name_of(use))]


@_both("conjugate", "real", "positive")
def _unchanged(use: Use) -> Steps:
    return [OperationPlan("identity", (0,))]


@_both("fix")
def _fix(use: Use) -> Steps:
    return [OperationPlan("round_off", attributes={"to": "trunc"})]


@_both(*_TRUTHS)
def _truth(use: Use) -> Steps:
    """As 1 and 0."""
    return [
        operands(use).plan(_TRUTHS[name_of(use)], first=1),
        _AS_FLOATS,
    ]


@_both("floor_divide", "floordiv")
def _floor_divide(use: Use) -> Steps:
    return [operands(use).plan("floor_divide")]


@_both("mod", "floormod")
def _remainder(use: Use) -> Steps:
    return [operands(use).plan("remainder")]


@_both("power", "pow")
def _power(use: Use) -> Steps:
    return [operands(use).plan("pow")]


@_both("matmul", "linalg_matmul", "batch_matmul")
def _matmul(use: Use) -> Steps:
    turned = [
        setting(use, 9, *names, default=False)
        for names in (("transpose_a", "adj_x"), ("transpose_b", "adj_y"))
    ]
    if any(turned):
        raise use.wrong("it turns what it multiplies around, which convscope does not know")
    return [operands(use).plan("matmul", first=2)]


@_both("einsum")
def _einsum(use: Use) -> Steps:
    given = operands(use)
    equation = setting(use, 0, "subscripts", "equation")
    return [
        OperationPlan(
            "aten", (), given.parameters, {"operator": "einsum", "arguments": (equation, given.codes)}
        )
    ]


@_both("tensordot")
def _tensordot(use: Use) -> Steps:
    axes = setting(use, 0, "axes", default=2)
    if isinstance(axes, int):
        count = len(use.shapes[0])
        axes = [list(range(count - axes, count)), list(range(axes))]
    pair = tuple(tuple(one) if isinstance(one, list | tuple) else (int(one),) for one in axes)
    return [operands(use).plan("tensordot", *pair, first=2)]


@_both("cross")
def _cross(use: Use) -> Steps:
    return [operands(use).plan("linalg_cross", first=2, dim=_axis(use, -1))]


@_both("std", "var", "reduce_std", "reduce_variance")
def _spread(use: Use) -> Steps:
    operator = "std" if name_of(use) in ("std", "reduce_std") else "var"
    axis = _axis(use)
    along = tuple(range(len(use.shapes[0]))) if axis is None else axes_of(axis)
    return [operands(use).plan(operator, along, first=1, correction=0, keepdim=_keep(use))]


@_both("logsumexp", "reduce_logsumexp")
def _logsumexp(use: Use) -> Steps:
    axis = _axis(use)
    along = tuple(range(len(use.shapes[0]))) if axis is None else axes_of(axis)
    return [operands(use).plan("logsumexp", along, _keep(use), first=1)]


@_both("median")
def _median(use: Use) -> Steps:
    axis = _axis(use)
    if axis is None or isinstance(axis, list | tuple):
        raise use.wrong("it looks for the middle along several axes, which convscope does not know")
    return [operands(use).plan("quantile", 0.5, axis, _keep(use), first=1)]


@_both("quantile")
def _quantile(use: Use) -> Steps:
    axis, share = _axis(use), setting(use, 0, "q")
    if not isinstance(axis, int) or not isinstance(share, int | float):
        raise use.wrong("convscope knows one quantile along one axis")
    return [operands(use).plan("quantile", float(share), axis, _keep(use), first=1)]


@_both("average")
def _average(use: Use) -> Steps:
    if len(use.shapes) > 1 or any(is_array(one) for one in use.call.keywords.values()):
        raise use.wrong("it has weights, which convscope does not know")
    axis = _axis(use)
    axes = tuple(range(len(use.shapes[0]))) if axis is None else axes_of(axis)
    return [OperationPlan("reduce", attributes={"summary": "mean", "axes": axes, "keep_axes": False})]


@_both("norm")
def _norm(use: Use) -> Steps:
    order, axis = setting(use, 0, "ord"), _axis(use, place=1)
    if order not in (None, 1, 2, "euclidean") or (
        isinstance(axis, list) and len(axis) > 1 and order is not None
    ):
        raise use.wrong(f"it is the norm {order!r}, which convscope does not know")
    along = tuple(range(len(use.shapes[0]))) if axis is None else axes_of(axis)
    kind = "l1" if order == 1 else "l2"
    return [OperationPlan("reduce", attributes={"summary": kind, "axes": along, "keep_axes": _keep(use)})]


@_both("normalize", "l2_normalize", "unit_normalize")
def _normalize(use: Use) -> Steps:
    order = setting(use, 1, "order", "ord", default=2)
    if order != 2:
        raise use.wrong(f"it normalizes by the norm {order!r}; convscope knows 2")
    of_square = "l2" in name_of(use)  # TensorFlow's smallest square; Keras's is a length
    epsilon = float(setting(use, 2, "epsilon", default=1e-12 if of_square else 1e-7)) ** (
        1 if of_square else 2
    )
    axes = axes_of(_axis(use, -1))
    return [OperationPlan("unit_length", attributes={"axes": axes, "epsilon": epsilon})]


@_both("cumsum", "cumprod")
def _cumulate(use: Use) -> Steps:
    axis = _axis(use)
    if axis is None:
        raise use.wrong("it runs through all axes as one, which convscope does not know")
    attributes = {
        "axis": axis,
        "summary": "sum" if name_of(use) == "cumsum" else "product",
        "exclusive": bool(setting(use, 9, "exclusive", default=False)),
        "reverse": bool(setting(use, 9, "reverse", default=False)),
    }
    return [OperationPlan("cumulate", (0,), attributes=attributes)]


@_both("count_nonzero")
def _count(use: Use) -> Steps:
    axis = _axis(use)
    axes = tuple(range(len(use.shapes[0]))) if axis is None else axes_of(axis)
    return [
        OperationPlan("compare", (0,), attributes={"relation": "not_equal", "number": 0.0}),
        OperationPlan("reduce", ("",), attributes={"summary": "sum", "axes": axes, "keep_axes": False}),
    ]


@_both("argmax", "argmin")
def _extreme(use: Use) -> Steps:
    axis = _axis(use)
    if axis is None:
        raise use.wrong("it looks through all axes as one, which convscope does not know")
    attributes = {"axis": axis, "keep_axis": _keep(use), "smallest": name_of(use) == "argmin"}
    return [OperationPlan("find_extreme", (0,), attributes=attributes)]


@_both("top_k")
def _top_k(use: Use) -> Steps:
    count = setting(use, 0, "k", default=1)
    return [OperationPlan("top_k", (0,), attributes={"count": int(count), "axis": -1}, outputs=2)]


@_both("sort")
def _sort(use: Use) -> Steps:
    return [_aten("sort", "$0", _axis(use, -1), outputs=2)]


@_both("argsort")
def _argsort(use: Use) -> Steps:
    return [_aten("argsort", "$0", _axis(use, -1)), _AS_FLOATS]


@_both("take_along_axis")
def _take_along_axis(use: Use) -> Steps:
    axis = _axis(use)
    if len(use.shapes) != 2 or axis is None:
        raise use.wrong("it takes from known places, or from all axes as one, which convscope does not know")
    arguments = {"operator": "take_along_dim", "arguments": ("$0", "$1:int64", axis)}
    return [OperationPlan("aten", attributes=arguments)]


_BORDERS = {"constant": "constant", "reflect": "reflect", "edge": "replicate"}


@_both("pad")
def _pad(use: Use) -> Steps:
    sides, mode = numbers(setting(use, 0, "pad_width", "paddings")).astype(int), setting(use, 1, "mode")
    mode = str(mode or "constant").lower()
    if mode not in _BORDERS:
        raise use.wrong(f"its border is {mode!r}; convscope knows {', '.join(_BORDERS)}")
    around = np.broadcast_to(sides, (len(use.shapes[0]), 2))
    if mode == "constant":
        value = float(setting(use, 2, "constant_values", default=0.0))
        padding = tuple(map(int, around.T.reshape(-1)))
        return [OperationPlan("pad", (0,), attributes={"padding": padding, "axis": 0, "value": value})]
    places = around[1:-1] if use.dialect.channels_last else around[2:]
    if around.sum() != places.sum():
        raise use.wrong("it mirrors other axes than those of pictures, which convscope does not know")
    padding = tuple(map(int, places.T.reshape(-1)))
    attributes = {"padding": padding, "mode": _BORDERS[mode]}
    turned = {CHANNELS_LAST: True} if use.dialect.channels_last else {}
    return [OperationPlan("pad", (0,), attributes={**attributes, **turned})]


@_both("one_hot")
def _one_hot(use: Use) -> Steps:
    classes, axis = int(setting(use, 0, "num_classes", "depth")), int(setting(use, 1, "axis", default=-1))
    if axis not in (-1, len(use.shapes[0])):
        raise use.wrong("it puts its classes in front, which convscope does not know")
    return [
        _aten("one_hot", "$0:int64", classes),
        _AS_FLOATS,
    ]


@_both("where", "select")
def _where(use: Use) -> Steps:
    given = operands(use)
    if len(given.codes) != 3:
        raise use.wrong("it asks where something holds, which convscope does not know")
    condition = f"{given.codes[0]}:bool"
    plan = given.plan("where")
    codes = (condition, *(float(code) if isinstance(code, int) else code for code in given.codes[1:]))
    return [OperationPlan("aten", (), plan.parameters, {"operator": "where", "arguments": codes})]


_RELATIONS = {
    "greater": "greater",
    "greater_equal": "greater_or_equal",
    "less": "less",
    "less_equal": "less_or_equal",
    "equal": "equal",
    "not_equal": "not_equal",
    "logical_and": "and",
    "logical_or": "or",
    "logical_xor": "xor",
}


@_both(*_RELATIONS)
def _compare(use: Use) -> Steps:
    given, relation = operands(use), _RELATIONS[name_of(use)]
    plain = [code for code in given.codes if not isinstance(code, str)]
    attributes: dict[str, Any] = {"relation": relation}
    if plain:
        attributes |= {"number": float(plain[0]), "swapped": given.codes[0] is plain[0]}
    elif given.parameters:
        attributes["swapped"] = given.codes[0] == f"${next(iter(given.parameters))}"
    roles = dict.fromkeys(given.parameters and ("operand",), "constant0")
    return [OperationPlan("compare", (), roles, attributes)]


@_both("stack")
def _stack(use: Use) -> Steps:
    codes = operands(use).codes[: len(use.shapes)]
    return [OperationPlan("aten", (), {}, {"operator": "stack", "arguments": (codes, int(_axis(use, 0)))})]


@_both("hstack", "vstack")
def _pile(use: Use) -> Steps:
    return [OperationPlan("aten", (), {}, {"operator": name_of(use), "arguments": (operands(use).codes,)})]


@_both("split")
def _split(use: Use) -> Steps:
    axis, parts = _axis(use, 0, 1), setting(use, 0, "indices_or_sections", "num_or_size_splits")
    places = parts if isinstance(parts, int) else tuple(map(int, numbers(parts).reshape(-1)))
    count = places if isinstance(places, int) else len(places) + 1
    return [_aten("tensor_split", "$0", places, axis, outputs=count)]


@_both("unstack")
def _unstack(use: Use) -> Steps:
    axis = int(_axis(use, 0, 1))
    count = use.shapes[0][axis]
    return [_aten("unbind", "$0", axis, outputs=count)]


@_both("take", "gather")
def _take(use: Use) -> Steps:
    axis = _axis(use, place=1)
    indices = setting(use, 0, "indices")
    if indices is None or len(use.shapes) > 1 or isinstance(indices, str):
        raise use.wrong("it takes what another layer says, which convscope does not know")
    if axis is None:
        raise use.wrong("it takes from all axes as one, which convscope does not know")
    found = np.asarray(indices if not isinstance(indices, Mapping) else numbers(indices)).astype(int)
    if found.ndim > 1:
        raise use.wrong("it takes by a table of places, which convscope does not know")
    items: list[Any] = [("slice", None, None, None)] * (axis % len(use.shapes[0]))
    return [OperationPlan("subscript", (0,), {}, {"items": (*items, found.tolist())})]


@_both("flip")
def _flip(use: Use) -> Steps:
    axis, count = _axis(use), len(use.shapes[0])
    return [
        OperationPlan(
            "flip", (0,), attributes={"axes": tuple(range(count)) if axis is None else axes_of(axis)}
        )
    ]


@_both("roll")
def _roll(use: Use) -> Steps:
    shift, axis = setting(use, 0, "shift"), _axis(use, place=1)
    if axis is None:
        raise use.wrong("it rolls all axes as one, which convscope does not know")
    return [_aten("roll", "$0", axes_of(shift), axes_of(axis))]


@_both("tile")
def _tile(use: Use) -> Steps:
    return [
        OperationPlan("repeat", (0,), attributes={"times": axes_of(setting(use, 0, "repeats", "multiples"))})
    ]


@_both("repeat")
def _repeat(use: Use) -> Steps:
    times, axis = setting(use, 0, "repeats"), _axis(use, place=1)
    if not isinstance(times, int) or axis is None:
        raise use.wrong("it repeats each number by its own count, which convscope does not know")
    return [_aten("repeat_interleave", "$0", times, axis)]


@_both("swapaxes")
def _swapaxes(use: Use) -> Steps:
    pair = (setting(use, 0, "axis1"), setting(use, 1, "axis2"))
    return [_aten("transpose", "$0", *map(int, pair))]


@_both("moveaxis")
def _moveaxis(use: Use) -> Steps:
    pair = (axes_of(setting(use, 0, "source")), axes_of(setting(use, 1, "destination")))
    return [_aten("movedim", "$0", *pair)]


@_both("ravel")
def _ravel(use: Use) -> Steps:
    return [OperationPlan("reshape", (0,), attributes={"shape": (-1,)})]


@_both("broadcast_to")
def _broadcast_to(use: Use) -> Steps:
    return [OperationPlan("expand", (0,), attributes={"shape": axes_of(setting(use, 0, "shape"))})]


@_both("ones_like", "zeros_like", "full_like")
def _like(use: Use) -> Steps:
    value = {"ones_like": 1.0, "zeros_like": 0.0}.get(name_of(use), setting(use, 0, "fill_value"))
    if not isinstance(value, int | float):
        raise use.wrong("it fills with what another layer says, which convscope does not know")
    return [_aten("full_like", "$0", float(value))]


@_both("tril", "triu")
def _triangle(use: Use) -> Steps:
    return [_aten(name_of(use), "$0", int(setting(use, 0, "k", default=0)))]


@_both("nan_to_num")
def _nan_to_num(use: Use) -> Steps:
    terms = [setting(use, at, name) for at, name in enumerate(("nan", "posinf", "neginf"))]
    return [_aten("nan_to_num", "$0", *terms)]


@_both("get_item", "getitem")
def _getitem(use: Use) -> Steps:
    """What stands in brackets behind a tensor."""
    given = use.call.keywords.get("slice_spec", use.call.keywords.get("key"))
    if given is None:
        given = use.call.arguments[1] if len(use.call.arguments) == 2 else list(use.call.arguments[1:])
    items = given if isinstance(given, list | tuple) else [given]
    return [OperationPlan("subscript", (0,), {}, {"items": tuple(_items(use, items))})]


def _items(use: Use, items: Any) -> Iterator[Any]:
    for item in items:
        if isinstance(item, Mapping) and "config" in item:
            item = "..." if "ellipsis" in str(item.get("class_name")) else item["config"]
        if isinstance(item, Mapping):
            ends = tuple(item.get(end) for end in ("start", "stop", "step"))
            if any(end is not None and not isinstance(end, int) for end in ends) or (ends[2] or 1) < 1:
                raise use.wrong("it looks into a tensor backwards, or where another layer says")
            yield ("slice", *ends)
        elif item is None or item == "..." or (isinstance(item, int) and not isinstance(item, bool)):
            yield item
        elif item in ("Ellipsis", "tf.newaxis"):
            yield "..." if item == "Ellipsis" else None
        else:
            raise use.wrong("it looks into a tensor where another layer says, which convscope does not know")
