"""Layers of the well-known forks of Caffe that look at maps: SSD, SegNet, PSPNet, SENet, MobileNet, YOLO."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from convscope.errors import UnsupportedLayer
from convscope.formats.caffe.layers.fillers import ONES, ZEROS, filler_of
from convscope.formats.caffe.layers.registry import register_layer, translate_as
from convscope.formats.caffe.layers.translation import (
    LearnedBlob,
    Shape,
    Translation,
    blob_per_channel,
    incomplete,
)
from convscope.formats.caffe.message import Message
from convscope.formats.operation_plan import OperationPlan

_SEGNET_EPSILON = 1e-9


@register_layer("DepthwiseConvolution")
@register_layer("DepthwiseConv")
def _depthwise_convolution(layer: Message) -> Translation:
    """yonghenglh6's: a convolution whose text says its groups, run by a kernel of its own."""
    return translate_as("Convolution", layer)


@register_layer("ConvolutionDepthwise")
def _convolution_depthwise(layer: Message) -> Translation:
    """farmingyard's: a filter a channel, as many groups as outputs, whatever the text says."""
    grouped = layer.copy()
    grouped.ensure("convolution_param").group = max(layer.convolution_param.num_output or 1, 1)
    return translate_as("Convolution", grouped)


def _register_ristretto(type_name: str, plain: str) -> None:
    @register_layer(type_name)
    def _translate(layer: Message) -> Translation:
        return translate_as(plain, layer)


for _type_name, _plain in (
    ("ConvolutionRistretto", "Convolution"),
    ("DeconvolutionRistretto", "Deconvolution"),
    ("FcRistretto", "InnerProduct"),
    ("LRNRistretto", "LRN"),
):
    _register_ristretto(_type_name, _plain)


@register_layer("BN")
def _bn(layer: Message) -> OperationPlan | Translation:
    """PSPNet's (slope, bias, mean, variance), or SegNet's (scale, shift) where a setting or two `param` say so."""
    settings = layer.bn_param
    segnet = ("scale_filler", "shift_filler", "bn_mode")
    pspnet = ("slope_filler", "bias_filler", "momentum", "eps", "frozen")
    is_segnet = not settings.icnet and (
        any(map(settings.has, segnet)) or (len(layer.param) == 2 and not any(map(settings.has, pspnet)))
    )
    slope = "scale_filler" if is_segnet else "slope_filler"
    weight = blob_per_channel(filler_of(settings, slope, ONES))
    if not is_segnet:
        ones, zeros = (Message("FillerParameter", **filler) for filler in (ONES, ZEROS))
        return OperationPlan(
            "batch_norm",
            parameters={
                "weight": weight,
                "bias": blob_per_channel(filler_of(settings, "bias_filler", ZEROS)),
                "mean": blob_per_channel(zeros),
                "variance": blob_per_channel(ones),
            },
            attributes={"epsilon": settings.eps},
        )
    learned = {"weight": weight, "bias": blob_per_channel(filler_of(settings, "shift_filler", ZEROS))}
    if settings.bn_mode == "INFERENCE":
        return Translation(OperationPlan("scale", parameters=learned), tops=(0,))
    attributes = {"of_batch": True, "epsilon": _SEGNET_EPSILON}
    return Translation(
        OperationPlan("batch_norm", parameters=learned, attributes=attributes),
        tops=(0,),  # DeconvNet's has two more, the batch's own statistics
        note=f"layer {layer.name!r} (BN, bn_mode LEARN) normalizes with each batch's own statistics, as in training",
    )


@register_layer("Normalize")
def _normalize(layer: Message) -> OperationPlan:
    settings = layer.norm_param

    def size(inputs: Sequence[Shape]) -> Shape:
        return (1,) if settings.channel_shared else inputs[0][1:2]

    return OperationPlan(
        "unit_norm",
        parameters={"weight": LearnedBlob(filler_of(settings, "scale_filler", ONES), size, loose=True)},
        attributes={"across_positions": settings.across_spatial, "epsilon": settings.eps},
    )


