"""What is looked up and written by indices: the largest numbers, entries, sums up to a place."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from convscope.formats.onnx.element_types import INT64
from convscope.formats.onnx.node import Node
from convscope.formats.onnx.operators.parameters import live_inputs, with_live_numbers
from convscope.formats.onnx.operators.registry import READERS, reads, writes
from convscope.formats.onnx.writer import BOOL, FLOAT, Part
from convscope.formats.operation_plan import OperationPlan

_COMBINATIONS = ("none", "add", "mul", "max", "min")


@reads("TopK")
def read_top_k(node: Node) -> OperationPlan:
    """Turn a TopK into one; how many may be worked out while the network runs."""
    attributes: dict[str, Any] = {
        "axis": int(node.attributes.get("axis", -1)),
        "largest": bool(node.attributes.get("largest", 1)),
    }
    if node.has(1) and node.constant(1) is None:
        return OperationPlan("top_k", node.inputs[:2], attributes=attributes, outputs=2)
    count = node.numbers(1, "count")
    attributes["count"] = int(node.attributes["k"] if count is None else count.reshape(()))
    return OperationPlan("top_k", node.inputs[:1], attributes=attributes, outputs=2)


@writes("top_k")
def write_top_k(part: Part) -> None:
    """Write a TopK."""
    live = len(part.inputs) > 1
    count = part.whole(part.inputs[1]) if live else part.numbers([int(part.attributes.get("count", 1))])
    count = part.step("Reshape", count, part.numbers([1])) if live else count
    places = part.writer.fresh(f"{part.outputs[1]}@whole")
    attributes = {
        "axis": int(part.attributes.get("axis", -1)),
        "largest": int(part.attributes.get("largest", 1)),
    }
    part.writer.node("TopK", [part.inputs[0], count], [part.outputs[0], places], **attributes)
    part.writer.node("Cast", [places], [part.outputs[1]], to=FLOAT)


@reads("GatherElements", inputs=2)
def read_gather_elements(node: Node) -> OperationPlan:
    """Turn a GatherElements into one."""
    return OperationPlan(
        "gather_elements", node.inputs, attributes={"axis": int(node.attributes.get("axis", 0))}
    )


@writes("gather_elements")
def write_gather_elements(part: Part) -> None:
    """Write a GatherElements."""
    part.write(
        "GatherElements", part.inputs[0], part.whole(part.inputs[1]), axis=int(part.attributes.get("axis", 0))
    )


@reads("ScatterElements", "Scatter", inputs=3)
def read_scatter_elements(node: Node) -> OperationPlan:
    """Turn a ScatterElements, or a Scatter of old, into one."""
    node.require("reduction", *_COMBINATIONS)
    attributes = {
        "axis": int(node.attributes.get("axis", 0)),
        "combination": node.attributes.get("reduction", "none"),
    }
    return OperationPlan("scatter_elements", node.inputs, attributes=attributes)


@reads("TensorScatter", inputs=2)
def read_tensor_scatter(node: Node) -> list[OperationPlan]:
    """Turn a TensorScatter into a ScatterElements: each row's updates go behind each other from its own place on."""
    node.require("mode", "linear", "circular")
    shape, size, axis = node.shape(0), node.shape(1), int(node.attributes.get("axis", -2))
    if shape is None or size is None or len(shape) != len(size) or axis % len(shape) == 0:
        raise node.refusal("what it writes, or along which axis, is not known")
    axis %= len(shape)
    wide = [size[at] if at == axis else 1 for at in range(len(size))]
    places = node.derived("places", tuple(wide), lambda: np.arange(size[axis]).reshape(wide), INT64)
    plans = [OperationPlan("identity", (places,))]
    if node.has(2):
        lone = {"axes": tuple(range(1, len(shape)))}
        plans = [
            OperationPlan("unsqueeze", node.inputs[2:3], attributes=lone),
            OperationPlan("add", ("", places)),
        ]
    if node.attributes.get("mode", "linear") == "circular":
        plans.append(OperationPlan("remainder", ("",), attributes={"number": float(shape[axis])}))
    plans.append(OperationPlan("expand", ("",), attributes={"shape": size}))
    return [
        *plans,
        OperationPlan("scatter_elements", (node.inputs[0], "", node.inputs[1]), attributes={"axis": axis}),
    ]


