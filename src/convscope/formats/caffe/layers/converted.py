"""Layers of Synopsys's fork, which runs what was converted from other formats: axes as TensorFlow has them, too."""

from __future__ import annotations

from typing import Any

from convscope.formats.caffe.layers.forks import repeated
from convscope.formats.caffe.layers.registry import register_layer
from convscope.formats.caffe.layers.translation import incomplete
from convscope.formats.caffe.message import Message
from convscope.formats.operation_plan import OperationPlan


@register_layer("Pad")
def _pad(layer: Message) -> OperationPlan:
    """Before and behind each axis, one after the other."""
    around = tuple(layer.pad_param.paddings)
    attributes = {"padding": around[::2] + around[1::2], "axis": 0, "value": layer.pad_param.constant_values}
    return OperationPlan("pad", attributes=attributes)


@register_layer("UpsampleDarknet")
def _upsample_darknet(layer: Message) -> OperationPlan:
    if not layer.upsample_darknet_param.stride:
        raise incomplete(layer, "its stride must be at least 1")
    return repeated((layer.upsample_darknet_param.stride,) * 2)


@register_layer("Squeeze")
def _squeeze(layer: Message) -> OperationPlan:
    return OperationPlan(
        "squeeze", attributes={"axes": tuple(int(axis) for axis in layer.squeeze_param.axis)}
    )


@register_layer("Mul")
@register_layer("Add")
def _arithmetic(layer: Message) -> OperationPlan:
    """Axes of size 1 stretch, and the last axes stand below each other."""
    if len(layer.bottom) < 2:
        raise incomplete(layer, "its second number is one of the weights, whose shape it does not say")
    return OperationPlan("multiply" if layer.type == "Mul" else "add")


@register_layer("ResizeNearestNeighbor")
def _resize_nearest(layer: Message) -> OperationPlan:
    """As TensorFlow takes the nearest."""
    settings = layer.resize_nearest_neighbor_param
    if settings.align_corners or settings.half_pixel_centers or settings.half_pixel_onnx:
        raise incomplete(layer, "only positions without align_corners and half_pixel are known to convscope")
    attributes = {"coordinates": "asymmetric", "nearest": "floor"}
    return OperationPlan("resize", attributes=attributes | _resized(settings))


@register_layer("ResizeBilinear")
def _resize_bilinear(layer: Message) -> OperationPlan:
    """In straight lines, as TensorFlow has them."""
    settings = layer.resize_bilinear_param
    if settings.pytorch_half_pixel or settings.data_format not in ("NHWC", "NCHW"):
        raise incomplete(layer, "pytorch_half_pixel and films are not known to convscope")
    coordinates = "half_pixel" if settings.half_pixel_centers else "asymmetric_ratio"
    attributes = {
        "interpolation": "linear",
        "coordinates": "align_corners" if settings.align_corners else coordinates,
    }
    return OperationPlan("resize", attributes=attributes | _resized(settings))


def _resized(settings: Message) -> dict[str, Any]:
    """Return the size or the scales that a map is to have, where its axes are."""
    first = settings.data_format == "NCHW"
    if settings.output_height and settings.output_width:
        sizes = (settings.output_height, settings.output_width)
        return {"shape": (0, 0, *sizes) if first else (0, *sizes, 0)}
    scales = (settings.scale_height, settings.scale_width)
    return {"scales": (1.0, 1.0, *scales) if first else (1.0, *scales, 1.0)}


@register_layer("DepthToSpace")
def _depth_to_space(layer: Message) -> OperationPlan:
    """TensorFlow's order of channels ("NCHW", and ONNX's name "DCR"), or PyTorch's ("CRD")."""
    settings = layer.depth_to_space_param
    if not settings.block_size or settings.data_format not in ("NCHW", "DCR", "CRD"):
        raise incomplete(layer, "it needs a block_size, and a data_format of NCHW, DCR or CRD")
    order = "column" if settings.data_format == "CRD" else "depth"
    return OperationPlan("depth_to_space", attributes={"block": settings.block_size, "order": order})


@register_layer("SpaceToBatchND")
def _space_to_batch(layer: Message) -> OperationPlan:
    settings = layer.space_to_batch_nd_param
    block, padding = _of_places(layer, settings.block_shape, settings.paddings)
    return OperationPlan("space_to_batch", attributes={"block": block, "padding": padding})


@register_layer("BatchToSpaceND")
def _batch_to_space(layer: Message) -> OperationPlan:
    settings = layer.batch_to_space_nd_param
    block, crops = _of_places(layer, settings.block_shape, settings.crops)
    return OperationPlan("batch_to_space", attributes={"block": block, "crops": crops})


def _of_places(layer: Message, blocks: list[int], margins: list[int]) -> tuple[tuple[int, ...], Any]:
    """Return blocks and margins of the axes behind the channels, which are one block each and have no margin."""
    pairs = (
        tuple(zip(map(int, margins[::2]), map(int, margins[1::2]), strict=True))
        if not len(margins) % 2
        else ()
    )
    if not blocks or len(pairs) != len(blocks) or blocks[0] != 1 or pairs[0] != (0, 0):
        raise incomplete(layer, "block_shape and two margins for each must be given, of channels 1, 0 and 0")
    return tuple(map(int, blocks[1:])), pairs[1:]
