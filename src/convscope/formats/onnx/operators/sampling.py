"""Maps read at places that the network works out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from convscope.formats.onnx.node import Node
from convscope.formats.onnx.operators.aten import ATEN
from convscope.formats.onnx.operators.convolution import convolution_window, padding_of
from convscope.formats.onnx.operators.parameters import (
    inputs_by_role,
    live_inputs,
    with_live_numbers,
    with_parameters,
)
from convscope.formats.onnx.operators.registry import reads, writes
from convscope.formats.onnx.writer import Part
from convscope.formats.operation_plan import OperationPlan

_MODES = {"bilinear": 0, "linear": 0, "nearest": 1, "bicubic": 2, "cubic": 2}
_BORDERS = {"zeros": 0, "border": 1, "reflection": 2}


@reads("GridSample", inputs=2)
def read_grid_sample(node: Node) -> OperationPlan:
    """Turn a GridSample into torch's."""
    node.require("mode", *_MODES)
    node.require("padding_mode", *_BORDERS)
    mode = _MODES[node.attributes.get("mode", "bilinear")]
    border = _BORDERS[node.attributes.get("padding_mode", "zeros")]
    if mode == 2 and node.rank() != 4:
        raise node.refusal("it is cubic over more than two axes")
    aligned = bool(node.attributes.get("align_corners", 0))
    arguments = ("$0", "$1", mode, border, aligned)
    return OperationPlan(
        "aten", node.inputs[:2], attributes={"operator": "grid_sampler", "arguments": arguments}
    )


def grid_sampler(part: Part, input: str, grid: str, mode: int, border: int, aligned: bool) -> None:
    """Write a GridSample."""
    part.write(
        "GridSample",
        *part.inputs,
        mode=("bilinear", "nearest", "bicubic")[mode],
        padding_mode=("zeros", "border", "reflection")[border],
        align_corners=int(aligned),
    )


ATEN["grid_sampler"] = grid_sampler


@reads("AffineGrid", inputs=2)
def read_affine_grid(node: Node) -> OperationPlan:
    """Turn an AffineGrid into torch's."""
    size = node.integers("size", 1)
    aligned = bool(node.attributes.get("align_corners", 0))
    arguments = ("$0", size, aligned)
    plain = {"operator": "affine_grid_generator", "arguments": arguments}
    return OperationPlan("aten", node.inputs[:1], attributes=plain)


@reads("DeformConv", inputs=3)
def read_deformable_convolution(node: Node) -> OperationPlan:
    """Turn a DeformConv into one, of height x width."""
    if node.rank() != 4:
        raise node.refusal("it is computed for maps of height x width only")
    attributes = convolution_window(node, 2) | {
        "padding": padding_of(node, 2),
        "offset_groups": int(node.attributes.get("offset_group", 1)),
    }
    roles = {"weight": node.inputs[1]} | inputs_by_role(node, "bias", first=3)
    read = (node.inputs[0], node.inputs[2], *([node.inputs[4]] if node.has(4) else []))
    return with_parameters(node, "deformable_convolution", roles, attributes, inputs=read)


@reads("RoiAlign", inputs=3)
def read_roi_align(node: Node) -> OperationPlan:
    """Turn a RoiAlign into one; before version 16 regions are not moved by half a pixel."""
    usual = "half_pixel" if node.opset >= 16 else "output_half_pixel"
    node.require("mode", "avg", "max")
    attributes: dict[str, Any] = {
        "size": tuple(int(node.attributes.get(f"output_{side}", 1)) for side in ("height", "width")),
        "scale": float(node.attributes.get("spatial_scale", 1.0)),
        "samples": int(node.attributes.get("sampling_ratio", 0)),
        "half_pixel": node.attributes.get("coordinate_transformation_mode", usual) == "half_pixel",
        "summary": node.attributes.get("mode", "avg"),
    }
    return OperationPlan("roi_align", node.inputs, attributes=attributes)


