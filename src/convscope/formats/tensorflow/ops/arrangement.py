"""The same numbers in another shape or order, joined, cut and summed up."""

from __future__ import annotations

from typing import Any

from convscope.formats.operation_plan import OperationPlan
from convscope.formats.sizes import plain
from convscope.formats.tensorflow.constants import subscripts
from convscope.formats.tensorflow.ops.convolution import LAST
from convscope.formats.tensorflow.translation import Operands, refuse, translates, whole_numbers


@translates("Reshape", "QuantizedReshape")
def _reshape(operands: Operands) -> OperationPlan:
    return OperationPlan(
        "reshape", [operands.value(0)], attributes={"shape": tuple(whole_numbers(operands, 1, "shape"))}
    )


@translates("Squeeze")
def _squeeze(operands: Operands) -> OperationPlan:
    axes = operands.node.integers("squeeze_dims", "axis")
    return OperationPlan("squeeze", [operands.value(0)], attributes={"axes": axes})


@translates("ExpandDims")
def _expand_dims(operands: Operands) -> OperationPlan:
    return OperationPlan(
        "unsqueeze", [operands.value(0)], attributes={"axes": tuple(whole_numbers(operands, 1, "axis"))}
    )


@translates("Transpose")
def _transpose(operands: Operands) -> OperationPlan:
    return OperationPlan(
        "permute", [operands.value(0)], attributes={"order": tuple(whole_numbers(operands, 1, "order"))}
    )


@translates("Concat", "ConcatV2", "QuantizedConcat")
def _concat(operands: Operands) -> OperationPlan:
    """The old `Concat` and that of codes have the axis first, `ConcatV2` last."""
    old = operands.node.op != "ConcatV2"
    count = len(operands)
    (axis,) = whole_numbers(operands, 0 if old else count - 1, "axis")
    values = [operands.value(place) for place in range(1 if old else 0, count if old else count - 1)]
    return OperationPlan("concat", values, attributes=_along(operands, int(axis), 1 if old else 0))


@translates("Pack")
def _pack(operands: Operands) -> OperationPlan:
    places = range(len(operands))
    stacked = (tuple(f"${place}" for place in places), operands.node.integer("axis"))
    return OperationPlan(
        "aten", [operands.value(place) for place in places], {}, {"operator": "stack", "arguments": stacked}
    )


@translates("Split")
def _split(operands: Operands) -> OperationPlan:
    (axis,) = whole_numbers(operands, 0, "axis")
    parts = operands.node.integer("num_split", 1)
    return OperationPlan(
        "slice",
        [operands.value(1)],
        attributes={**_along(operands, int(axis), 1), "parts": parts},
        outputs=parts,
    )


@translates("SplitV")
def _split_unevenly(operands: Operands) -> OperationPlan:
    (axis,) = whole_numbers(operands, 2, "axis")
    sizes = tuple(int(size) for size in whole_numbers(operands, 1, "sizes"))
    attributes = {**_along(operands, int(axis), 0), "lengths": sizes}
    return OperationPlan("slice", [operands.value(0)], attributes=attributes, outputs=len(sizes))


def _along(operands: Operands, axis: int, place: int) -> dict[str, Any]:
    """Return an axis from the front; the channels' as that of the channels-first view, in which its neighbors run."""
    axes = len(operands.shape(place))
    axis %= axes
    return {**LAST, "axis": 1} if axis == axes - 1 and axes > 2 else {"axis": axis}


@translates("StridedSlice")
def _strided_slice(operands: Operands) -> OperationPlan:
    bounds = [whole_numbers(operands, place, "bounds") for place in (1, 2, 3)]
    items = [_item(item) for item in subscripts(operands.node, *bounds)]
    return OperationPlan("subscript", [operands.value(0)], attributes={"items": tuple(items)})


@translates("Slice")
def _slice(operands: Operands) -> OperationPlan:
    begins, sizes = (whole_numbers(operands, place, "bounds") for place in (1, 2))
    pairs = list(zip(begins, sizes, strict=True))
    if len(pairs) == 4:  # of a map; TensorFlow takes no more than is there, whatever the picture's size
        for (begin, size), length in list(zip(pairs, operands.sizes(0), strict=True))[1:3]:
            if plain(size) >= 0 and begin + size > length:
                raise refuse(operands.node, "that takes more than is there")
    items = tuple(("slice", b, None if s < 0 else b + s, None) for b, s in pairs)
    return OperationPlan("subscript", [operands.value(0)], attributes={"items": items})


def _item(item: Any) -> Any:
    """Write one of numpy's subscripts as plain data."""
    if isinstance(item, slice):
        return ("slice", item.start, item.stop, item.step)
    return "..." if item is ... else item


_SUMMARIES = {
    "Mean": "mean",
    "Sum": "sum",
    "Max": "maximum",
    "Min": "minimum",
    "Prod": "product",
    "EuclideanNorm": "l2",
}


@translates(*_SUMMARIES)
def _summary(operands: Operands) -> OperationPlan:
    node, axes = operands.node, tuple(int(axis) for axis in whole_numbers(operands, 1, "axes"))
    keep = node.flag("keep_dims") or node.flag("keepdims")
    attributes = {"summary": _SUMMARIES[node.op], "axes": axes, "keep_axes": keep}
    return OperationPlan("reduce", [operands.value(0)], attributes=attributes)


@translates("Shape")
def _shape(operands: Operands) -> OperationPlan:
    """The sizes of what has other ones for every picture; all others are known beforehand."""
    return OperationPlan("shape_of", [operands.value(0)])


@translates("ArgMax", "ArgMin")
def _extreme(operands: Operands) -> OperationPlan:
    (axis,) = whole_numbers(operands, 1, "axis")
    smallest = operands.node.op == "ArgMin"
    attributes = {"axis": int(axis), "keep_axis": False, "smallest": smallest}
    return OperationPlan("find_extreme", [operands.value(0)], attributes=attributes)


@translates("Tile")
def _tile(operands: Operands) -> OperationPlan:
    return OperationPlan(
        "repeat", [operands.value(0)], attributes={"times": tuple(whole_numbers(operands, 1, "multiples"))}
    )
