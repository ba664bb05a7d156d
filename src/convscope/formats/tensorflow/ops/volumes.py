"""Filters and windows along three axes: films, and what a scanner saw."""

from __future__ import annotations

from typing import Any

from convscope.formats.operation_plan import OperationPlan
from convscope.formats.tensorflow.node import Node
from convscope.formats.tensorflow.ops.convolution import layout
from convscope.formats.tensorflow.translation import Operands, refuse, translates, whole_numbers


@translates("Conv3D")
def _convolution(operands: Operands) -> OperationPlan:
    node, channels = operands.node, operands.shape(0)[1 if operands.node.channels_second else -1]
    if operands.known(1) is None:
        raise refuse(node, "whose filters are worked out from the picture")
    depth = operands.shape(1)[3]
    attributes: dict[str, Any] = {
        **layout(node),
        "stride": _sizes(node, "strides"),
        "padding": _padding(node),
        "dilation": _sizes(node, "dilations", (1, 1, 1)),
        "groups": channels // depth if depth and channels % depth == 0 else 1,
    }
    parameters = {"weight": operands.parameter(1, "volumes")}
    return OperationPlan("convolution", [operands.value(0)], parameters, attributes)


@translates("Conv3DBackpropInputV2")
def _transposed(operands: Operands) -> OperationPlan:
    """A transposed convolution, to the size that TensorFlow says."""
    node = operands.node
    if operands.known(1) is None or set(_sizes(node, "dilations", (1, 1, 1))) != {1}:
        raise refuse(node, "with dilations, or whose filters are worked out from the picture")
    places = slice(2, 5) if node.channels_second else slice(1, 4)
    size = tuple(whole_numbers(operands, 0, "output size")[places])
    attributes = {**layout(node), "stride": _sizes(node, "strides"), "size": size}
    parameters = {"weight": operands.parameter(1, "volumes")}
    return OperationPlan("deconvolution", [operands.value(2)], parameters, attributes)


@translates("MaxPool3D", "AvgPool3D")
def _pool(operands: Operands) -> OperationPlan:
    """A mean is of the input's own numbers."""
    node = operands.node
    attributes = {
        **layout(node),
        "kernel": _sizes(node, "ksize"),
        "stride": _sizes(node, "strides"),
        "padding": _padding(node),
        "summary": "maximum" if node.op == "MaxPool3D" else "mean",
    }
    return OperationPlan("pool_along_axes", [operands.value(0)], {}, attributes)


def _padding(node: Node) -> str | int:
    padding = node.text("padding")
    if padding not in ("SAME", "VALID"):
        raise refuse(node, f"with the padding {padding!r}")
    return "same" if padding == "SAME" else 0


def _sizes(node: Node, name: str, default: tuple[int, ...] = ()) -> tuple[int, ...]:
    """Return the three sizes for depth, height and width of a list of five, the others of which have to be 1."""
    sizes = node.integers(name)
    if not sizes and default:
        return default
    others = sizes[:2] if node.channels_second else (*sizes[:1], *sizes[-1:])
    if len(sizes) != 5 or set(others) != {1}:
        raise refuse(node, f"whose {name} are {list(sizes)}")
    return sizes[2:] if node.channels_second else sizes[1:4]