@writes("scatter_elements", "scatter_nd")
def write_scatter(part: Part) -> None:
    """Write a ScatterElements or a ScatterND."""
    value, index, updates = part.inputs
    attributes: dict[str, Any] = {}
    if (combination := part.attributes.get("combination", "none")) in ("add", "mul"):
        attributes["reduction"] = combination
    elif combination != "none":
        raise part.refusal(f"updates by {combination} came with a later version of ONNX")
    name = "ScatterND"
    if part.operation.kind == "scatter_elements":
        name, attributes["axis"] = "ScatterElements", int(part.attributes.get("axis", 0))
    part.write(name, value, part.whole(index), updates, **attributes)


@reads("GatherND", inputs=2)
def read_gather_nd(node: Node) -> OperationPlan:
    """Turn a GatherND into one."""
    attributes = {"batch_axes": int(node.attributes.get("batch_dims", 0))}
    return OperationPlan("gather_nd", node.inputs, attributes=attributes)


@writes("gather_nd")
def write_gather_nd(part: Part) -> None:
    """Write a GatherND."""
    axes = int(part.attributes.get("batch_axes", 0))
    part.write("GatherND", part.inputs[0], part.whole(part.inputs[1]), batch_dims=axes)


@reads("ScatterND", inputs=3)
def read_scatter_nd(node: Node) -> OperationPlan:
    """Turn a ScatterND into one."""
    node.require("reduction", *_COMBINATIONS)
    attributes = {"combination": node.attributes.get("reduction", "none")}
    return OperationPlan("scatter_nd", node.inputs, attributes=attributes)


@reads("OneHot", inputs=3)
def read_one_hot(node: Node) -> OperationPlan:
    """Turn a OneHot into one."""
    plan = OperationPlan(
        "one_hot",
        (node.inputs[0], node.inputs[2]),
        attributes={"axis": int(node.attributes.get("axis", -1))},
    )
    if live := live_inputs(node, "depth"):
        return with_live_numbers(plan, live)
    depth = {"depth": int(np.asarray(node.numbers(1, "depth")).reshape(()))}
    return replace(plan, attributes={**plan.attributes, **depth})


@writes("one_hot")
def write_one_hot(part: Part) -> None:
    """Write a OneHot."""
    depth = part.numbers(np.int64(part.attributes["depth"]))
    axis = int(part.attributes.get("axis", -1))
    part.write("OneHot", part.whole(part.inputs[0]), depth, part.inputs[1], axis=axis)


@reads("CumSum", "CumProd", inputs=2)
def read_cumulate(node: Node) -> OperationPlan:
    """Turn a CumSum or a CumProd into sums or products up to each place."""
    attributes: dict[str, Any] = {
        "summary": "sum" if node.type_name == "CumSum" else "product",
        "exclusive": bool(node.attributes.get("exclusive", 0)),
        "reverse": bool(node.attributes.get("reverse", 0)),
    }
    if live := live_inputs(node, "axis"):
        return with_live_numbers(OperationPlan("cumulate", node.inputs[:1], attributes=attributes), live)
    attributes["axis"] = int(np.asarray(node.numbers(1, "axis")).reshape(()))
    return OperationPlan("cumulate", node.inputs[:1], attributes=attributes)


@writes("cumulate")
def write_cumulate(part: Part) -> None:
    """Write a CumSum."""
    if part.attributes.get("summary", "sum") != "sum":
        raise part.refusal("products up to a place came with a later version of ONNX")
    flags = {name: int(part.attributes.get(name, False)) for name in ("exclusive", "reverse")}
    part.write("CumSum", part.inputs[0], part.numbers(np.int64(part.attributes["axis"])), **flags)


