"""Filters and windows: convolutions of every kind, pooling, fully-connected layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from convscope.formats.operation_plan import OperationPlan
from convscope.formats.sizes import plain
from convscope.formats.tensorflow.constants import Array, folds
from convscope.formats.tensorflow.node import Node
from convscope.formats.tensorflow.translation import Operands, refuse, translates, whole_numbers

LAST: dict[str, Any] = {"channels_last": True}


def maps(operands: Operands) -> dict[str, Any]:
    """Return the attribute of an operation on maps; rows of numbers have no axes to turn."""
    return layout(operands.node) if operands.has_shape(0) and len(operands.shape(0)) > 2 else {}


def layout(node: Node) -> dict[str, Any]:
    """Return the attribute that says on which axis a node's channels are."""
    return {} if node.channels_second else LAST


@translates("Conv2D", "QuantizedConv2D")
def _convolution(operands: Operands) -> OperationPlan:
    return _filtered(operands, "filters", {})


@translates("DepthwiseConv2dNative", "DepthwiseConv2dNativeV2")
def _depthwise(operands: Operands) -> OperationPlan:
    return _filtered(operands, "depthwise", {"groups": operands.shape(1)[2]})


def _filtered(operands: Operands, kind: str, more: dict[str, Any]) -> OperationPlan:
    node, channels = operands.node, operands.shape(0)[1 if operands.node.channels_second else -1]
    shape = operands.shape(1)
    if operands.known(1) is None:
        raise refuse(node, "whose filters are worked out from the picture")
    if kind == "filters" and shape[2] and channels != shape[2] and channels % shape[2] == 0:
        more = {"groups": channels // shape[2]}
    attributes = {**layout(node), **more, **_window(node), **_dilation(node)}
    return OperationPlan(
        "convolution",
        [operands.value(0)],
        attributes=attributes,
        parameters={"weight": operands.parameter(1, kind)},
    )


@translates("Conv2DBackpropInput")
def _transposed(operands: Operands) -> OperationPlan:
    """A transposed convolution: TensorFlow says how big its output is, and the padding follows from it."""
    node = operands.node
    axes = slice(2, 4) if node.channels_second else slice(1, 3)
    height, width = whole_numbers(operands, 0, "output size")[axes]
    kernel, strides = operands.shape(1)[:2], _spatial(node, "strides")
    attributes: dict[str, Any] = {**layout(node), "stride": strides}
    borders = []
    for size, before, k, s in zip((height, width), operands.sizes(2)[axes], kernel, strides, strict=True):
        # What of the whole transposed convolution is cut off, or lacking: as much at other sizes, or they are refused.
        lacking = s * (before - 1) + k - size
        over = plain(lacking)
        if lacking != over:
            raise refuse(node, "of a size that is none")
        borders.append((max(over, 0) // 2, max(over, 0) - max(over, 0) // 2, max(-over, 0)))
    (top, bottom, below), (left, right, beyond) = borders
    attributes |= {"padding": (top, left, bottom, right), "output_padding": (below, beyond)}
    weight = operands.parameter(1, "filters")
    return OperationPlan(
        "deconvolution", [operands.value(2)], attributes=attributes, parameters={"weight": weight}
    )


@translates("DepthwiseConv2dNativeBackpropInput")
def _depthwise_transposed(operands: Operands) -> OperationPlan:
    """Each channel through filters of its own, to the size that TensorFlow says."""
    node = operands.node
    if operands.known(1) is None or _dilation(node):
        raise refuse(node, "with dilations, or whose filters are worked out from the picture")
    axes = slice(2, 4) if node.channels_second else slice(1, 3)
    size = tuple(whole_numbers(operands, 0, "output size")[axes])
    attributes = {
        **layout(node),
        "stride": _spatial(node, "strides"),
        "size": size,
        "groups": operands.shape(1)[2],
    }
    weight = operands.parameter(1, "depthwise")
    return OperationPlan("deconvolution", [operands.value(2)], {"weight": weight}, attributes)


@translates("MaxPool", "QuantizedMaxPool")
def _max_pool(operands: Operands) -> OperationPlan:
    return OperationPlan("max_pool", [operands.value(0)], attributes=_pool(operands))


@translates("MaxPoolWithArgmax")
def _max_pool_with_places(operands: Operands) -> OperationPlan:
    attributes = {**_pool(operands), "with_batch": operands.node.flag("include_batch_in_index")}
    del attributes["rounding"]
    return OperationPlan("max_pool_with_argmax", [operands.value(0)], {}, attributes, 2)


@translates("ExtractImagePatches")
def _patches(operands: Operands) -> OperationPlan:
    node = operands.node
    attributes = {
        **LAST,
        "kernel": _spatial(node, "ksizes"),
        "stride": _spatial(node, "strides"),
        "dilation": _spatial(node, "rates"),
        "padding": _padding(node),
    }
    return OperationPlan("image_patches", [operands.value(0)], {}, attributes)


@translates("Dilation2D")
def _dilate(operands: Operands) -> OperationPlan:
    node = operands.node
    if operands.known(1) is None:
        raise refuse(node, "whose filters are worked out from the picture")
    attributes = {
        **LAST,
        "kernel": tuple(operands.shape(1)[:2]),
        "stride": _spatial(node, "strides"),
        "dilation": _spatial(node, "rates"),
        "padding": _padding(node),
    }
    return OperationPlan("dilate", [operands.value(0)], {"weight": operands.parameter(1)}, attributes)


@translates("MaxPoolV2")
def _max_pool_of_inputs(operands: Operands) -> OperationPlan:
    """The window is not written in the node, but given as constants."""
    node = operands.node
    kernel, stride = (_pair(node, whole_numbers(operands, place, "window")) for place in (1, 2))
    attributes = {
        **layout(node),
        "kernel": kernel,
        "stride": stride,
        "padding": _padding(node),
        "rounding": "floor",
    }
    return OperationPlan("max_pool", [operands.value(0)], {}, attributes)


@translates("AvgPool")
def _average_pool(operands: Operands) -> OperationPlan:
    return OperationPlan(
        "average_pool", [operands.value(0)], attributes={**_pool(operands), "count_padding": False}
    )


def _pool(operands: Operands) -> dict[str, Any]:
    node = operands.node
    return {**layout(node), "kernel": _spatial(node, "ksize"), **_window(node), "rounding": "floor"}


@translates("MatMul", "QuantizedMatMul")
def _matmul(operands: Operands) -> OperationPlan:
    node = operands.node
    transposes = node.flag("transpose_b")
    if node.flag("transpose_a"):
        return _product(operands, transposes)
    if operands.known(1) is None:
        return OperationPlan(
            "matmul", [operands.value(0), operands.value(1)], attributes={"transpose": transposes}
        )
    weight = operands.parameter(1, "plain" if transposes else "matrix")
    return OperationPlan("dense", [operands.value(0)], parameters={"weight": weight})


@translates("BatchMatMul", "BatchMatMulV2", "BatchMatMulV3")
def _batch_matmul(operands: Operands) -> OperationPlan:
    node = operands.node
    if node.flag("adj_x"):
        return _product(operands, node.flag("adj_y"))
    return OperationPlan(
        "matmul", [operands.value(0), operands.value(1)], attributes={"transpose": node.flag("adj_y")}
    )


@folds("MatMul", "BatchMatMul", "BatchMatMulV2", "BatchMatMulV3")
def _known_product(node: Node, inputs: Sequence[Array]) -> Array:
    """Return a product of known numbers: an update that stands beside its weights, as LoRA has it."""
    turns = [
        node.flag(name) or node.flag(other)
        for name, other in (("transpose_a", "adj_x"), ("transpose_b", "adj_y"))
    ]
    first, second = (
        np.swapaxes(array, -1, -2) if turned else array for array, turned in zip(inputs, turns, strict=True)
    )
    return np.asarray(first @ second, inputs[0].dtype)


def _product(operands: Operands, transposes: bool) -> OperationPlan:
    """Return the product of a first matrix that is turned around, and a second that may be."""
    equation = f"...ki,...{'jk' if transposes else 'kj'}->...ij"
    attributes = {"operator": "einsum", "arguments": (equation, ("$0", "$1"))}
    return OperationPlan("aten", [operands.value(0), operands.value(1)], {}, attributes)


def _window(node: Node) -> dict[str, Any]:
    """Return stride and padding; TensorFlow pads more at the bottom and at the right where it cannot be even."""
    return {"stride": _spatial(node, "strides"), "padding": _padding(node)}


def _padding(node: Node) -> Any:
    match node.text("padding"):
        case "SAME":
            return "same"
        case "VALID":
            return 0
        case "EXPLICIT":
            sides = node.integers("explicit_paddings")
            others = sides[:4] if node.channels_second else (*sides[:2], *sides[6:])
            if len(sides) == 8 and not any(others):
                top, bottom, left, right = sides[4:] if node.channels_second else sides[2:6]
                return (top, left, bottom, right)
    raise refuse(node, f"with the padding {node.text('padding')!r}")


def _dilation(node: Node) -> dict[str, Any]:
    dilation = _spatial(node, "dilations", default=(1, 1, 1, 1))
    return {} if dilation == (1, 1) else {"dilation": dilation}


def _spatial(node: Node, name: str, default: tuple[int, ...] = ()) -> tuple[int, int]:
    """Return the two sizes for height and width of a list of four, the others of which have to be 1."""
    return _pair(node, node.integers(name) or default, name)


def _pair(node: Node, sizes: Sequence[int], name: str = "window") -> tuple[int, int]:
    if len(sizes) == 4 and node.channels_second:
        sizes = (sizes[0], *sizes[2:], sizes[1])
    if len(sizes) != 4 or sizes[0] != 1 or sizes[3] != 1:
        raise refuse(node, f"whose {name} are {list(sizes)}")
    return sizes[1], sizes[2]
