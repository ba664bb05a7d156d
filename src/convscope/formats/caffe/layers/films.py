"""Layers of C3D, which look at films: (batch, channels, pictures, height, width). Tran et al., *C3D* (2015).

A size along the pictures stands beside the one of height and width, in the messages of layers for pictures or in
ones of their own (C3D 1.1).
"""

from __future__ import annotations

from convscope.formats.caffe.layers.registry import register_layer, translate_as
from convscope.formats.caffe.layers.translation import Translation, incomplete
from convscope.formats.caffe.message import Message
from convscope.formats.operation_plan import OperationPlan


@register_layer("Convolution3D")
@register_layer("Deconvolution3D")
def _convolution(layer: Message) -> Translation:
    """Its `filter_group` says how many filters are computed at once: each looks at all channels."""
    settings = layer.convolution3d_param if layer.has("convolution3d_param") else layer.convolution_param
    over_axes = layer.copy()
    over_axes.convolution_param = plain = settings.copy()
    plain.kernel_size = [_depth(layer, settings), *_both(settings.kernel_size)]
    plain.stride = [settings.temporal_stride, *_both(settings.stride or [1])]
    plain.pad = [settings.temporal_pad, *_both(settings.pad or [0])]
    plain.group = 1
    for name in ("kernel_depth", "temporal_stride", "temporal_pad"):
        plain.clear(name)
    return translate_as("Deconvolution" if "deconv" in str(layer.type).lower() else "Convolution", over_axes)


@register_layer("Pooling3D")
def _pooling(layer: Message) -> OperationPlan:
    """Windows as Caffe rounds them, up; an average counts the padding, which the pictures' axis has none of."""
    settings = layer.pooling3d_param if layer.has("pooling3d_param") else layer.pooling_param
    summaries = {"MAX": "maximum", "AVE": "mean"}
    if settings.pool not in summaries or not settings.kernel_size:
        raise incomplete(layer, f"pool {settings.pool} over kernel_size {settings.kernel_size} is not there")
    if settings.pad and settings.pool == "MAX":
        raise incomplete(layer, "only an average is padded")
    side, stride = settings.kernel_size, settings.stride
    attributes = {
        "kernel": (_depth(layer, settings), side, side),
        "stride": (settings.temporal_stride, stride, stride),
        "padding": (0, settings.pad, settings.pad),
        "rounding": "ceil",
        "summary": summaries[settings.pool],
        "count_padding": True,
    }
    if min(*attributes["kernel"], *attributes["stride"]) < 1:  # type: ignore[misc]
        raise incomplete(layer, "kernels and strides must be at least 1")
    return OperationPlan("pool_along_axes", attributes=attributes)


def _depth(layer: Message, settings: Message) -> int:
    if not settings.kernel_depth:
        raise incomplete(layer, "kernel_depth is missing: how many pictures a window spans")
    return int(settings.kernel_depth)


def _both(sizes: list[int]) -> list[int]:
    return list(sizes) * 2 if len(sizes) == 1 else list(sizes)
