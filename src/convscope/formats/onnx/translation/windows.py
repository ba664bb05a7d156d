"""Convolution and pooling."""

from __future__ import annotations

from typing import Any

from convscope.formats.onnx.node import Node, Step
from convscope.formats.onnx.translation.registry import translates

_SAME = {"SAME_UPPER": "same", "SAME_LOWER": "same_lower", "VALID": 0}


@translates("Conv", inputs=2)
def convolution(node: Node) -> Step:
    """Turn a Conv into a convolution."""
    axes = _axes(node)
    attributes = _window(node, axes) | {"padding": _padding(node, axes)}
    return Step("convolution", node.inputs[:1], _filters(node), attributes)


@translates("ConvTranspose", inputs=2)
def deconvolution(node: Node) -> Step:
    """Turn a ConvTranspose into a deconvolution; its padding must be in numbers."""
    axes = _axes(node)
    if (
        node.attributes.get("auto_pad", "NOTSET") not in ("NOTSET", "VALID")
        or "output_shape" in node.attributes
    ):
        raise node.refusal("its padding follows from the output's size; export it with pads instead")
    attributes = _window(node, axes) | {"padding": _padding(node, axes)}
    if any(more := tuple(node.attributes.get("output_padding", ()))):
        attributes["output_padding"] = more
    return Step("deconvolution", node.inputs[:1], _filters(node), attributes)


def _axes(node: Node) -> int:
    weight = node.shape(1)
    if node.constant(1) is None or weight is None:
        raise node.refusal("its filters are worked out while the network runs")
    if not 3 <= len(weight) <= 5:
        raise node.refusal(f"its filters have {len(weight)} axes")
    return len(weight) - 2


def _filters(node: Node) -> dict[str, str]:
    roles = {"weight": node.inputs[1]}
    if node.has(2):
        if node.constant(2) is None:
            raise node.refusal("its bias is worked out while the network runs")
        roles["bias"] = node.inputs[2]
    return roles


def _window(node: Node, axes: int) -> dict[str, Any]:
    return {
        "stride": tuple(node.attributes.get("strides", (1,) * axes)),
        "dilation": tuple(node.attributes.get("dilations", (1,) * axes)),
        "groups": int(node.attributes.get("group", 1)),
    }


def _padding(node: Node, axes: int) -> Any:
    """Return the padding as the operations take it: one number an axis where both sides are alike."""
    automatic = node.attributes.get("auto_pad", "NOTSET")
    if automatic != "NOTSET":
        node.require("auto_pad", *_SAME)
        return _SAME[automatic]
    pads = tuple(node.attributes.get("pads", (0,) * 2 * axes))
    return pads[:axes] if pads[:axes] == pads[axes:] else pads


@translates("MaxPool")
def max_pool(node: Node) -> Step:
    """Turn a MaxPool into a max pooling; its second output, the places, is not there."""
    node.require("storage_order", 0)
    attributes = _pooling(node)
    if set(dilation := tuple(node.attributes.get("dilations", (1, 1)))) != {1}:
        attributes["dilation"] = dilation
    return Step("max_pool", node.inputs[:1], attributes=attributes)


@translates("AveragePool")
def average_pool(node: Node) -> Step:
    """Turn an AveragePool into an average pooling."""
    node.require("dilations", (1, 1))
    attributes = _pooling(node) | {"count_padding": bool(node.attributes.get("count_include_pad", 0))}
    return Step("average_pool", node.inputs[:1], attributes=attributes)


@translates("GlobalMaxPool", "GlobalAveragePool")
def global_pool(node: Node) -> Step:
    """Turn a global pooling into one, of pictures."""
    if node.rank() != 4:
        raise node.refusal(f"it pools {node.rank() - 2} axes; here pooling is of height x width")
    kind = "global_max_pool" if node.type_name == "GlobalMaxPool" else "global_average_pool"
    return Step(kind, node.inputs[:1])


def _pooling(node: Node) -> dict[str, Any]:
    kernel = tuple(node.attributes.get("kernel_shape", ()))
    if len(kernel) != 2:
        raise node.refusal(f"its windows have {len(kernel)} axes; here pooling is of height x width")
    return {
        "kernel": kernel,
        "stride": tuple(node.attributes.get("strides", (1, 1))),
        "padding": _padding(node, 2),
        "rounding": "ceil" if node.attributes.get("ceil_mode", 0) else "floor",
    }
