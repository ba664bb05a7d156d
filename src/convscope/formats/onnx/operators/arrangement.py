"""The same numbers in another shape or order, and only some of them; values joined."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from convscope.formats.onnx.node import Node, require_count
from convscope.formats.onnx.operators.parameters import (
    inputs_by_role,
    live_inputs,
    with_live_numbers,
    with_numbers,
)
from convscope.formats.onnx.operators.registry import (
    reads,
    writes,
)
from convscope.formats.onnx.writer import Part
from convscope.formats.operation_plan import OperationPlan

_MODES = {"constant": "constant", "reflect": "reflect", "edge": "replicate", "wrap": "wrap"}


_SMALL = 64  # indices up to here are kept with the operation, more as a parameter


@reads("Reshape")
def read_reshape(node: Node) -> OperationPlan:
    """Turn a Reshape into one; a first size that is the batch's is copied from the input, so that others fit too."""
    if node.constant(1) is None and "shape" not in node.attributes:
        require_count(node, 2)
        sizes = node.sizes.get(node.inputs[1])
        if node.attributes.get("allowzero", 0) and (sizes is None or bool((sizes == 0).any())):
            raise node.refusal(
                "a 0 in its shape means nothing at all (allowzero), and the shape is not known yet"
            )
        return OperationPlan("reshape", node.inputs)
    shape, before = node.integers("shape", 1) or (), node.shape(0)
    if node.attributes.get("allowzero", 0) and 0 in shape:
        raise node.refusal("its output is empty")
    if before and shape and shape[0] == before[0]:
        shape = (0, *shape[1:])
    return OperationPlan("reshape", node.inputs[:1], attributes={"shape": shape})


@reads("Flatten")
def read_flatten(node: Node) -> OperationPlan | Sequence[OperationPlan]:
    """Turn a Flatten into rows of all axes from one on, and those before it into one, whatever their sizes."""
    axis, rank = node.attributes.get("axis", 1), node.rank()
    axis += rank if axis < 0 else 0
    if axis in (0, rank):
        shape = (-1, 1) if axis else (1, -1)
        return OperationPlan("reshape", node.inputs[:1], attributes={"shape": shape})
    rows = OperationPlan("flatten", node.inputs[:1], attributes={"axis": axis} if axis > 1 else {})
    if axis == 1:
        return rows
    return [rows, OperationPlan("flatten", ("",), attributes={"axis": 0, "end_axis": axis - 1})]


@reads("Transpose")
def read_transpose(node: Node) -> OperationPlan:
    """Turn a Transpose into a permute."""
    return OperationPlan("permute", node.inputs, attributes={"order": tuple(node.attributes.get("perm", ()))})


@reads("Squeeze")
def read_squeeze(node: Node) -> OperationPlan:
    """Turn a Squeeze into one."""
    if node.has(1) and node.constant(1) is None:
        return with_numbers(node, "squeeze", "axes", 1)
    return OperationPlan("squeeze", node.inputs[:1], attributes={"axes": node.integers("axes", 1) or ()})


@reads("Unsqueeze")
def read_unsqueeze(node: Node) -> OperationPlan:
    """Turn an Unsqueeze into one."""
    if node.has(1) and node.constant(1) is None:
        return with_numbers(node, "unsqueeze", "axes", 1)
    return OperationPlan("unsqueeze", node.inputs[:1], attributes={"axes": node.integers("axes", 1) or ()})


@reads("Concat")
def read_concat(node: Node) -> OperationPlan:
    """Turn a Concat into one."""
    return OperationPlan("concat", node.inputs, attributes={"axis": int(node.attributes.get("axis", 1))})


@reads("Split")
def read_split(node: Node) -> OperationPlan:
    """Turn a Split into a slice into pieces of the lengths that it says, or into equal parts."""
    axis = int(node.attributes.get("axis", 0))
    if len(node.outputs) == 1:
        return OperationPlan("identity", node.inputs[:1])
    if live := live_inputs(node, "lengths"):
        plan = OperationPlan("slice", node.inputs[:1], attributes={"axis": axis}, outputs=len(node.outputs))
        return with_live_numbers(plan, live, single=False)
    lengths = node.integers("split", 1)
    if lengths is None:
        return OperationPlan(
            "slice", node.inputs[:1], attributes=_equal_parts(node, axis), outputs=len(node.outputs)
        )
    if len(lengths) != len(node.outputs):
        raise node.refusal(f"it has {len(lengths)} lengths for {len(node.outputs)} outputs")
    return OperationPlan(
        "slice", node.inputs[:1], attributes={"axis": axis, "lengths": lengths}, outputs=len(node.outputs)
    )


