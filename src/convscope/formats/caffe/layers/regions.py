"""Layers that work on regions of a picture, of MS-CNN, Cascade R-CNN, Multi-task Network Cascades (MNC) and SSTD."""

from __future__ import annotations

from math import inf
from typing import Any

from convscope.errors import UnsupportedLayer
from convscope.formats.caffe.layers.detectors import pooled_size
from convscope.formats.caffe.layers.registry import register_layer
from convscope.formats.caffe.layers.translation import Translation, incomplete
from convscope.formats.caffe.message import Message
from convscope.formats.operation_plan import OperationPlan

_MOST = 2000
"""For how many regions shapes are worked out where the layer does not say how many it makes at most."""


def with_crossings(net: Message) -> Message:
    """Return the net with its ROIAlign layers called Cascade R-CNN's where that fork's proposals stand beside them."""
    if not any(layer.type == "BoxGroupOutput" for layer in net.layer):
        return net
    net = net.copy()
    for layer in net.layer:
        if layer.type == "ROIAlign" and layer.has("roi_pooling_param"):
            layer.roi_pooling_param.crossings = True
    return net


@register_layer("ROIAlign")
def _roi_align(layer: Message) -> OperationPlan:
    """Cascade R-CNN's: the map at the crossings of a grid, one more than it has cells (`with_crossings`)."""
    settings = layer.roi_pooling_param
    if not settings.crossings:
        raise UnsupportedLayer(
            f"layer {layer.name!r} is a ROIAlign, by which forks mean different things: the mean of a cell, its "
            f"largest corner, or the corners themselves. Say which with register_layer('ROIAlign', function)"
        )
    return OperationPlan(
        "sample_regions",
        attributes={
            "cells": pooled_size(layer, settings),
            "scale": settings.spatial_scale,
            "margin": settings.pad_ratio,
        },
    )


@register_layer("ROIWarping")
def _roi_warping(layer: Message) -> OperationPlan:
    """MNC's."""
    settings = layer.roi_warping_param
    attributes = {"size": pooled_size(layer, settings), "scale": settings.spatial_scale}
    return OperationPlan("warp_regions", attributes=attributes)


@register_layer("MaskResize")
def _mask_resize(layer: Message) -> OperationPlan:
    """MNC's, to a size; SSTD's, by factors."""
    settings = layer.mask_resize_param
    sizes, factors = (
        (settings.output_height, settings.output_width),
        (settings.factor_height, settings.factor_width),
    )
    if not all(sizes):
        raise incomplete(layer, "output_height and output_width must be at least 1")
    return OperationPlan("resize_from_corner", attributes={"size": sizes, "factors": factors})


@register_layer("MaskPooling")
def _mask_pooling(layer: Message) -> OperationPlan:
    return OperationPlan("multiply")


@register_layer("BoxGroupOutput")
def _box_group_output(layer: Message) -> Translation:
    settings = layer.box_group_output_param
    groups = list(settings.box_group_param)
    sides = [(list(group.field_w), list(group.field_h)) for group in groups]
    if 2 * len(groups) != len(layer.bottom) or any(not w or len(w) != len(h) for w, h in sides):
        raise incomplete(
            layer,
            f"a box_group_param for each 2 bottoms, with as many field_w as field_h: {len(groups)} groups, "
            f"{len(layer.bottom)} bottoms",
        )
    attributes = {
        "fields": tuple(tuple(zip(map(float, w), map(float, h), strict=True)) for w, h in sides),
        "strides": tuple(int(group.stride or 1) for group in groups),
    }
    return _proposals(layer, settings, "propose_from_maps", attributes)


@register_layer("BoxOutput")
def _box_output(layer: Message) -> Translation:
    """MS-CNN's: scores and moves of one field in each map."""
    settings, maps = layer.box_output_param, len(layer.bottom)
    sizes = list(settings.field_w), list(settings.field_h), list(settings.downsample_rate)
    if not maps or {len(one) for one in sizes} != {maps}:
        raise incomplete(layer, f"{maps} bottoms need as many field_w, field_h and downsample_rate")
    attributes = {
        "fields": tuple(zip(map(float, sizes[0]), map(float, sizes[1]), strict=True)),
        "strides": tuple(map(int, sizes[2])),
    }
    return _proposals(layer, settings, "propose_from_score_maps", attributes)


def _proposals(layer: Message, settings: Message, kind: str, fields: dict[str, Any]) -> Translation:
    """Return what proposes regions, by the limits that both forks' messages have."""
    if settings.nms_type != "IOU":
        raise incomplete(
            layer, f"only overlaps of type IOU are known to convscope, found {settings.nms_type}"
        )
    if min(settings.field_xyr, settings.field_whr) <= 0:
        raise incomplete(layer, "field_xyr and field_whr must be above 0")
    mean, deviation = _normalization(layer)
    attributes: dict[str, Any] = fields | {
        "mean": mean,
        "deviation": deviation,
        "farthest": settings.field_xyr,
        "widest": settings.field_whr,
        "threshold": settings.fg_thr,
        "overlap": settings.iou_thr,
        "least": settings.min_size,
        "before": settings.max_nms_num,
        "after": settings.max_post_nms_num,
        "tops": len(layer.top),
    }
    most = settings.max_post_nms_num or settings.max_nms_num or _MOST
    largest = ((most, 5, 1, 1), (most, 6, 1, 1))[: len(layer.top)]
    return Translation(OperationPlan(kind, attributes=attributes), largest=largest)


@register_layer("DecodeBBox")
def _decode_bbox(layer: Message) -> OperationPlan:
    """What is matched to boxes that a person drew (a third bottom) is only looked at in training."""
    mean, deviation = _normalization(layer)
    return OperationPlan(
        "move_regions", tuple(layer.bottom[:2]), attributes={"mean": mean, "deviation": deviation}
    )


@register_layer("ScaleRoute")
def _scale_route(layer: Message) -> Translation:
    settings = layer.scale_route_param
    if len(layer.bottom) != 1:
        raise incomplete(layer, "what else is chosen with the regions is there in training alone")
    low, high = settings.low_scale or 0.0, inf if settings.high_scale is None else settings.high_scale
    plan = OperationPlan("regions_of_size", attributes={"low": low, "high": high})
    return Translation(plan, largest=((_MOST, 5, 1, 1),))


def _normalization(layer: Message) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return by how much and how widely a network's moves differ from those that it was taught."""
    settings = layer.bbox_reg_param
    mean, deviation = tuple(map(float, settings.bbox_mean)), tuple(map(float, settings.bbox_std))
    if not (mean and deviation):
        return (0.0,) * 4, (1.0,) * 4
    if (len(mean), len(deviation)) != (4, 4) or min(deviation) <= 0:
        raise incomplete(layer, "4 bbox_mean and 4 bbox_std above 0 are needed, or none")
    return mean, deviation
