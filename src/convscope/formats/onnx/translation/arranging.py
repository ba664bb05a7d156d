"""The same numbers in another shape or order, and only some of them."""

from __future__ import annotations

from math import prod
from typing import Any

from convscope.formats.onnx.node import Node, Step
from convscope.formats.onnx.translation.registry import translates

_MODES = {"constant": "constant", "reflect": "reflect", "edge": "replicate"}
_SMALL = 64  # indices up to here are kept with the operation, more as a parameter


@translates("Reshape", inputs=2)
def reshape(node: Node) -> Step:
    """Turn a Reshape into one; a first size that is the batch's is copied from the input, so that others fit too."""
    if node.constant(1) is None:
        return Step("reshape", node.inputs)
    shape, before = node.integers("shape", 1) or (), node.shape(0)
    if node.attributes.get("allowzero", 0) and 0 in shape:
        raise node.refusal("its output is empty")
    if before and shape and shape[0] == before[0]:
        shape = (0, *shape[1:])
    return Step("reshape", node.inputs[:1], attributes={"shape": shape})


@translates("Flatten")
def flatten(node: Node) -> Step:
    """Turn a Flatten into a reshape to rows."""
    axis, rank = node.attributes.get("axis", 1), node.rank()
    axis += rank if axis < 0 else 0
    if axis == 1:
        return Step(
            "flatten" if rank > 1 else "unsqueeze", node.inputs[:1], {}, {} if rank > 1 else {"axes": (1,)}
        )
    behind = prod((node.shape(0) or ())[axis:])
    return Step("reshape", node.inputs[:1], attributes={"shape": (-1, behind) if axis else (1, -1)})


@translates("Transpose")
def transpose(node: Node) -> Step:
    """Turn a Transpose into a permute."""
    return Step("permute", node.inputs, attributes={"order": tuple(node.attributes.get("perm", ()))})


@translates("Squeeze")
def squeeze(node: Node) -> Step:
    """Turn a Squeeze into one."""
    return Step("squeeze", node.inputs[:1], attributes={"axes": node.integers("axes", 1) or ()})


@translates("Unsqueeze")
def unsqueeze(node: Node) -> Step:
    """Turn an Unsqueeze into one."""
    return Step("unsqueeze", node.inputs[:1], attributes={"axes": node.integers("axes", 1) or ()})


@translates("Concat")
def concat(node: Node) -> Step:
    """Turn a Concat into one."""
    return Step("concat", node.inputs, attributes={"axis": int(node.attributes.get("axis", 1))})


@translates("Split")
def split(node: Node) -> Step:
    """Turn a Split into a slice at points, or into equal parts."""
    axis = int(node.attributes.get("axis", 0))
    lengths = node.integers("split", 1)
    if len(node.outputs) == 1:
        return Step("identity", node.inputs[:1])
    if lengths is None:
        return Step("slice", node.inputs[:1], attributes=_equal_parts(node, axis))
    if len(lengths) != len(node.outputs):
        raise node.refusal(f"it has {len(lengths)} lengths for {len(node.outputs)} outputs")
    points = tuple(sum(lengths[: index + 1]) for index in range(len(lengths) - 1))
    return Step("slice", node.inputs[:1], attributes={"axis": axis, "points": points})


def _equal_parts(node: Node, axis: int) -> dict[str, Any]:
    """Return parts of one length; where they do not come out even, the last one is shorter."""
    parts, shape = len(node.outputs), node.shape(0)
    if shape is None or not -len(shape) <= axis < len(shape) or shape[axis] % parts == 0:
        return {"axis": axis, "parts": parts}
    length = -(-shape[axis] // parts)
    return {"axis": axis, "points": tuple(length * index for index in range(1, parts))}


@translates("Slice")
def cut_out(node: Node) -> Step:
    """Turn a Slice into one; its ends may be worked out while the network runs."""
    axes, steps = node.integers("axes", 3) or (), node.integers("steps", 4) or ()
    attributes: dict[str, Any] = {name: value for name, value in (("axes", axes), ("steps", steps)) if value}
    if "starts" in node.attributes or (node.constant(1) and node.constant(2)):
        starts, ends = node.integers("starts", 1), node.integers("ends", 2)
        return Step("slice_steps", node.inputs[:1], attributes={"starts": starts, "ends": ends, **attributes})
    return Step("slice_steps", node.inputs[:3], attributes=attributes)


@translates("Gather", inputs=2)
def gather(node: Node) -> Step:
    """Turn a Gather into one; a single constant index takes the axis away."""
    axis = int(node.attributes.get("axis", 0))
    index = node.constant(1)
    if index is None:
        return Step("gather", node.inputs, attributes={"axis": axis})
    if not index.shape:
        return Step("gather", node.inputs[:1], attributes={"axis": axis, "number": int(index.array)})
    if node.inputs[0] in node.whole and index.size <= _SMALL:
        return Step("gather", node.inputs, attributes={"axis": axis})
    return Step("gather", node.inputs[:1], {"index": node.inputs[1]}, {"axis": axis})


@translates("Expand", inputs=2)
def expand(node: Node) -> Step:
    """Turn an Expand into one."""
    if node.constant(1) is None:
        return Step("expand", node.inputs)
    return Step("expand", node.inputs[:1], attributes={"shape": node.integers("shape", 1)})


@translates("Tile", inputs=2)
def tile(node: Node) -> Step:
    """Turn a Tile into a repeat."""
    if node.constant(1) is None:
        return Step("repeat", node.inputs)
    return Step("repeat", node.inputs[:1], attributes={"times": node.integers("repeats", 1)})


@translates("Pad")
def pad(node: Node) -> Step:
    """Turn a Pad with constant margins into a pad."""
    node.require("mode", *_MODES)
    mode, rank = _MODES[node.attributes.get("mode", "constant")], node.rank()
    given = node.integers("pads", 1) or ()
    axes = node.integers("axes", 3) or tuple(range(len(given) // 2))
    widths = [0] * 2 * rank
    for place, axis in enumerate(axes):
        widths[axis % rank], widths[axis % rank + rank] = given[place], given[place + len(axes)]
    attributes: dict[str, Any] = {"mode": mode, "axis": 0}
    if mode != "constant" and rank > 2:  # torch mirrors the axes behind the channels
        if any(widths[:2]) or any(widths[rank : rank + 2]):
            raise node.refusal(f"it pads the batch or the channels in mode {mode!r}")
        widths, attributes["axis"] = [*widths[2:rank], *widths[rank + 2 :]], 2
    value = node.numbers(2, "value")
    attributes["value"] = float(node.attributes.get("value", 0.0) if value is None else value.reshape(()))
    return Step("pad", node.inputs[:1], attributes={**attributes, "padding": tuple(widths)})


@translates("DepthToSpace")
def depth_to_space(node: Node) -> Step:
    """Turn a DepthToSpace into one."""
    node.require("mode", "DCR", "CRD")
    order = "column" if node.attributes.get("mode", "DCR") == "CRD" else "depth"
    return Step(
        "depth_to_space", node.inputs, attributes={"block": int(node.attributes["blocksize"]), "order": order}
    )


@translates("SpaceToDepth")
def space_to_depth(node: Node) -> Step:
    """Turn a SpaceToDepth into one."""
    return Step("space_to_depth", node.inputs, attributes={"block": int(node.attributes["blocksize"])})