@register_layer("BilinearInterpolation")
def _bilinear_interpolation(layer: Message) -> OperationPlan:
    """Tensmeyer's: as large as its second bottom, corners on corners."""
    if len(layer.bottom) != 2:
        raise incomplete(layer, "its bottoms are what is resized and what is as large as that becomes")
    return OperationPlan("resize_corners")


@register_layer("Interp")
def _interp(layer: Message) -> OperationPlan:
    settings = layer.interp_param
    if max(settings.pad_beg, settings.pad_end) > 0:
        raise incomplete(layer, "pad_beg and pad_end crop, so they cannot be positive")
    attributes: dict[str, Any] = {"crop": (-settings.pad_beg, -settings.pad_end)}
    both = settings.has("shrink_factor") and settings.has("zoom_factor")
    has_size = settings.has("height") and settings.has("width")
    if len(layer.bottom) > 1:
        return OperationPlan("resize_corners", attributes=attributes)
    if has_size and (both or not (settings.has("shrink_factor") or settings.has("zoom_factor"))):
        attributes["size"] = (settings.height, settings.width)
    elif settings.has("shrink_factor") or settings.has("zoom_factor"):
        attributes |= {"shrink": settings.shrink_factor, "zoom": settings.zoom_factor}
    else:
        raise incomplete(layer, "its size is missing: give height and width, zoom_factor or shrink_factor")
    if min(attributes.get("size", (1,))) < 1 or min(settings.shrink_factor, settings.zoom_factor) < 1:
        raise incomplete(layer, "its sizes and factors must be at least 1")
    return OperationPlan("resize_corners", attributes=attributes)


@register_layer("Upsample")
def _upsample(layer: Message) -> OperationPlan:
    """SegNet's, by the places of a pooling, where there are two bottoms; else YOLO's, which repeats each pixel."""
    settings = layer.upsample_param
    separate = settings.has("scale_h") or settings.has("scale_w")
    scale = (settings.scale_h or 1, settings.scale_w or 1) if separate else (settings.scale, settings.scale)
    if min(scale) < 1:
        raise incomplete(layer, f"its scale must be at least 1, found {scale}")
    if len(layer.bottom) == 1:
        if not settings.has("scale"):
            raise incomplete(layer, "with one bottom it needs a scale")
        return repeated(scale)
    if settings.pad_out_h or settings.pad_out_w:
        return OperationPlan(
            "max_unpool",
            attributes={"scale": scale, "less": (int(settings.pad_out_h), int(settings.pad_out_w))},
        )
    if settings.has("upsample_h") and settings.has("upsample_w"):
        return OperationPlan("max_unpool", attributes={"size": (settings.upsample_h, settings.upsample_w)})
    return OperationPlan("max_unpool", attributes={"scale": scale})


def repeated(scale: tuple[int, int]) -> OperationPlan:
    """Return what repeats each pixel, down and across."""
    attributes = {"scales": (1, 1, *map(float, scale)), "coordinates": "asymmetric", "nearest": "floor"}
    return OperationPlan("resize", attributes=attributes)


@register_layer("Unpooling")
def _unpooling(layer: Message) -> OperationPlan:
    """DeconvNet's: by the places of a pooling, in a map of a size that it states."""
    settings = layer.unpooling_param
    size = (settings.unpool_h or settings.unpool_size, settings.unpool_w or settings.unpool_size)
    if settings.unpool != "MAX" or len(layer.bottom) != 2 or not all(size):
        raise incomplete(
            layer, "only a maximum is put back, with its mask as second bottom, and with unpool_size"
        )
    return OperationPlan("max_unpool", attributes={"size": size})


