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
from convscope.formats.onnx.writer import FLOAT, Part
from convscope.formats.operation_plan import OperationPlan


@reads("MaxPool")
def read_max_pool(node: Node) -> OperationPlan:
    """Turn a MaxPool into a max pooling, and its second output into the places among all numbers."""
    attributes, dilation = _pooling(node), _dilation(node)
    if node.makes(1):
        attributes |= {"dilation": dilation, "by_columns": bool(node.attributes.get("storage_order", 0))}
        return OperationPlan("max_pool_with_indices", node.inputs[:1], attributes=attributes, outputs=2)
    if set(dilation) != {1}:
        attributes["dilation"] = dilation
    kind = "max_pool" if len(attributes["kernel"]) == 2 else "pool_along_axes"
    return OperationPlan(kind, node.inputs[:1], attributes=attributes)


@reads("AveragePool")
def read_average_pool(node: Node) -> OperationPlan:
    """Turn an AveragePool into an average pooling."""
    attributes, dilation = _pooling(node), _dilation(node)
    attributes["count_padding"] = bool(node.attributes.get("count_include_pad", 0))
    if len(attributes["kernel"]) == 2 and set(dilation) == {1}:
        return OperationPlan("average_pool", node.inputs[:1], attributes=attributes)
    attributes |= {"dilation": dilation, "summary": "mean"}
    return OperationPlan("pool_along_axes", node.inputs[:1], attributes=attributes)


@reads("LpPool")
def read_length_pool(node: Node) -> OperationPlan:
    """Turn an LpPool into the length of each window."""
    attributes = _pooling(node) | {"dilation": _dilation(node), "summary": "length"}
    attributes["exponent"] = float(node.attributes.get("p", 2))
    return OperationPlan("pool_along_axes", node.inputs[:1], attributes=attributes)


@reads("GlobalMaxPool", "GlobalAveragePool")
def read_global_pool(node: Node) -> OperationPlan:
    """Turn a global pooling into one, of pictures; of other maps into a summary of all axes behind the channels."""
    largest = node.type_name == "GlobalMaxPool"
    if node.rank() == 4:
        return OperationPlan("global_max_pool" if largest else "global_average_pool", node.inputs[:1])
    if node.rank() < 3:
        raise node.refusal(f"it has no maps to summarize: its input is {node.shape(0)}")
    axes: Any = tuple(range(2, node.rank()))
    plain = {"summary": "maximum" if largest else "mean", "axes": axes}
    return OperationPlan("reduce", node.inputs[:1], attributes=plain)


@reads("GlobalLpPool")
def read_global_length(node: Node) -> OperationPlan:
    """Turn a GlobalLpPool into the length of each channel."""
    axes, exponent = tuple(range(2, node.rank())), float(node.attributes.get("p", 2))
    plain = {"operator": "linalg_vector_norm", "arguments": ("$0", exponent, axes, True)}
    return OperationPlan("aten", node.inputs[:1], attributes=plain)


@reads("MaxUnpool", inputs=2)
def read_unpool(node: Node) -> OperationPlan:
    """Turn a MaxUnpool into one."""
    attributes = _pooling(node)
    del attributes["rounding"]
    return OperationPlan("max_unpool_indices", node.inputs, attributes=attributes)


def _dilation(node: Node) -> tuple[int, ...]:
    return tuple(node.attributes.get("dilations", (1,) * len(node.attributes.get("kernel_shape", ()))))


def _pooling(node: Node) -> dict[str, Any]:
    kernel, rank = tuple(node.attributes.get("kernel_shape", ())), node.rank()
    axes = len(kernel)
    if axes != rank - 2 or not axes:
        raise node.refusal(f"its windows have {axes} axes, and the map {rank - 2}")
    return {
        "kernel": kernel,
        "stride": tuple(node.attributes.get("strides", (1,) * axes)),
        "padding": padding_of(node, axes),
        "rounding": "ceil_inside" if node.attributes.get("ceil_mode", 0) else "floor",
    }


WRITERS |= {
    "global_average_pool": straight("GlobalAveragePool"),
    "global_max_pool": straight("GlobalMaxPool"),
}


def _window(part: Part, axes: int = 2) -> dict[str, Any]:
    window = {
        "kernel_shape": each(part.attributes["kernel"], axes),
        "strides": each(part.attributes.get("stride", 1), axes),
        "ceil_mode": int(part.attributes.get("rounding", "ceil") != "floor"),
        **pads(part.attributes.get("padding", 0), axes),
    }
    if "auto_pad" in window:
        del window["ceil_mode"]
    elif part.attributes.get("rounding", "ceil") == "ceil" and any(
        stride > kernel for stride, kernel in zip(window["strides"], window["kernel_shape"], strict=True)
    ):
        raise part.refusal("its windows lie further apart than they are wide, rounded up")
    return window


@writes("max_pool")
def write_max_pool(part: Part) -> None:
    """Write a MaxPool."""
    dilations = each(part.attributes.get("dilation", 1), 2)
    part.write("MaxPool", part.inputs[0], dilations=dilations, **_window(part))


@writes("average_pool")
def write_average_pool(part: Part) -> None:
    """Write an AveragePool."""
    count_padding = int(part.attributes.get("count_padding", True))
    part.write("AveragePool", part.inputs[0], count_include_pad=count_padding, **_window(part))


@writes("pool_along_axes", "max_pool_with_indices")
def write_pool_along_axes(part: Part) -> None:
    """Write a MaxPool, an AveragePool or an LpPool of any number of axes."""
    axes, summary = len(part.shape()) - 2, part.attributes.get("summary", "maximum")
    window = _window(part, axes)
    dilations = each(part.attributes.get("dilation", 1), axes)
    if summary == "maximum" and len(part.outputs) > 1:
        window["storage_order"] = int(part.attributes.get("by_columns", False))
        whole = part.writer.fresh(f"{part.outputs[1]}@whole")
        part.writer.node("MaxPool", part.inputs, [part.outputs[0], whole], dilations=dilations, **window)
        part.writer.node("Cast", [whole], [part.outputs[1]], to=FLOAT)
    elif summary == "maximum":
        part.write("MaxPool", *part.inputs, dilations=dilations, **window)
    elif set(dilations) != {1} or (summary == "length" and window.pop("ceil_mode", 0)):
        raise part.refusal(
            "means and lengths of windows with gaps, or rounded up, came with a later version of ONNX"
        )
    elif summary == "mean":
        part.write(
            "AveragePool", *part.inputs, count_include_pad=int(part.attributes["count_padding"]), **window
        )
    else:
        part.write("LpPool", *part.inputs, p=int(part.attributes["exponent"]), **window)
