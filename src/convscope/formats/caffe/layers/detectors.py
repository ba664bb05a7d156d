"""Layers of detectors: Faster R-CNN's and R-FCN's regions, SSD's boxes and what it found."""

from __future__ import annotations

import re
from math import sqrt
from typing import Any

from convscope.errors import UnsupportedLayer
from convscope.formats.caffe.layers.registry import register_layer
from convscope.formats.caffe.layers.translation import Translation, incomplete
from convscope.formats.caffe.message import Message
from convscope.formats.operation_plan import OperationPlan

_PROPOSALS = 300  # py-faster-rcnn's RPN_POST_NMS_TOP_N in a test


@register_layer("ROIPooling")
def _roi_pooling(layer: Message) -> OperationPlan:
    settings = layer.roi_pooling_param
    attributes: dict[str, Any] = {"size": pooled_size(layer, settings), "scale": settings.spatial_scale}
    if settings.pad_ratio:
        attributes["margin"] = settings.pad_ratio
    if settings.pool == "AVE":  # CCNN's
        attributes["summary"] = "mean"
    return OperationPlan("roi_pool", attributes=attributes)


def pooled_size(layer: Message, settings: Message) -> tuple[int, int]:
    """Return how many cells a region has, down and across."""
    if not (settings.pooled_h and settings.pooled_w):
        raise incomplete(layer, "pooled_h and pooled_w must be at least 1")
    return settings.pooled_h, settings.pooled_w


@register_layer("RegionPooling")
def _region_pooling(layer: Message) -> OperationPlan:
    """LocNet's, over rings: regions without their middle."""
    settings = layer.region_pooling_param
    if not (settings.pooled_h and settings.pooled_w and settings.has("offset")):
        raise incomplete(layer, "pooled_h and pooled_w must be at least 1, and offset be given")
    attributes = {
        "size": (settings.pooled_h, settings.pooled_w),
        "scale": settings.spatial_scale,
        "inset": settings.offset,
    }
    return OperationPlan("ring_pool", attributes=attributes)


@register_layer("PSROIPooling")
def _psroi_pooling(layer: Message) -> OperationPlan:
    settings = layer.psroi_pooling_param
    if not (settings.output_dim and settings.group_size and settings.spatial_scale):
        raise incomplete(layer, "spatial_scale, output_dim and group_size must be given")
    return OperationPlan(
        "position_sensitive_roi_pool",
        attributes={
            "outputs": settings.output_dim,
            "groups": settings.group_size,
            "scale": settings.spatial_scale,
        },
    )


@register_layer("Python:rpn.proposal_layer.ProposalLayer")
def _proposal_layer(layer: Message) -> Translation:
    """py-faster-rcnn's own, with the settings its tests run with; the code itself is never run."""
    attributes: dict[str, Any] = {"tops": len(layer.top)}
    settings_text = layer.python_param.param_str
    for name, value in re.findall(
        r"['\"]?(\w+)['\"]?\s*:\s*(\d+|\[[\d\s,.]*\]|\([\d\s,.]*\))", settings_text
    ):
        numbers = re.findall(r"\d+\.?\d*", value)
        if name == "feat_stride":
            attributes["stride"] = int(float(numbers[0]))
        elif name in ("scales", "ratios") and numbers:
            attributes[name] = tuple(map(float, numbers))
        else:
            raise UnsupportedLayer(
                f"layer {layer.name!r} is a ProposalLayer with {name}: {value}, which is a fork's"
            )
    if "stride" not in attributes:
        raise UnsupportedLayer(
            f"layer {layer.name!r} is a ProposalLayer without its feat_stride: {settings_text!r}"
        )
    return _proposals(layer, attributes, _PROPOSALS)


@register_layer("Proposal")
def _proposal(layer: Message) -> Translation:
    """PVANET's, which is py-faster-rcnn's in C++: what is too small stays, with a score of 0."""
    settings = layer.proposal_param
    if not (settings.ratio and settings.scale):
        raise incomplete(layer, "it needs at least one ratio and one scale")
    attributes = {
        "stride": settings.feat_stride,
        "base": settings.base_size,
        "least": float(settings.min_size),
        "ratios": tuple(map(float, settings.ratio)),
        "scales": tuple(map(float, settings.scale)),
        "before": settings.pre_nms_topn,
        "after": settings.post_nms_topn,
        "overlap": settings.nms_thresh,
        "small_are_last": True,
        "tops": len(layer.top),
    }
    return _proposals(layer, attributes, settings.post_nms_topn)


def _proposals(layer: Message, attributes: dict[str, Any], most: int) -> Translation:
    largest = ((most, 5), (most, 1))[: len(layer.top)]
    return Translation(OperationPlan("propose_regions", attributes=attributes), largest=largest)


@register_layer("PriorBox")
def _prior_box(layer: Message) -> OperationPlan:
    settings = layer.prior_box_param
    least, most = [[float(size) for size in getattr(settings, name)] for name in ("min_size", "max_size")]
    if not least or (most and len(most) != len(least)):
        raise incomplete(layer, f"{len(least)} min_size need as many max_size, or none; found {len(most)}")
    return _boxes_of(layer, _sizes(layer, least, most))


@register_layer("PriorBoxClustered")
def _prior_box_clustered(layer: Message) -> OperationPlan:
    """Intel's: the boxes' own widths and heights, found by clustering those of the data."""
    widths, heights = ([*map(float, getattr(layer.prior_box_param, name))] for name in ("width", "height"))
    if not widths or len(widths) != len(heights):
        raise incomplete(layer, f"{len(widths)} width need as many height, found {len(heights)}")
    return _boxes_of(layer, list(zip(widths, heights, strict=True)))


