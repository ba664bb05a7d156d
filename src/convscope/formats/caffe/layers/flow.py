"""Layers of FlowNet's and LiteFlowNet's forks, which look at two pictures: what moved from one to the other."""

from __future__ import annotations

from math import nan
from typing import Any

from convscope.formats.caffe.layers.registry import register_layer
from convscope.formats.caffe.layers.translation import Translation, incomplete
from convscope.formats.caffe.message import Message
from convscope.formats.operation_plan import OperationPlan


@register_layer("Correlation")
def _correlation(layer: Message) -> OperationPlan:
    settings = layer.correlation_param
    if not (settings.has("kernel_size") and settings.has("max_displacement")):
        raise incomplete(layer, "its kernel_size and max_displacement must be given")
    if settings.kernel_size % 2 == 0 or min(settings.stride_1, settings.stride_2) < 1:
        raise incomplete(layer, "its kernel_size must be odd, and its strides at least 1")
    return OperationPlan(
        "correlation",
        attributes={
            "displacement": settings.max_displacement,
            "kernel": settings.kernel_size,
            "padding": settings.pad,
            "stride": settings.stride_1,
            "step": settings.stride_2,
            "of_differences": settings.correlation_type == "SUBTRACT",
        },
    )


@register_layer("FlowWarp")
def _flow_warp(layer: Message) -> OperationPlan:
    outside = nan if layer.flow_warp_param.fill_value == "NOT_A_NUMBER" else 0.0
    return OperationPlan("warp", attributes={"outside": outside})


@register_layer("Warp")
def _warp(layer: Message) -> OperationPlan:
    """LiteFlowNet's: its second bottom holds places, as a Grid and a flow add up to."""
    return OperationPlan("warp", attributes={"absolute": True})


@register_layer("ChannelNorm")
def _channel_norm(layer: Message) -> OperationPlan:
    return OperationPlan("reduce", attributes={"summary": "l2", "axes": (1,)})


@register_layer("Resample")
def _resample(layer: Message) -> OperationPlan:
    settings = layer.resample_param
    ways = {"NEAREST": "nearest", "LINEAR": "linear", "CUBIC": "cubic"}
    if settings.type not in ways:
        raise incomplete(layer, f"its type is {settings.type}: NEAREST, LINEAR or CUBIC")
    attributes: dict[str, Any] = {"way": ways[settings.type], "antialias": settings.antialias}
    if len(layer.bottom) == 1:
        if not (settings.height and settings.width):
            raise incomplete(layer, "its height and width must be given, or a second bottom of that size")
        attributes["size"] = (settings.height, settings.width)
    return OperationPlan("resample", attributes=attributes)


@register_layer("Mean")
def _mean(layer: Message) -> OperationPlan | Translation:
    """FlowNet's: the picture scaled, a number for each of its channels added or taken away."""
    settings = layer.mean_param
    if len(layer.bottom) != 1 or settings.has("file") or not settings.value:
        raise incomplete(layer, "only one bottom and a mean in numbers (value) are known to convscope")
    sign = -1.0 if settings.operation == "SUBTRACT" else 1.0
    return OperationPlan(
        "scale_and_shift",
        attributes={
            "scale": settings.output_scale * settings.input_scale,
            "shifts": tuple(
                sign * settings.output_scale * settings.mean_scale * float(value) for value in settings.value
            ),
        },
    )
