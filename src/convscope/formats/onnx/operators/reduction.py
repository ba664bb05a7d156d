"""Many numbers into few: summaries along axes, softmax, the place of the largest."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from convscope.formats.onnx.element_types import BITS, range_of
from convscope.formats.onnx.node import Node
from convscope.formats.onnx.operators.arithmetic import cut_off
from convscope.formats.onnx.operators.parameters import with_numbers
from convscope.formats.onnx.operators.registry import (
    reads,
    writes,
)
from convscope.formats.onnx.writer import FLOAT, Part
from convscope.formats.operation_plan import OperationPlan

_SUMMARIES = {
    "ReduceMean": "mean",
    "ReduceSum": "sum",
    "ReduceMax": "maximum",
    "ReduceMin": "minimum",
    "ReduceProd": "product",
    "ReduceL1": "l1",
    "ReduceL2": "l2",
    "ReduceSumSquare": "sum_of_squares",
    "ReduceLogSum": "log_sum",
    "ReduceLogSumExp": "log_sum_exp",
}
_OF_FRACTIONS = ("ReduceMean", "ReduceL2", "ReduceLogSum")


@reads(*_SUMMARIES)
def read_summary(node: Node) -> OperationPlan | Sequence[OperationPlan]:
    """Turn a summary into a reduce; a mean of whole numbers is a whole number, as in C."""
    if node.type_name == "ReduceLogSumExp" and node.is_integer(0):
        raise node.refusal(
            "it sums exponentials of whole numbers, each cut off: export it of floating-point numbers"
        )
    plan = _summary(node)
    if not node.is_integer(0):
        return plan
    return [plan, *([cut_off()] if node.type_name in _OF_FRACTIONS else []), *_kept_in_type(node)]


def _kept_in_type(node: Node) -> list[OperationPlan]:
    """Return what ends at the largest number of the type, as onnxruntime's summaries do; 64 bits hold all there are."""
    kind = node.type_of(0)
    if BITS[kind] > 32 or not node.is_map(0) or node.type_name in ("ReduceMax", "ReduceMin", "ReduceMean"):
        return []
    low, high = range_of(kind)
    return [OperationPlan("clip", ("",), attributes={"minimum": float(low), "maximum": float(high)})]


def _summary(node: Node) -> OperationPlan:
    """Return the summary itself; a mean over height and width is a global average pooling."""
    keep = bool(node.attributes.get("keepdims", 1))
    empty_is_all = not node.attributes.get("noop_with_empty_axes", 0)
    if node.has(1) and node.constant(1) is None:
        plain = {"summary": _SUMMARIES[node.type_name], "keep_axes": keep, "empty_is_all": empty_is_all}
        return with_numbers(node, "reduce", "axes", 1, plain)
    axes = node.integers("axes", 1) or (None if empty_is_all else ())
    shape = node.shape(0)
    pictures = shape is not None and len(shape) == 4
    if node.type_name == "ReduceMean" and keep and pictures and {axis % 4 for axis in axes or ()} == {2, 3}:
        return OperationPlan("global_average_pool", node.inputs[:1])
    attributes = {"summary": _SUMMARIES[node.type_name], "axes": axes, "keep_axes": keep}
    return OperationPlan("reduce", node.inputs[:1], attributes=attributes)


@reads("Softmax", "LogSoftmax")
def read_softmax(node: Node) -> OperationPlan:
    """Turn a softmax into one; before version 13 it is over all axes from its own to the end."""
    kind = "softmax" if node.type_name == "Softmax" else "log_softmax"
    axis = int(node.attributes.get("axis", -1 if node.opset >= 13 else 1))
    attributes: dict[str, int | bool] = {"axis": axis}
    if node.opset < 13 and axis % max(1, node.rank()) != node.rank() - 1:
        attributes["to_the_end"] = True
    return OperationPlan(kind, node.inputs, attributes=attributes)


@reads("ArgMax", "ArgMin")
def read_place_of_extreme(node: Node) -> OperationPlan:
    """Turn an ArgMax into the place of the largest number."""
    attributes = {
        "axis": int(node.attributes.get("axis", 0)),
        "keep_axis": bool(node.attributes.get("keepdims", 1)),
        "smallest": node.type_name == "ArgMin",
        "last": bool(node.attributes.get("select_last_index", 0)),
    }
    return OperationPlan("find_extreme", node.inputs, attributes=attributes)


_OPERATORS = {
    "mean": "ReduceMean",
    "sum": "ReduceSum",
    "maximum": "ReduceMax",
    "minimum": "ReduceMin",
    "product": "ReduceProd",
    "l1": "ReduceL1",
    "l2": "ReduceL2",
    "sum_of_squares": "ReduceSumSquare",
    "log_sum": "ReduceLogSum",
    "log_sum_exp": "ReduceLogSumExp",
}


_REDUCTIONS = {"mean": "ReduceMean", "sum": "ReduceSum", "absolute_sum": "ReduceL1"}


_REDUCTIONS |= {"sum_of_squares": "ReduceSumSquare", "max": "ReduceMax"}


@writes("softmax", "log_softmax")
def write_softmax(part: Part) -> None:
    """Write a Softmax; over several axes it is one of rows."""
    op_type = "Softmax" if part.operation.kind == "softmax" else "LogSoftmax"
    (value,), axis = part.inputs, int(part.attributes.get("axis", 1))
    if not part.attributes.get("to_the_end"):
        part.write(op_type, value, axis=axis)
        return
    rows = part.step(op_type, part.step("Flatten", value, axis=axis), axis=1)
    part.write("Reshape", rows, part.step("Shape", value))


@writes("reduce")
def write_reduce(part: Part) -> None:
    """Write a summary."""
    axes = part.attributes.get("axes")
    if axes is not None and not axes:  # of no axis: one more, of one number, is summarized
        raise part.refusal("it summarizes no axis, which older readers of ONNX take for all of them")
    _written_summary(
        part,
        _OPERATORS[part.attributes.get("summary", "mean")],
        range(len(part.shape())) if axes is None else axes,
        keep=part.attributes.get("keep_axes", True),
    )


@writes("reduction")
def write_reduction(part: Part) -> None:
    """Write Caffe's summary: of all axes from one on, times a coefficient."""
    rank = len(part.shape())
    axes = range(part.attributes.get("axis", 0) % rank, rank)
    factor = float(part.attributes.get("coefficient", 1.0))
    _written_summary(
        part, _REDUCTIONS[part.attributes.get("operation", "sum")], axes, keep=False, factor=factor
    )


def _written_summary(part: Part, op_type: str, axes: object, *, keep: bool, factor: float = 1.0) -> None:
    places = [int(axis) for axis in axes]  # type: ignore[attr-defined]
    attributes: dict[str, object] = {"keepdims": int(keep)}
    if op_type == "ReduceSum":  # alone in having its axes as an input, up to version 17
        summary_value = part.step(
            op_type, part.inputs[0], part.numbers(np.array(places, np.int64)), **attributes
        )
    else:
        summary_value = part.step(op_type, part.inputs[0], axes=tuple(places), **attributes)
    part.write("Identity", part.scaled(summary_value, factor))


@writes("find_extreme")
def write_find_extreme(part: Part) -> None:
    """Write an ArgMax or an ArgMin."""
    op_type = "ArgMin" if part.attributes.get("smallest") else "ArgMax"
    attributes = {
        "axis": int(part.attributes.get("axis", 0)),
        "keepdims": int(part.attributes.get("keep_axis", True)),
        "select_last_index": int(part.attributes.get("last", False)),
    }
    part.write("Cast", part.step(op_type, *part.inputs, **attributes), to=FLOAT)
