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
    "Erfinv": "erfinv",
    "Mod": "fmod",
    "TruncateMod": "fmod",
    "Lgamma": "lgamma",
    "Digamma": "digamma",
    "BesselI0": "i0",
}


@translates(*_ALONE)
def _alone(operands: Operands) -> OperationPlan:
    kind, attributes = _ALONE[operands.node.op]
    return OperationPlan(kind, [operands.value(0)], attributes=attributes)


@translates(*_ATEN)
def _elementwise(operands: Operands) -> OperationPlan:
    places = range(len(operands))
    return aten_plan(operands, _ATEN[operands.node.op], *(f"${place}" for place in places), read=places)


def aten_plan(
    operands: Operands, operator: str, *arguments: Any, read: Any = (0,), outputs: int = 1, **keywords: Any
) -> OperationPlan:
    """Return a call of one of torch's operators, whose arguments are named as `aten` names them."""
    attributes: dict[str, Any] = {"operator": operator, "arguments": arguments}
    attributes |= {"keywords": keywords} if keywords else {}
    return OperationPlan("aten", [operands.value(place) for place in read], {}, attributes, outputs)


@translates("Range", "LinSpace")
def _counted(operands: Operands) -> OperationPlan:
    """Numbers in a row, as many as a size of the picture says."""
    operator = "arange" if operands.node.op == "Range" else "linspace"
    ends = []
    for place in range(3):
        number = operands.known(place)
        if number is None or number.size != 1:
            raise refuse(operands.node, "whose ends are worked out from the picture")
        ends.append(number.item())
    return aten_plan(operands, operator, *ends, read=(), dtype="torch.float32")


@translates("Gather", "GatherV2")
def _gather(operands: Operands) -> OperationPlan:
    axis = int(whole_numbers(operands, 2, "axis")[0]) if len(operands) > 2 else 0
    places = operands.known(1)
    if batch_axes := operands.node.integer("batch_dims"):
        attributes = {
            "axis": axis % len(operands.shape(0)),
            "batch_axes": batch_axes % (len(operands.shape(1)) + 1),
        }
        return OperationPlan("gather_in_batch", [operands.value(0), operands.value(1)], {}, attributes)
    if places is None:
        return OperationPlan("gather", [operands.value(0), operands.value(1)], {}, {"axis": axis})
    items = [("slice", None, None, None)] * (axis % len(operands.shape(0)))
    return OperationPlan("subscript", [operands.value(0)], attributes={"items": (*items, places.tolist())})


@translates("Where")
def _find(operands: Operands) -> OperationPlan:
    """Where numbers are that are not 0, a row each: how many those are the picture says."""
    return OperationPlan("find_nonzero", [operands.value(0)], {}, {"rows": True})


@translates("TruncateDiv")
def _divide_toward_zero(operands: Operands) -> OperationPlan:
    return aten_plan(operands, "div", "$0", "$1", read=(0, 1), rounding_mode="trunc")


@translates("GatherNd")
def _gather_nd(operands: Operands) -> OperationPlan:
    return OperationPlan("gather_nd", [operands.value(0), operands.value(1)])


_SCATTERS = {"Update": "none", "Add": "add", "Max": "max", "Min": "min"}


@translates(*(f"TensorScatter{how}" for how in _SCATTERS), "ScatterNdNonAliasingAdd")
def _scatter_nd(operands: Operands) -> OperationPlan:
    attributes = {"combination": _SCATTERS.get(operands.node.op.removeprefix("TensorScatter"), "add")}
    return OperationPlan("scatter_nd", [operands.value(place) for place in range(3)], {}, attributes)


@translates("ScatterNd")
def _spread_nd(operands: Operands) -> OperationPlan:
    shape = tuple(int(size) for size in whole_numbers(operands, 2, "shape"))
    return OperationPlan("spread_nd", [operands.value(0), operands.value(1)], {}, {"shape": shape})


@translates("TopK", "TopKV2")
def _top_k(operands: Operands) -> OperationPlan:
    count = whole_numbers(operands, 1, "count")[0] if len(operands) > 1 else operands.node.integer("k", 1)
    attributes = {"count": count, "axis": -1}
    return OperationPlan("top_k", [operands.value(0)], attributes=attributes, outputs=2)


@translates("NonMaxSuppression", "NonMaxSuppressionV2", "NonMaxSuppressionV3")
def _suppress_boxes(operands: Operands) -> OperationPlan:
    """The places of the boxes that are left, the best first."""
    attributes = _limits(operands, 2)
    return OperationPlan("suppress_boxes", [operands.value(0), operands.value(1)], attributes=attributes)


def _limits(operands: Operands, first: int) -> dict[str, Any]:
    """Return how many boxes are left at most, and what they may overlap and have to score."""
    limits: dict[str, Any] = {
        "most": int(whole_numbers(operands, first, "count")[0]),
        "overlap": operands.node.number("iou_threshold", 0.5),
        "least": None,
    }
    for place, name in ((first + 1, "overlap"), (first + 2, "least")):
        if len(operands) > place:
            limits[name] = _known_number(operands, place)
    return limits


def _known_number(operands: Operands, place: int) -> float:
    limit = operands.known(place)
    if limit is None:
        raise refuse(operands.node, "whose limits are worked out from the picture")
    return float(limit.item())


