"""Ops that are operators of torch's ATen library, look-ups with known places, and what else has one step."""

from __future__ import annotations

from typing import Any

from convscope.formats.operation_plan import OperationPlan
from convscope.formats.tensorflow.translation import Operands, refuse, translates, whole_numbers

_ALONE: dict[str, tuple[str, dict[str, Any]]] = {
    "Floor": ("round_off", {"to": "floor"}),
    "Ceil": ("round_off", {"to": "ceil"}),
    "Sin": ("sine", {}),
    "Cos": ("cosine", {}),
    "IsNan": ("is_nan", {}),
    "IsInf": ("is_infinite", {}),
    "IsFinite": ("is_finite", {}),
    "LogicalNot": ("compare", {"relation": "equal", "number": 0.0}),
    "ZerosLike": ("aten", {"operator": "full_like", "arguments": ("$0", 0.0)}),
    "OnesLike": ("aten", {"operator": "full_like", "arguments": ("$0", 1.0)}),
}
_ATEN = {
    "Tan": "tan",
    "Sinh": "sinh",
    "Cosh": "cosh",
    "Asin": "arcsin",
    "Acos": "arccos",
    "Atan": "arctan",
    "Asinh": "arcsinh",
    "Acosh": "arccosh",
    "Atanh": "arctanh",
    "Log1p": "log1p",
    "Expm1": "expm1",
    "Atan2": "arctan2",
    "FloorDiv": "floor_divide",
    "FloorMod": "remainder",
    "Xlogy": "xlogy",
    "Erfc": "erfc",
}


@translates(*_ALONE)
def _alone(operands: Operands) -> OperationPlan:
    kind, attributes = _ALONE[operands.node.op]
    return OperationPlan(kind, [operands.value(0)], attributes=attributes)


@translates(*_ATEN)
def _elementwise(operands: Operands) -> OperationPlan:
    places = range(len(operands))
    return _aten(operands, _ATEN[operands.node.op], *(f"${place}" for place in places), read=places)


def _aten(
    operands: Operands, operator: str, *arguments: Any, read: Any = (0,), outputs: int = 1, **keywords: Any
) -> OperationPlan:
    attributes: dict[str, Any] = {"operator": operator, "arguments": arguments}
    attributes |= {"keywords": keywords} if keywords else {}
    return OperationPlan("aten", [operands.value(place) for place in read], {}, attributes, outputs)


@translates("Gather", "GatherV2")
def _gather(operands: Operands) -> OperationPlan:
    axis = int(whole_numbers(operands, 2, "axis")[0]) if len(operands) > 2 else 0
    places = operands.known(1)
    if operands.node.integer("batch_dims"):
        raise refuse(operands.node, "that goes by the batch")
    if places is None:
        return OperationPlan("gather", [operands.value(0), operands.value(1)], {}, {"axis": axis})
    items = [("slice", None, None, None)] * (axis % len(operands.shape(0)))
    return OperationPlan("subscript", [operands.value(0)], attributes={"items": (*items, places.tolist())})


@translates("GatherNd")
def _gather_nd(operands: Operands) -> OperationPlan:
    return OperationPlan("gather_nd", [operands.value(0), operands.value(1)])


_SCATTERS = {"Update": "none", "Add": "add", "Max": "max", "Min": "min"}


@translates(*(f"TensorScatter{how}" for how in _SCATTERS))
def _scatter_nd(operands: Operands) -> OperationPlan:
    attributes = {"combination": _SCATTERS[operands.node.op.removeprefix("TensorScatter")]}
    return OperationPlan("scatter_nd", [operands.value(place) for place in range(3)], {}, attributes)


@translates("ScatterNd")
def _spread_nd(operands: Operands) -> OperationPlan:
    shape = tuple(int(size) for size in whole_numbers(operands, 2, "shape"))
    return OperationPlan("spread_nd", [operands.value(0), operands.value(1)], {}, {"shape": shape})


@translates("TopK", "TopKV2")
def _top_k(operands: Operands) -> OperationPlan:
    known = whole_numbers(operands, 1, "count")[0] if len(operands) > 1 else operands.node.integer("k", 1)
    attributes = {"count": int(known), "axis": -1}
    return OperationPlan("top_k", [operands.value(0)], attributes=attributes, outputs=2)


@translates("Unpack")
def _unpack(operands: Operands) -> OperationPlan:
    axis = operands.node.integer("axis")
    return _aten(operands, "unbind", "$0", axis, outputs=operands.shape(0)[axis])


@translates("Cumsum", "Cumprod")
def _cumulate(operands: Operands) -> OperationPlan:
    node, (axis,) = operands.node, whole_numbers(operands, 1, "axis")
    attributes = {
        "axis": int(axis),
        "summary": "sum" if node.op == "Cumsum" else "product",
        "exclusive": node.flag("exclusive"),
        "reverse": node.flag("reverse"),
    }
    return OperationPlan("cumulate", [operands.value(0)], attributes=attributes)


@translates("ReverseV2")
def _reverse(operands: Operands) -> OperationPlan:
    axes = tuple(int(axis) for axis in whole_numbers(operands, 1, "axes"))
    return OperationPlan("flip", [operands.value(0)], attributes={"axes": axes})


@translates("Einsum")
def _einsum(operands: Operands) -> OperationPlan:
    places = range(len(operands))
    codes = tuple(f"${place}" for place in places)
    return _aten(operands, "einsum", operands.node.text("equation"), codes, read=places)


@translates("BroadcastTo")
def _broadcast(operands: Operands) -> OperationPlan:
    shape = tuple(whole_numbers(operands, 1, "shape"))
    return OperationPlan("expand", [operands.value(0)], attributes={"shape": shape})


@translates("OneHot")
def _one_hot(operands: Operands) -> OperationPlan:
    """A 1 where the index says, and nothing for one that does not lie in the row."""
    (depth,) = whole_numbers(operands, 1, "depth")
    known = [operands.known(place) for place in (3, 2)]
    if any(value is None or value.size != 1 for value in known):
        raise refuse(operands.node, "whose two values are worked out from the picture")
    attributes = {
        "depth": depth,
        "axis": operands.node.integer("axis", -1),
        "values": tuple(float(value.item()) for value in known if value is not None),
        "from_behind": False,
    }
    return OperationPlan("one_hot", [operands.value(0)], {}, attributes)


@translates("DivNoNan")
def _divide_or_zero(operands: Operands) -> OperationPlan:
    return OperationPlan("divide_or_zero", [operands.value(0), operands.value(1)])


@translates("Roll")
def _roll(operands: Operands) -> OperationPlan:
    shifts, axes = (tuple(map(int, whole_numbers(operands, at, "bounds"))) for at in (1, 2))
    return _aten(operands, "roll", "$0", shifts, axes)


@translates("All", "Any")
def _truth(operands: Operands) -> OperationPlan:
    """Whether all, or any, of truths that are 1 and 0."""
    node, axes = operands.node, tuple(int(axis) for axis in whole_numbers(operands, 1, "axes"))
    keep = node.flag("keep_dims") or node.flag("keepdims")
    summary = "minimum" if node.op == "All" else "maximum"
    attributes = {"summary": summary, "axes": axes, "keep_axes": keep}
    return OperationPlan("reduce", [operands.value(0)], attributes=attributes)