def _equal_parts(node: Node, axis: int) -> dict[str, Any]:
    """Return parts of one length; where their number is said and they do not come out even, the last one is shorter."""
    parts = len(node.outputs)
    return {"axis": axis, "parts": parts} | ({"shorter": True} if "num_outputs" in node.attributes else {})


@reads("Slice")
def read_cut_out(node: Node) -> OperationPlan:
    """Turn a Slice into one; its ends may be worked out while the network runs."""
    live = {"axes": 3, "steps": 4}
    if any(node.has(at) and node.constant(at) is None for at in live.values()):
        roles = inputs_by_role(node, "starts", "ends", "axes", "steps")
        return OperationPlan(
            "dynamic",
            (node.inputs[0], *roles.values()),
            attributes={"kind": "slice_steps", "roles": tuple(roles), "numbers": tuple(roles)},
        )
    axes, steps = node.integers("axes", 3) or (), node.integers("steps", 4) or ()
    attributes: dict[str, Any] = {name: value for name, value in (("axes", axes), ("steps", steps)) if value}
    if "starts" in node.attributes or (node.constant(1) and node.constant(2)):
        starts, ends = node.integers("starts", 1), node.integers("ends", 2)
        return OperationPlan(
            "slice_steps", node.inputs[:1], attributes={"starts": starts, "ends": ends, **attributes}
        )
    return OperationPlan("slice_steps", node.inputs[:3], attributes=attributes)


@reads("Gather", inputs=2)
def read_gather(node: Node) -> OperationPlan:
    """Turn a Gather into one; a single constant index takes the axis away."""
    axis = int(node.attributes.get("axis", 0))
    index = node.constant(1)
    if index is None:
        return OperationPlan("gather", node.inputs, attributes={"axis": axis})
    if not index.shape:
        return OperationPlan("gather", node.inputs[:1], attributes={"axis": axis, "number": int(index.array)})
    if node.is_whole(0) and index.size <= _SMALL:
        return OperationPlan("gather", node.inputs, attributes={"axis": axis})
    return OperationPlan("gather", node.inputs[:1], {"index": node.inputs[1]}, {"axis": axis})


@reads("Expand", inputs=2)
def read_expand(node: Node) -> OperationPlan:
    """Turn an Expand into one."""
    if node.constant(1) is None:
        return OperationPlan("expand", node.inputs)
    return OperationPlan("expand", node.inputs[:1], attributes={"shape": node.integers("shape", 1)})


@reads("Tile", inputs=2)
def read_tile(node: Node) -> OperationPlan:
    """Turn a Tile into a repeat."""
    if node.opset < 6:
        times = [1] * node.rank()
        count, axis = (node.numbers(index, what) for index, what in ((1, "count"), (2, "axis")))
        if count is None or axis is None:
            raise node.refusal("it does not say how often, along which axis")
        times[int(axis.reshape(()))] = int(count.reshape(()))
        return OperationPlan("repeat", node.inputs[:1], attributes={"times": tuple(times)})
    if node.constant(1) is None:
        return OperationPlan("repeat", node.inputs)
    return OperationPlan("repeat", node.inputs[:1], attributes={"times": node.integers("repeats", 1)})