@writes("roi_align")
def write_roi_align(part: Part) -> None:
    """Write a RoiAlign."""
    height, width = part.attributes["size"]
    half_pixel = part.attributes.get("half_pixel", True)
    inputs = (*part.inputs[:2], part.whole(part.inputs[2]))
    part.write(
        "RoiAlign",
        *inputs,
        output_height=int(height),
        output_width=int(width),
        spatial_scale=float(part.attributes.get("scale", 1.0)),
        sampling_ratio=int(part.attributes.get("samples", 0)),
        mode=part.attributes.get("summary", "avg"),
        coordinate_transformation_mode="half_pixel" if half_pixel else "output_half_pixel",
    )


@reads("MaxRoiPool", inputs=2)
def read_roi_pool(node: Node) -> OperationPlan:
    """Turn a MaxRoiPool into one, which is Caffe's ROIPooling."""
    attributes: dict[str, Any] = {
        "size": tuple(int(size) for size in node.attributes["pooled_shape"]),
        "scale": float(node.attributes.get("spatial_scale", 1.0)),
    }
    return OperationPlan("roi_pool", node.inputs[:2], attributes=attributes)


@reads("NonMaxSuppression", inputs=2)
def read_suppression(node: Node) -> OperationPlan:
    """Turn a NonMaxSuppression into one; its limits may be inputs of the network."""
    live = live_inputs(node, "most", "overlap", "least", first=2)
    stored = {
        name: limit.array.reshape(())
        for at, name in ((2, "most"), (3, "overlap"), (4, "least"))
        if (limit := node.constant(at)) is not None
    }
    attributes: dict[str, Any] = {
        name: (int if name == "most" else float)(value) for name, value in stored.items()
    }
    attributes["centered"] = bool(node.attributes.get("center_point_box", 0))
    return with_live_numbers(OperationPlan("suppress_boxes", node.inputs[:2], attributes=attributes), live)


@writes("suppress_boxes")
def write_suppression(part: Part) -> None:
    """Write a NonMaxSuppression."""
    most, overlap = int(part.attributes.get("most", 0)), float(part.attributes.get("overlap", 0.0))
    limits = [part.numbers(np.array([most], np.int64)), part.numbers(np.array([overlap], np.float32))]
    if (least := part.attributes.get("least")) is not None:
        limits.append(part.numbers(np.array([least], np.float32)))
    places = part.step(
        "NonMaxSuppression", *part.inputs, *limits, center_point_box=int(part.attributes.get("centered", 0))
    )
    part.write("Cast", places, to=1)


@reads("Col2Im", inputs=3)
def read_fold_patches(node: Node) -> OperationPlan:
    """Turn a Col2Im into patches put back where they were."""
    size, kernel = node.integers("size", 1) or (), node.integers("kernel", 2) or ()
    axes = len(kernel)
    pads = tuple(node.attributes.get("pads", (0,) * 2 * axes))
    attributes = {
        "size": size,
        "kernel": kernel,
        "stride": tuple(node.attributes.get("strides", (1,) * axes)),
        "padding": pads,
        "dilation": tuple(node.attributes.get("dilations", (1,) * axes)),
    }
    return OperationPlan("fold_patches", node.inputs[:1], attributes=attributes)


@reads("CenterCropPad", inputs=2)
def read_center(node: Node) -> Sequence[OperationPlan]:
    """Turn a CenterCropPad into a part of the middle, or a border around it, for maps of this size."""
    shape, rank = node.shape(0), node.rank()
    sizes = node.integers("shape", 1) or ()
    axes = [axis % rank for axis in node.attributes.get("axes", range(rank))]
    before, behind = [0] * rank, [0] * rank
    for axis, size in zip(axes, sizes, strict=True):
        more = size - (shape or ())[axis]
        less = abs(more) // 2
        rest = abs(more) - less
        sign = 1 if more > 0 else -1
        before[axis], behind[axis] = sign * less, sign * rest
    return [
        OperationPlan("assert_shape", node.inputs[:1], attributes={"shape": tuple(shape or ())[1:]}),
        OperationPlan("pad", ("",), attributes={"padding": (*before, *behind), "axis": 0}),
    ]
