"""Shapes, orders, parts of values, and values joined."""

from __future__ import annotations

import numpy as np

from convscope.formats.onnx.exporting.registry import exports
from convscope.formats.onnx.exporting.writer import Part

_MODES = {"constant": "constant", "reflect": "reflect", "replicate": "edge"}


@exports("concat")
def concat(part: Part) -> None:
    """Write a Concat."""
    part.write("Concat", *part.inputs, axis=int(part.attributes.get("axis", 1)))


@exports("slice")
def slice_apart(part: Part) -> None:
    """Write a Split."""
    axis, points = int(part.attributes.get("axis", 1)), tuple(part.attributes.get("points", ()))
    if not points:
        part.writer.node("Split", part.inputs, part.outputs, axis=axis)
        return
    ends = (*points, part.shape()[axis])
    lengths = [end - start for start, end in zip((0, *points), ends, strict=True)]
    part.writer.node("Split", [*part.inputs, part.numbers(lengths)], part.outputs, axis=axis)


@exports("split")
def copies(part: Part) -> None:
    """Write an Identity for each reader."""
    for output in part.outputs:
        part.writer.node("Identity", part.inputs, [output])


@exports("flatten")
def flatten(part: Part) -> None:
    """Write a Reshape that joins the axes."""
    shape = part.shape()
    start = part.attributes.get("axis", 1) % len(shape)
    end = part.attributes.get("end_axis", -1) % len(shape)
    sizes = [0] * start + [-1] + list(shape[end + 1 :])
    part.write("Reshape", *part.inputs, part.numbers(sizes))


@exports("reshape")
def reshape(part: Part) -> None:
    """Write a Reshape."""
    if len(part.inputs) > 1:
        part.write("Reshape", part.inputs[0], part.whole(part.inputs[1]))
        return
    axis, count, rank = part.attributes.get("axis", 0), part.attributes.get("num_axes", -1), len(part.shape())
    start = axis if axis >= 0 else rank + axis + 1
    end = rank if count == -1 else start + count
    sizes = [0] * start + list(part.attributes["shape"]) + list(part.shape()[end:])
    part.write("Reshape", *part.inputs, part.numbers(np.array(sizes, np.int64)))


@exports("permute")
def permute(part: Part) -> None:
    """Write a Transpose."""
    order = tuple(part.attributes.get("order", ())) or tuple(range(len(part.shape())))[::-1]
    part.write("Transpose", *part.inputs, perm=order)


@exports("squeeze", "unsqueeze")
def squeeze(part: Part) -> None:
    """Write a Squeeze or an Unsqueeze."""
    axes = tuple(part.attributes.get("axes", ()))
    op_type = "Squeeze" if part.operation.kind == "squeeze" else "Unsqueeze"
    part.write(op_type, *part.inputs, *([part.numbers(np.array(axes, np.int64))] if axes else []))


@exports("expand", "repeat")
def enlarge(part: Part) -> None:
    """Write an Expand or a Tile."""
    op_type, name = ("Expand", "shape") if part.operation.kind == "expand" else ("Tile", "times")
    if len(part.inputs) > 1:
        part.write(op_type, part.inputs[0], part.whole(part.inputs[1]))
    else:
        part.write(op_type, part.inputs[0], part.numbers(np.array(part.attributes[name], np.int64)))


@exports("tile")
def tile(part: Part) -> None:
    """Write a Tile along one axis."""
    times = [1] * len(part.shape())
    times[part.attributes.get("axis", 1)] = int(part.attributes["tiles"])
    part.write("Tile", *part.inputs, part.numbers(times))


@exports("pad")
def pad(part: Part) -> None:
    """Write a Pad."""
    axis, rank = part.attributes.get("axis", 2) % len(part.shape()), len(part.shape())
    padding = list(part.attributes["padding"])
    axes = rank - axis
    widths = [0] * axis + padding[:axes] + [0] * axis + padding[axes:]
    value = part.numbers(float(part.attributes.get("value", 0.0)))
    mode = _MODES[part.attributes.get("mode", "constant")]
    part.write("Pad", *part.inputs, part.numbers(np.array(widths, np.int64)), value, mode=mode)


@exports("slice_steps")
def slice_steps(part: Part) -> None:
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


@exports("gather")
def gather(part: Part) -> None:
    """Write a Gather."""
    axis, number = int(part.attributes.get("axis", 0)), part.attributes.get("number")
    if number is not None:
        index = part.numbers(np.array(number, np.int64))
    else:
        index = part.whole(part.inputs[1] if len(part.inputs) > 1 else part.parameter("index"))
    part.write("Gather", part.inputs[0], index, axis=axis)


@exports("depth_to_space", "space_to_depth")
def blocks(part: Part) -> None:
    """Write a DepthToSpace or a SpaceToDepth."""
    block = int(part.attributes["block"])
    if part.operation.kind == "space_to_depth":
        part.write("SpaceToDepth", *part.inputs, blocksize=block)
        return
    mode = "CRD" if part.attributes.get("order", "depth") == "column" else "DCR"
    part.write("DepthToSpace", *part.inputs, blocksize=block, mode=mode)


@exports("resize")
def resize(part: Part) -> None:
    """Write a Resize."""
    attributes = {
        "mode": part.attributes.get("interpolation", "nearest"),
        "coordinate_transformation_mode": part.attributes.get("coordinates", "half_pixel"),
        "nearest_mode": part.attributes.get("nearest", "round_prefer_floor"),
        "cubic_coeff_a": float(part.attributes.get("cubic", -0.75)),
    }
    scales, shape = tuple(part.attributes.get("scales", ())), tuple(part.attributes.get("shape", ()))
    if len(part.inputs) > 1:
        by_scale = part.attributes.get("by_scale")
        sizes = (part.inputs[1],) if by_scale else ("", part.whole(part.inputs[1]))
    elif scales:
        sizes = (part.numbers(np.array(scales, np.float32)),)
    else:
        sizes = ("", _size(part, shape))
    part.write("Resize", part.inputs[0], "", *sizes, **attributes)


def _size(part: Part, shape: tuple[int, ...]) -> str:
    """Return the sizes wanted; those that stay are looked up while the network runs."""
    kept = next((index for index, size in enumerate(shape) if size), len(shape))
    wanted = [size or part.shape()[index] for index, size in enumerate(shape)]
    if not kept:
        return part.numbers(np.array(wanted, np.int64))
    begin = part.step("Shape", part.inputs[0], end=kept)
    return part.step("Concat", begin, part.numbers(np.array(wanted[kept:], np.int64)), axis=0)