@register_layer("Permute")
def _permute(layer: Message) -> OperationPlan:
    order = tuple(int(axis) for axis in layer.permute_param.order)
    if len(set(order)) != len(order):
        raise incomplete(layer, f"order {order} has an axis twice")
    if not order:
        return OperationPlan("identity")
    if len(order) == max(order) + 1 > 3:
        return OperationPlan("permute", attributes={"order": order})
    return OperationPlan("permute", attributes={"order": order, "completed": True})


@register_layer("ShuffleChannel")
def _shuffle_channel(layer: Message) -> OperationPlan:
    return OperationPlan("shuffle_channels", attributes={"groups": layer.shuffle_channel_param.group})


@register_layer("Reorg")
def _reorg(layer: Message) -> OperationPlan:
    settings = layer.reorg_param
    if not settings.stride:
        raise incomplete(layer, "its stride must be at least 1")
    return OperationPlan("reorganize", attributes={"stride": settings.stride, "reverse": settings.reverse})


@register_layer("Python:yolov2.darknet_reorg")
def _darknet_reorg(layer: Message) -> OperationPlan:
    """Synopsys's YOLOv2, in Python, whose stride is always 2; the code itself is never run."""
    return OperationPlan("reorganize", attributes={"stride": 2, "reverse": False})


@register_layer("Flip")
def _flip(layer: Message) -> OperationPlan:
    settings = layer.flip_param
    axes = ((2,) if settings.flip_height else ()) + ((3,) if settings.flip_width else ())
    return OperationPlan("flip", attributes={"axes": axes})


@register_layer("Axpy")
def _axpy(layer: Message) -> OperationPlan:
    return OperationPlan("axpy")


@register_layer("AutoCrop")
def _auto_crop(layer: Message) -> OperationPlan:
    """Where its place can be told it has become a Crop (`convscope.formats.caffe.aligned_crops`)."""
    raise UnsupportedLayer(
        f"layer {layer.name!r} keeps the part of its first bottom that lies over its second, and where that is cannot "
        "be told from the layers between them"
    )


@register_layer("MergeCrop")
def _merge_crop(layer: Message) -> OperationPlan:
    """Greentea's: the middle of the second map behind the first, or added to it."""
    settings = layer.mergecrop_param
    if not all([*settings.forward]):
        raise incomplete(layer, "a bottom that is left out (forward: 0) is not known to convscope")
    return OperationPlan("merge_middle", attributes={"add": settings.operation == "ADD"})


@register_layer("DeformableConvolution")
def _deformable_convolution(layer: Message) -> OperationPlan:
    """That of *Deformable convolutional networks*: its second bottom says where each tap looks."""
    settings = layer.deformable_convolution_param
    if len(layer.bottom) != 2:
        raise incomplete(layer, f"it reads a map and its offsets, found {len(layer.bottom)} bottoms")
    plain = layer.copy()
    plain.bottom, plain.type, plain.convolution_param = list(layer.bottom[:1]), "Convolution", settings
    plan = translate_as("Convolution", plain).plan
    assert plan is not None
    attributes = {name: value for name, value in plan.attributes.items() if name not in ("kernel", "axis")}
    attributes |= {"offset_groups": settings.deformable_group, "fades": False}
    return OperationPlan("deformable_convolution", tuple(layer.bottom), plan.parameters, attributes)


@register_layer("Python:spatial_dropout.SpatialDropoutLayer")
def _spatial_dropout(layer: Message) -> OperationPlan:
    """ENet's, in Python: its tests divide by the share that its training keeps; the code itself is never run."""
    dropped = re.search(r"['\"]p['\"]\s*:\s*\\?['\"]?([\d.]+)", layer.python_param.param_str)
    if dropped is None or not 0 < float(dropped[1]) < 1:
        raise incomplete(layer, f"param_str must say p, between 0 and 1: {layer.python_param.param_str!r}")
    return OperationPlan("power", attributes={"scale": 1 / (1 - float(dropped[1]))})