@reads("Pad")
def read_pad(node: Node) -> OperationPlan:
    """Turn a Pad with constant margins into a pad."""
    node.require("mode", *_MODES)
    mode, rank = _MODES[node.attributes.get("mode", "constant")], node.rank()
    if value_live := live_inputs(node, "value", first=2):
        plan = read_pad(replace(node, inputs=(*node.inputs[:2], "", *node.inputs[3:])))
        others = {name: value for name, value in plan.attributes.items() if name != "value"}
        return with_live_numbers(replace(plan, attributes=others), value_live)
    value = node.numbers(2, "value")
    number = float(node.attributes.get("value", 0.0) if value is None else value.reshape(()))
    if node.has(1) and node.constant(1) is None and not node.has(3):
        live: dict[str, Any] = {"mode": mode, "axis": 0, "value": number}
        return OperationPlan("pad", node.inputs[:2], attributes=live)
    pads = node.attributes.get("paddings") or node.integers("pads", 1) or ()
    axes = node.integers("axes", 3) or tuple(range(len(pads) // 2))
    widths = [0] * 2 * rank
    for place, axis in enumerate(axes):
        widths[axis % rank], widths[axis % rank + rank] = pads[place], pads[place + len(axes)]
    attributes: dict[str, Any] = {"mode": mode, "axis": 0}
    if rank > 2 and not any((*widths[:2], *widths[rank : rank + 2])):
        widths, attributes["axis"] = [*widths[2:rank], *widths[rank + 2 :]], 2
    attributes["value"] = number
    return OperationPlan("pad", node.inputs[:1], attributes={**attributes, "padding": tuple(widths)})


@reads("DepthToSpace")
def read_depth_to_space(node: Node) -> OperationPlan:
    """Turn a DepthToSpace into one."""
    node.require("mode", "DCR", "CRD")
    order = "column" if node.attributes.get("mode", "DCR") == "CRD" else "depth"
    return OperationPlan(
        "depth_to_space", node.inputs, attributes={"block": int(node.attributes["blocksize"]), "order": order}
    )


@reads("SpaceToDepth")
def read_space_to_depth(node: Node) -> OperationPlan:
    """Turn a SpaceToDepth into one."""
    node.require("mode", "DCR", "CRD")
    order = "column" if node.attributes.get("mode", "DCR") == "CRD" else "depth"
    return OperationPlan(
        "space_to_depth", node.inputs, attributes={"block": int(node.attributes["blocksize"]), "order": order}
    )


_PAD_MODES = {"constant": "constant", "reflect": "reflect", "replicate": "edge"}


@writes("concat")
def write_concat(part: Part) -> None:
    """Write a Concat."""
    part.write("Concat", *part.inputs, axis=int(part.attributes.get("axis", 1)))


@writes("slice")
def write_slice_apart(part: Part) -> None:
    """Write a Split."""
    axis, points = int(part.attributes.get("axis", 1)), tuple(part.attributes.get("points", ()))
    lengths = list(part.attributes.get("lengths", ()))
    if not points and not lengths and not part.attributes.get("shorter"):
        part.writer.node("Split", part.inputs, part.outputs, axis=axis)
        return
    size = part.shape()[axis]
    if points:
        lengths = [end - start for start, end in pairwise((0, *points, size))]
    length = -(-size // len(part.outputs))
    rest = size - length * (len(part.outputs) - 1)
    lengths = lengths or [length] * (len(part.outputs) - 1) + [rest]
    lengths = [size - sum(lengths) - 1 if length == -1 else length for length in lengths]
    part.writer.node("Split", [*part.inputs, part.numbers(lengths)], part.outputs, axis=axis)


@writes("split")
def write_copies(part: Part) -> None:
    """Write an Identity for each reader."""
    for output in part.outputs:
        part.writer.node("Identity", part.inputs, [output])


@writes("flatten")
def write_flatten(part: Part) -> None:
    """Write a Reshape that joins the axes."""
    shape = part.shape()
    start = part.attributes.get("axis", 1) % len(shape)
    end = part.attributes.get("end_axis", -1) % len(shape)
    sizes = [0] * start + [-1] + list(shape[end + 1 :])
    part.write("Reshape", *part.inputs, part.numbers(sizes))


@writes("reshape")
def write_reshape(part: Part) -> None:
    """Write a Reshape."""
    if len(part.inputs) > 1:
        part.write("Reshape", part.inputs[0], part.whole(part.inputs[1]))
        return
    axis, count, rank = part.attributes.get("axis", 0), part.attributes.get("num_axes", -1), len(part.shape())
    start = axis if axis >= 0 else rank + axis + 1
    end = rank if count == -1 else start + count
    sizes = [0] * start + list(part.attributes["shape"]) + list(part.shape()[end:])
    part.write("Reshape", *part.inputs, part.numbers(np.array(sizes, np.int64)))


@writes("permute")
def write_permute(part: Part) -> None:
    """Write a Transpose."""
    axes = range(len(part.shape()))
    order = tuple(part.attributes.get("order", ())) or tuple(axes)[::-1]
    order += tuple(axis for axis in axes if axis not in order)  # completed
    part.write("Transpose", *part.inputs, perm=order)


@writes("squeeze", "unsqueeze")
def write_squeeze(part: Part) -> None:
    """Write a Squeeze or an Unsqueeze."""
    axes = tuple(part.attributes.get("axes", ()))
    op_type = "Squeeze" if part.operation.kind == "squeeze" else "Unsqueeze"
    part.write(op_type, *part.inputs, *([part.numbers(np.array(axes, np.int64))] if axes else []))


@writes("expand", "repeat")
def write_enlarge(part: Part) -> None:
    """Write an Expand or a Tile."""
    op_type, name = ("Expand", "shape") if part.operation.kind == "expand" else ("Tile", "times")
    if len(part.inputs) > 1:
        part.write(op_type, part.inputs[0], part.whole(part.inputs[1]))
    else:
        part.write(op_type, part.inputs[0], part.numbers(np.array(part.attributes[name], np.int64)))


@writes("tile")
def write_tile(part: Part) -> None:
    """Write a Tile along one axis."""
    times = [1] * len(part.shape())
    times[part.attributes.get("axis", 1)] = int(part.attributes["tiles"])
    part.write("Tile", *part.inputs, part.numbers(times))


@writes("pad")
def write_pad(part: Part) -> None:
    """Write a Pad."""
    axis, rank = part.attributes.get("axis", 2) % len(part.shape()), len(part.shape())
    if part.attributes.get("mode") == "wrap":
        raise part.refusal("a border of the other end came with a later version of ONNX")
    if part.attributes.get("mode") == "symmetric":
        raise part.refusal("ONNX has no border that mirrors the outermost numbers too")
    if len(part.inputs) > 1:
        value = part.numbers(float(part.attributes.get("value", 0.0)))
        part.write("Pad", part.inputs[0], part.whole(part.inputs[1]), value)
        return
    padding = list(part.attributes["padding"])
    axes = rank - axis
    widths = [0] * axis + padding[:axes] + [0] * axis + padding[axes:]
    value = part.numbers(float(part.attributes.get("value", 0.0)))
    mode = _PAD_MODES[part.attributes.get("mode", "constant")]
    part.write("Pad", *part.inputs, part.numbers(np.array(widths, np.int64)), value, mode=mode)


@writes("slice_steps")
def write_slice_steps(part: Part) -> None:
    """Write a Slice."""
    limit = 2**63 - 1
    bounds = []
    for index, name in enumerate(("starts", "ends"), start=1):
        if len(part.inputs) > index:
            bounds.append(part.whole(part.inputs[index]))
        else:
            values = [max(-limit, min(limit, int(value))) for value in part.attributes[name]]
            bounds.append(part.numbers(np.array(values, np.int64)))
    count = len(part.attributes.get("starts", ())) or part.shape(1)[0]
    axes = tuple(part.attributes.get("axes", ())) or tuple(range(count))
    steps = tuple(part.attributes.get("steps", ())) or (1,) * count
    more = [part.numbers(np.array(values, np.int64)) for values in (axes, steps)]
    part.write("Slice", part.inputs[0], *bounds, *more)


@writes("gather")
def write_gather(part: Part) -> None:
    """Write a Gather."""
    axis, number = int(part.attributes.get("axis", 0)), part.attributes.get("number")
    if number is not None:
        index = part.numbers(np.array(number, np.int64))
    else:
        index = part.whole(part.inputs[1] if len(part.inputs) > 1 else part.parameter("index"))
    part.write("Gather", part.inputs[0], index, axis=axis)


@writes("depth_to_space", "space_to_depth")
def write_blocks(part: Part) -> None:
    """Write a DepthToSpace or a SpaceToDepth."""
    block = int(part.attributes["block"])
    mode = "CRD" if part.attributes.get("order", "depth") == "column" else "DCR"
    if part.operation.kind == "space_to_depth":
        if mode == "CRD":
            raise part.refusal("ONNX's SpaceToDepth of this version has one order only")
        part.write("SpaceToDepth", *part.inputs, blocksize=block)
        return
    part.write("DepthToSpace", *part.inputs, blocksize=block, mode=mode)
