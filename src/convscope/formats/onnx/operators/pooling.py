"""Pooling."""

from __future__ import annotations

from typing import Any

from convscope.formats.onnx.node import Node
from convscope.formats.onnx.operators.convolution import each, padding_of, pads
from convscope.formats.onnx.operators.registry import (
    WRITERS,
    reads,
    straight,
    writes,
)
from convscope.formats.onnx.writer import Part
from convscope.formats.operation_plan import OperationPlan


@reads("MaxPool")
def read_max_pool(node: Node) -> OperationPlan:
    """Turn a MaxPool into a max pooling; its second output, the places, is not there."""
    node.require("storage_order", 0)
    attributes = _pooling(node)
    if set(dilation := tuple(node.attributes.get("dilations", (1, 1)))) != {1}:
        attributes["dilation"] = dilation
    return OperationPlan("max_pool", node.inputs[:1], attributes=attributes)


@reads("AveragePool")
def read_average_pool(node: Node) -> OperationPlan:
    """Turn an AveragePool into an average pooling."""
    node.require("dilations", (1, 1))
    attributes = _pooling(node) | {"count_padding": bool(node.attributes.get("count_include_pad", 0))}
    return OperationPlan("average_pool", node.inputs[:1], attributes=attributes)


@reads("GlobalMaxPool", "GlobalAveragePool")
def read_global_pool(node: Node) -> OperationPlan:
    """Turn a global pooling into one, of pictures."""
    if node.rank() != 4:
        raise node.refusal(f"it pools {node.rank() - 2} axes; here pooling is of height x width")
    kind = "global_max_pool" if node.type_name == "GlobalMaxPool" else "global_average_pool"
    return OperationPlan(kind, node.inputs[:1])


def _pooling(node: Node) -> dict[str, Any]:
    kernel = tuple(node.attributes.get("kernel_shape", ()))
    if len(kernel) != 2:
        raise node.refusal(f"its windows have {len(kernel)} axes; here pooling is of height x width")
    return {
        "kernel": kernel,
        "stride": tuple(node.attributes.get("strides", (1, 1))),
        "padding": padding_of(node, 2),
        "rounding": "ceil_inside" if node.attributes.get("ceil_mode", 0) else "floor",
    }


WRITERS |= {
    "global_average_pool": straight("GlobalAveragePool"),
    "global_max_pool": straight("GlobalMaxPool"),
}


def _window(part: Part) -> dict[str, Any]:
    found = {
        "kernel_shape": each(part.attributes["kernel"], 2),
        "strides": each(part.attributes.get("stride", 1), 2),
        "ceil_mode": int(part.attributes.get("rounding", "ceil") != "floor"),
        **pads(part.attributes.get("padding", 0), 2),
    }
    if "auto_pad" in found:
        del found["ceil_mode"]
    elif part.attributes.get("rounding", "ceil") == "ceil" and any(
        stride > kernel for stride, kernel in zip(found["strides"], found["kernel_shape"], strict=True)
    ):
        raise part.refusal("its windows lie further apart than they are wide, rounded up")
    return found


@writes("max_pool")
def write_max_pool(part: Part) -> None:
    """Write a MaxPool."""
    dilations = each(part.attributes.get("dilation", 1), 2)
    part.write("MaxPool", part.inputs[0], dilations=dilations, **_window(part))


@writes("average_pool")
def write_average_pool(part: Part) -> None:
    """Write an AveragePool."""
    counted = int(part.attributes.get("count_padding", True))
    part.write("AveragePool", part.inputs[0], count_include_pad=counted, **_window(part))