@reads("Hardmax")
def read_hard_max(node: Node) -> OperationPlan:
    """Turn a Hardmax into one; before version 13 it is over all axes from its own to the end."""
    axis = int(node.attributes.get("axis", -1 if node.opset >= 13 else 1))
    return OperationPlan("hard_max", node.inputs, attributes={"axis": axis, "to_the_end": node.opset < 13})


@writes("hard_max")
def write_hard_max(part: Part) -> None:
    """Write a Hardmax; over several axes it is one of rows."""
    (value,), axis = part.inputs, int(part.attributes.get("axis", -1))
    if not part.attributes.get("to_the_end"):
        part.write("Hardmax", value, axis=axis)
        return
    rows = part.step("Hardmax", part.step("Flatten", value, axis=axis), axis=1)
    part.write("Reshape", rows, part.step("Shape", value))


@reads("ReverseSequence", inputs=2)
def read_reverse_sequences(node: Node) -> OperationPlan:
    """Turn a ReverseSequence into one."""
    attributes = {
        "time_axis": int(node.attributes.get("time_axis", 0)),
        "batch_axis": int(node.attributes.get("batch_axis", 1)),
    }
    return OperationPlan("reverse_sequences", node.inputs, attributes=attributes)


@writes("reverse_sequences")
def write_reverse_sequences(part: Part) -> None:
    """Write a ReverseSequence."""
    axes = {name: int(part.attributes[name]) for name in ("time_axis", "batch_axis")}
    part.write("ReverseSequence", part.inputs[0], part.whole(part.inputs[1]), **axes)


@reads("Compress", inputs=2)
def read_select_where(node: Node) -> OperationPlan:
    """Turn a Compress into the entries for which its condition holds."""
    attributes = {"axis": int(node.attributes["axis"])} if "axis" in node.attributes else {}
    return OperationPlan("select_where", node.inputs, attributes=attributes)


@writes("select_where")
def write_select_where(part: Part) -> None:
    """Write a Compress."""
    axis = part.attributes.get("axis")
    attributes = {} if axis is None else {"axis": int(axis)}
    part.write("Compress", part.inputs[0], part.step("Cast", part.inputs[1], to=BOOL), **attributes)


READERS["NonZero"] = lambda node: OperationPlan("find_nonzero", node.inputs[:1])


@writes("find_nonzero")
def write_find_nonzero(part: Part) -> None:
    """Write a NonZero."""
    part.write("Cast", part.step("NonZero", part.inputs[0]), to=FLOAT)


@reads("Unique")
def read_find_distinct(node: Node) -> OperationPlan:
    """Turn a Unique into one."""
    attributes: dict[str, Any] = {"in_order": bool(node.attributes.get("sorted", 1))}
    if "axis" in node.attributes:
        attributes["axis"] = int(node.attributes["axis"])
    return OperationPlan("find_distinct", node.inputs, attributes=attributes, outputs=4)


@reads("Trilu")
def read_triangle(node: Node) -> OperationPlan:
    """Turn a Trilu into what lies above or below a diagonal."""
    operator = "triu" if node.attributes.get("upper", 1) else "tril"
    if live := live_inputs(node, "diagonal"):
        upper = {"upper": operator == "triu"}
        return with_live_numbers(OperationPlan("triangle", node.inputs[:1], attributes=upper), live)
    offset = node.numbers(1, "diagonal")
    diagonal = 0 if offset is None else int(offset.reshape(()))
    return OperationPlan(
        "aten", node.inputs[:1], attributes={"operator": operator, "arguments": ("$0", diagonal)}
    )


@reads("EyeLike")
def read_diagonal(node: Node) -> OperationPlan:
    """Turn an EyeLike into a diagonal of ones."""
    return OperationPlan(
        "diagonal_of_ones", node.inputs, attributes={"offset": int(node.attributes.get("k", 0))}
    )