@translates("NonMaxSuppressionV4", "NonMaxSuppressionV5")
def _select_boxes(operands: Operands) -> OperationPlan:
    """Their places, with V5 their scores, and how many they are."""
    with_scores = operands.node.op.endswith("5")
    attributes = {**_limits(operands, 2), "padded": operands.node.flag("pad_to_max_output_size")}
    attributes["with_scores"] = with_scores
    if with_scores and (sigma := _known_number(operands, 5)):
        attributes["sigma"] = sigma
    outputs = 3 if with_scores else 2
    return OperationPlan("select_boxes", [operands.value(0), operands.value(1)], {}, attributes, outputs)


@translates("CombinedNonMaxSuppression")
def _detect_boxes(operands: Operands) -> OperationPlan:
    attributes = {
        "most_of_class": int(whole_numbers(operands, 2, "count")[0]),
        "most": int(whole_numbers(operands, 3, "count")[0]),
        "overlap": _known_number(operands, 4),
        "least": _known_number(operands, 5),
        "short": operands.node.flag("pad_per_class"),
        "clip": "clip_boxes" not in operands.node.attributes or operands.node.flag("clip_boxes"),
    }
    return OperationPlan("detect_boxes", [operands.value(0), operands.value(1)], {}, attributes, 4)


@translates("Unpack")
def _unpack(operands: Operands) -> OperationPlan:
    axis = operands.node.integer("axis")
    return aten_plan(operands, "unbind", "$0", axis, outputs=operands.shape(0)[axis])


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
    return aten_plan(operands, "einsum", operands.node.text("equation"), codes, read=places)


@translates("BroadcastTo")
def _broadcast(operands: Operands) -> OperationPlan:
    shape = tuple(whole_numbers(operands, 1, "shape"))
    return OperationPlan("expand", [operands.value(0)], attributes={"shape": shape})


@translates("OneHot")
def _one_hot(operands: Operands) -> OperationPlan:
    """A 1 where the index says, and nothing for one that does not lie in the row."""
    (depth,) = whole_numbers(operands, 1, "depth")
    values = [operands.known(place) for place in (3, 2)]
    if any(value is None or value.size != 1 for value in values):
        raise refuse(operands.node, "whose two values are worked out from the picture")
    attributes = {
        "depth": depth,
        "axis": operands.node.integer("axis", -1),
        "values": tuple(float(value.item()) for value in values if value is not None),
        "from_behind": False,
    }
    return OperationPlan("one_hot", [operands.value(0)], {}, attributes)


@translates("DivNoNan")
def _divide_or_zero(operands: Operands) -> OperationPlan:
    return OperationPlan("divide_or_zero", [operands.value(0), operands.value(1)])


@translates("L2Loss")
def _half_the_squares(operands: Operands) -> OperationPlan:
    attributes = {"operation": "sum_of_squares", "axis": 0, "coefficient": 0.5}
    return OperationPlan("reduction", [operands.value(0)], {}, attributes)


@translates("CumulativeLogsumexp")
def _cumulative_logsumexp(operands: Operands) -> OperationPlan:
    node, (axis,) = operands.node, whole_numbers(operands, 1, "axis")
    if node.flag("exclusive") or node.flag("reverse"):
        raise refuse(node, "from the end, or without the number itself")
    return aten_plan(operands, "logcumsumexp", "$0", int(axis))


@translates("MatrixBandPart")
def _band(operands: Operands) -> OperationPlan:
    """Of a matrix what lies above a diagonal, or below one."""
    below, above = (int(whole_numbers(operands, place, "width")[0]) for place in (1, 2))
    if min(below, above) >= 0:
        return OperationPlan("band", [operands.value(0)], {}, {"below": below, "above": above})
    if above >= 0:
        return aten_plan(operands, "tril", "$0", above)
    return aten_plan(operands, "triu", "$0", -below) if below >= 0 else aten_plan(operands, "alias", "$0")


@translates("ReverseSequence")
def _reverse_sequences(operands: Operands) -> OperationPlan:
    node = operands.node
    attributes = {"time_axis": node.integer("seq_dim"), "batch_axis": node.integer("batch_dim")}
    return OperationPlan("reverse_sequences", [operands.value(0), operands.value(1)], {}, attributes)


@translates("Reverse")
def _reverse_marked(operands: Operands) -> OperationPlan:
    """The op of 2016, told by a truth for each axis whether it is turned around."""
    marks = operands.known(1)
    if marks is None:
        raise refuse(operands.node, "along axes that are worked out from the picture")
    axes = tuple(axis for axis, marked in enumerate(marks.ravel()) if marked)
    return OperationPlan("flip", [operands.value(0)], attributes={"axes": axes})


@translates("Roll")
def _roll(operands: Operands) -> OperationPlan:
    shifts, axes = (tuple(map(int, whole_numbers(operands, at, "bounds"))) for at in (1, 2))
    return aten_plan(operands, "roll", "$0", shifts, axes)


@translates("All", "Any")
def _truth(operands: Operands) -> OperationPlan:
    """Whether all, or any, of truths that are 1 and 0."""
    node, axes = operands.node, tuple(int(axis) for axis in whole_numbers(operands, 1, "axes"))
    keep = node.flag("keep_dims") or node.flag("keepdims")
    summary = "minimum" if node.op == "All" else "maximum"
    attributes = {"summary": summary, "axes": axes, "keep_axes": keep}
    return OperationPlan("reduce", [operands.value(0)], attributes=attributes)