def _boxes_of(layer: Message, sizes: list[tuple[float, float]]) -> OperationPlan:
    settings = layer.prior_box_param
    variance = tuple(map(float, settings.variance)) or (0.1,)
    if len(variance) not in (1, 4):
        raise incomplete(layer, f"it has 1 variance or 4, found {len(variance)}")
    return OperationPlan(
        "prior_boxes",
        attributes={
            "sizes": tuple(sizes),
            "steps": _both(settings, "step", 0.0),
            "picture_size": _both(settings, "img", 0),
            "offset": settings.offset,
            "clip": settings.clip,
            "variance": variance,
        },
    )


def _sizes(layer: Message, least: list[float], most: list[float]) -> list[tuple[float, float]]:
    """Return the width and height of each box at a position, in SSD's order."""
    ratios = [1.0]
    for ratio in map(float, layer.prior_box_param.aspect_ratio):
        if all(abs(ratio - known) >= 1e-6 for known in ratios):
            ratios += [ratio, 1 / ratio] if layer.prior_box_param.flip else [ratio]
    sizes = []
    for index, size in enumerate(least):
        sizes.append((size, size))
        if most:
            side = sqrt(size * most[index])
            sizes.append((side, side))
        sizes += [(size * sqrt(ratio), size / sqrt(ratio)) for ratio in ratios[1:]]
    return sizes


def _both(settings: Message, name: str, default: Any) -> tuple[Any, Any]:
    """Return a setting down and across, given once or for each."""
    shared = "img_size" if name == "img" else name
    if settings.has(shared):
        return (getattr(settings, shared),) * 2
    return getattr(settings, f"{name}_h") or default, getattr(settings, f"{name}_w") or default


@register_layer("DetectionOutput")
def _detection_output(layer: Message) -> Translation:
    settings = layer.detection_output_param
    suppression = settings.nms_param
    if not settings.num_classes:
        raise incomplete(layer, "num_classes must be at least 1")
    if suppression.soft_nms:  # a fork's, with its theta
        raise UnsupportedLayer(f"layer {layer.name!r} suppresses boxes softly (soft_nms), which is a fork's")
    if not 3 <= len(layer.bottom) <= 5 or (len(layer.bottom) == 5 and not settings.share_location):
        raise incomplete(
            layer,
            "its bottoms are locations, scores and priors, then a first stage's scores and locations (with "
            f"share_location), found {len(layer.bottom)}",
        )
    attributes = {
        "classes": settings.num_classes,
        "background": settings.background_label_id,
        "shared_locations": settings.share_location,
        "coding": settings.code_type.lower(),
        "variance_in_target": settings.variance_encoded_in_target,
        "overlap": suppression.nms_threshold,
        "eta": suppression.eta,
        "top_k": -1 if suppression.top_k is None else suppression.top_k,
        "keep_top_k": settings.keep_top_k,
    }
    if len(layer.bottom) > 3:  # RefineDet's
        attributes["objectness"] = settings.objectness_score
    if settings.confidence_threshold is not None:
        attributes["threshold"] = settings.confidence_threshold
    plan = OperationPlan("decode_detections", tuple(layer.bottom), attributes=attributes)
    return Translation(plan, largest=((1, 1, 1, 7),))


@register_layer("Yolov3DetectionOutput")
def _yolo_detection_output(layer: Message) -> Translation:
    """MobileNet-YOLO's: its boxes are told from maps of several sizes, each with anchors of its own."""
    settings = layer.yolov3_detection_output_param
    anchors, which = [float(side) for side in settings.biases], [int(index) for index in settings.mask]
    maps, boxes, scales = (
        len(layer.bottom),
        int(settings.num_box),
        [int(one) for one in settings.anchors_scale],
    )
    if settings.gaussian_box:
        raise incomplete(layer, "boxes with a spread (gaussian_box) are not known to convscope")
    if len(scales) < maps or len(which) < maps * boxes or max(which, default=0) >= len(anchors) // 2:
        raise incomplete(
            layer,
            f"{maps} maps of {boxes} boxes need as many anchors_scale and mask, and biases for all in mask; found "
            f"{len(scales)} anchors_scale, {len(which)} mask and {len(anchors)} biases",
        )
    sizes = tuple((anchors[2 * index], anchors[2 * index + 1]) for index in which[: maps * boxes])
    attributes = {
        "classes": settings.num_classes,
        "anchors": sizes,
        "scales": tuple(scales[:maps]),
        "threshold": settings.confidence_threshold,
        "overlap": settings.nms_threshold,
    }
    return Translation(OperationPlan("decode_yolo", attributes=attributes), largest=((1, 1, 1, 7),))


@register_layer("YoloDetectionOutput")
def _yolo2_detection_output(layer: Message) -> Translation:
    """MobileNet-YOLO's for YOLOv2: one class a box, anchors in cells of the map, the same ones for each map."""
    settings = layer.yolo_detection_output_param
    sides, boxes = [float(side) for side in settings.biases], int(settings.num_box)
    if len(sides) < 2 * boxes or settings.coords != 4:
        raise incomplete(
            layer,
            f"{boxes} boxes of 4 numbers need as many pairs of biases; found {len(sides)} biases and coords "
            f"{settings.coords}",
        )
    attributes = {
        "classes": settings.num_classes,
        "anchors": tuple(zip(sides[: 2 * boxes : 2], sides[1 : 2 * boxes : 2], strict=True))
        * len(layer.bottom),
        "scales": (1,) * len(layer.bottom),
        "threshold": settings.confidence_threshold,
        "overlap": settings.nms_threshold,
        "one_class": True,
    }
    return Translation(OperationPlan("decode_yolo", attributes=attributes), largest=((1, 1, 1, 7),))
