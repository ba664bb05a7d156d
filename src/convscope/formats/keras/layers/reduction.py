"""Functions of ``keras.ops`` (and of TensorFlow) that sum up along axes: means, norms, places of the largest, order."""

from __future__ import annotations

from convscope.formats.keras.layers.constants import is_array
from convscope.formats.keras.layers.functions import axes_of, name_of, setting
from convscope.formats.keras.layers.operands import (
    AS_FLOATS,
    aten,
    axis_of,
    keeps_axes,
    keras_and_tensorflow,
    operands,
)
from convscope.formats.keras.layers.translation import Steps, Use
from convscope.formats.operation_plan import OperationPlan


@keras_and_tensorflow("std", "var", "reduce_std", "reduce_variance")
def _spread(use: Use) -> Steps:
    operator = "std" if name_of(use) in ("std", "reduce_std") else "var"
    axis = axis_of(use)
    along = tuple(range(len(use.shapes[0]))) if axis is None else axes_of(axis)
    return [operands(use).plan(operator, along, first=1, correction=0, keepdim=keeps_axes(use))]


@keras_and_tensorflow("logsumexp", "reduce_logsumexp")
def _logsumexp(use: Use) -> Steps:
    axis = axis_of(use)
    along = tuple(range(len(use.shapes[0]))) if axis is None else axes_of(axis)
    return [operands(use).plan("logsumexp", along, keeps_axes(use), first=1)]


@keras_and_tensorflow("median")
def _median(use: Use) -> Steps:
    axis = axis_of(use)
    if axis is None or isinstance(axis, list | tuple):
        raise use.wrong("it looks for the middle along several axes, which convscope does not know")
    return [operands(use).plan("quantile", 0.5, axis, keeps_axes(use), first=1)]


@keras_and_tensorflow("quantile", "percentile")
def _quantile(use: Use) -> Steps:
    """Or a percentile, which counts to a hundred."""
    axis, share = axis_of(use), setting(use, 0, "q")
    method = setting(use, 9, "method", default="linear")
    if not isinstance(axis, int) or not isinstance(share, int | float):
        raise use.wrong("convscope knows one quantile along one axis")
    if method != "linear":
        raise use.wrong(f"its method is {method!r}; convscope knows linear")
    share = share / 100 if name_of(use) == "percentile" else share
    return [operands(use).plan("quantile", float(share), axis, keeps_axes(use), first=1)]


@keras_and_tensorflow("all", "any", "reduce_all", "reduce_any")
def _truth(use: Use) -> Steps:
    """As 1 and 0."""
    axis, summary = axis_of(use), "minimum" if name_of(use).endswith("all") else "maximum"
    axes = tuple(range(len(use.shapes[0]))) if axis is None else axes_of(axis)
    attributes = {"summary": summary, "axes": axes, "keep_axes": keeps_axes(use)}
    return [
        OperationPlan("compare", (0,), attributes={"relation": "not_equal", "number": 0.0}, label="truths"),
        OperationPlan("reduce", ("",), attributes=attributes),
    ]


@keras_and_tensorflow("average")
def _average(use: Use) -> Steps:
    if len(use.shapes) > 1 or any(is_array(one) for one in use.call.keywords.values()):
        raise use.wrong("it has weights, which convscope does not know")
    axis = axis_of(use)
    axes = tuple(range(len(use.shapes[0]))) if axis is None else axes_of(axis)
    return [OperationPlan("reduce", attributes={"summary": "mean", "axes": axes, "keep_axes": False})]


@keras_and_tensorflow("norm")
def _norm(use: Use) -> Steps:
    order, axis = setting(use, 0, "ord"), axis_of(use, place=1)
    if order not in (None, 1, 2, "euclidean") or (
        isinstance(axis, list) and len(axis) > 1 and order is not None
    ):
        raise use.wrong(f"it is the norm {order!r}, which convscope does not know")
    along = tuple(range(len(use.shapes[0]))) if axis is None else axes_of(axis)
    kind = "l1" if order == 1 else "l2"
    return [
        OperationPlan("reduce", attributes={"summary": kind, "axes": along, "keep_axes": keeps_axes(use)})
    ]


@keras_and_tensorflow("normalize", "l2_normalize", "unit_normalize")
def _normalize(use: Use) -> Steps:
    order = setting(use, 1, "order", "ord", default=2)
    if order != 2:
        attributes = {"axes": axes_of(axis_of(use, -1)), "exponent": float(order)}
        return [OperationPlan("norm_along", attributes=attributes)]
    of_square = "l2" in name_of(use)  # TensorFlow's smallest square; Keras's is a length
    epsilon = float(setting(use, 2, "epsilon", default=1e-12 if of_square else 1e-7)) ** (
        1 if of_square else 2
    )
    axes = axes_of(axis_of(use, -1))
    return [OperationPlan("unit_length", attributes={"axes": axes, "epsilon": epsilon})]


@keras_and_tensorflow("cumsum", "cumprod")
def _cumulate(use: Use) -> Steps:
    axis = axis_of(use)
    if axis is None:
        raise use.wrong("it runs through all axes as one, which convscope does not know")
    attributes = {
        "axis": axis,
        "summary": "sum" if name_of(use) == "cumsum" else "product",
        "exclusive": bool(setting(use, 9, "exclusive", default=False)),
        "reverse": bool(setting(use, 9, "reverse", default=False)),
    }
    return [OperationPlan("cumulate", (0,), attributes=attributes)]


@keras_and_tensorflow("count_nonzero")
def _count(use: Use) -> Steps:
    axis = axis_of(use)
    axes = tuple(range(len(use.shapes[0]))) if axis is None else axes_of(axis)
    return [
        OperationPlan("compare", (0,), attributes={"relation": "not_equal", "number": 0.0}),
        OperationPlan("reduce", ("",), attributes={"summary": "sum", "axes": axes, "keep_axes": False}),
    ]


@keras_and_tensorflow("argmax", "argmin")
def _extreme(use: Use) -> Steps:
    axis = axis_of(use)
    if axis is None:
        raise use.wrong("it looks through all axes as one, which convscope does not know")
    attributes = {"axis": axis, "keep_axis": keeps_axes(use), "smallest": name_of(use) == "argmin"}
    return [OperationPlan("find_extreme", (0,), attributes=attributes)]


@keras_and_tensorflow("top_k")
def _top_k(use: Use) -> Steps:
    count = setting(use, 0, "k", default=1)
    return [OperationPlan("top_k", (0,), attributes={"count": int(count), "axis": -1}, outputs=2)]


@keras_and_tensorflow("sort")
def _sort(use: Use) -> Steps:
    return [aten("sort", "$0", axis_of(use, -1), outputs=2)]


@keras_and_tensorflow("argsort")
def _argsort(use: Use) -> Steps:
    return [aten("argsort", "$0", axis_of(use, -1)), AS_FLOATS]
