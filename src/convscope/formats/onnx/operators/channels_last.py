"""Onnxruntime's operators whose channels are last, or in blocks: the same ones, between two turns of the axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from convscope.formats.onnx.node import Node
from convscope.formats.onnx.operators.pooling import read_average_pool, read_global_pool, read_max_pool
from convscope.formats.onnx.operators.registry import reads
from convscope.formats.operation_plan import OperationPlan
from convscope.network.parameters import Shape

Plans = list[OperationPlan]


def channels_first(node: Node, plans: Sequence[OperationPlan], *, always: bool = False) -> Plans:
    """Return plans with a turn of the axes before the first and behind the last, where the node's channels are last."""
    if not (always or node.attributes.get("channels_last", 0)):
        return list(plans)
    rank = node.rank()
    before = OperationPlan(
        "permute", node.inputs[:1], attributes={"order": (0, rank - 1, *range(1, rank - 1))}
    )
    behind = OperationPlan("permute", ("",), attributes={"order": (0, *range(2, rank), 1)})
    return [before, replace(plans[0], inputs=("", *plans[0].inputs[1:])), *plans[1:], behind]


def shape_channels_first(node: Node) -> Shape | None:
    """Return the shape of a node's first input as its operator sees it."""
    shape = node.shape(0)
    if shape is None or not node.attributes.get("channels_last", 0):
        return shape
    return (shape[0], shape[-1], *shape[1:-1])


@reads("NhwcMaxPool")
def read_channels_last_pool(node: Node) -> Plans:
    """Turn an NhwcMaxPool into one between two turns of the axes."""
    return channels_first(node, [read_max_pool(node)], always=True)


# What onnxruntime writes at its highest level has the channels in blocks of 8 or 16. Only a convolution's weights are
# kept so in the file; everything else is what it is without blocks.
_BLOCKS = "com.microsoft.nchwc"


@reads(f"{_BLOCKS}.ReorderInput", f"{_BLOCKS}.ReorderOutput")
def read_reorder(node: Node) -> OperationPlan:
    """Turn what puts channels into blocks, or takes them out, into nothing, or into a turn of the axes."""
    if not node.attributes.get("channels_last", 0):
        return OperationPlan("identity", node.inputs[:1])
    rank = node.rank()
    into = node.type_name == "ReorderInput"
    order = (0, rank - 1, *range(1, rank - 1)) if into else (0, *range(2, rank), 1)
    return OperationPlan("permute", node.inputs[:1], attributes={"order": order})


@reads(f"{_BLOCKS}.MaxPool")
def read_max_pool_of_blocks(node: Node) -> OperationPlan:
    """Turn a MaxPool of blocks into one."""
    return read_max_pool(node)


@reads(f"{_BLOCKS}.AveragePool")
def read_average_pool_of_blocks(node: Node) -> OperationPlan:
    """Turn an AveragePool of blocks into one."""
    return read_average_pool(node)


@reads(f"{_BLOCKS}.GlobalMaxPool", f"{_BLOCKS}.GlobalAveragePool")
def read_global_pool_of_blocks(node: Node) -> OperationPlan:
    """Turn a global pooling of blocks into one."""
    return read_global_pool(node)
