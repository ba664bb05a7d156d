"""Many numbers into few: summaries along axes, softmax, the place of the largest."""

from __future__ import annotations

from convscope.formats.onnx.node import Node, Step
from convscope.formats.onnx.translation.registry import translates

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


@translates(*_SUMMARIES)
def summary(node: Node) -> Step:
    """Turn a summary into a reduce; a mean over height and width is a global average pooling."""
    axes, keep = node.integers("axes", 1), bool(node.attributes.get("keepdims", 1))
    if not axes and node.attributes.get("noop_with_empty_axes", 0):
        return Step("identity", node.inputs[:1])
    rank = node.rank()
    if node.type_name == "ReduceMean" and keep and rank == 4 and {axis % 4 for axis in axes or ()} == {2, 3}:
        return Step("global_average_pool", node.inputs[:1])
    attributes = {"summary": _SUMMARIES[node.type_name], "axes": axes or None, "keep_axes": keep}
    return Step("reduce", node.inputs[:1], attributes=attributes)


@translates("Softmax", "LogSoftmax")
def softmax(node: Node) -> Step:
    """Turn a softmax into one; before version 13 it is over all axes from its own to the end."""
    kind = "softmax" if node.type_name == "Softmax" else "log_softmax"
    axis = int(node.attributes.get("axis", -1 if node.opset >= 13 else 1))
    attributes: dict[str, int | bool] = {"axis": axis}
    if node.opset < 13 and axis % max(1, node.rank()) != node.rank() - 1:
        attributes["to_the_end"] = True
    return Step(kind, node.inputs, attributes=attributes)


@translates("ArgMax", "ArgMin")
def place_of_extreme(node: Node) -> Step:
    """Turn an ArgMax into the place of the largest number."""
    attributes = {
        "axis": int(node.attributes.get("axis", 0)),
        "keep_axis": bool(node.attributes.get("keepdims", 1)),
        "smallest": node.type_name == "ArgMin",
        "last": bool(node.attributes.get("select_last_index", 0)),
    }
    return Step("find_extreme", node.inputs, attributes=attributes)
