"""Rows of a tensor that have one number, put together."""

from __future__ import annotations

from convscope.formats.operation_plan import OperationPlan
from convscope.formats.tensorflow.translation import Operands, refuse, translates, whole_numbers
from convscope.network.operations.pooling import LOWEST

_SEGMENTS = {"Sum": "sum", "Mean": "mean", "Max": "amax", "Min": "amin", "Prod": "prod"}


@translates(
    *(f"Segment{name}{version}" for name in _SEGMENTS for version in ("", "V2")),
    *(f"UnsortedSegment{name}" for name in _SEGMENTS if name != "Mean"),
)
def _segments(operands: Operands) -> OperationPlan:
    """Rows of one number put together; of a number that no row has, what TensorFlow says there."""
    node, places = operands.node, operands.known(1)
    if places is None:
        raise refuse(node, "of segments that are worked out from the picture")
    summary = _SEGMENTS[node.op.removeprefix("Unsorted").removeprefix("Segment").removesuffix("V2")]
    has_count = node.op.startswith("Unsorted") or node.op.endswith("V2")
    count = int(whole_numbers(operands, 2, "count")[0]) if has_count else int(places.max()) + 1
    empty = {"prod": 1.0}.get(summary, 0.0)
    if has_count and summary in ("amax", "amin"):
        empty = LOWEST if summary == "amax" else -LOWEST
    attributes = {"index": tuple(places.ravel().tolist()), "count": count, "summary": summary, "empty": empty}
    if places.ndim > 1:
        raise refuse(node, f"whose segments have {places.ndim} axes")
    return OperationPlan("summarize_segments", [operands.value(0)], {}, attributes)
