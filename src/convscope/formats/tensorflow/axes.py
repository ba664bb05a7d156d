"""Where a graph's maps have their channels, and where its picture has them: a Transpose may lie between the two."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from convscope.formats.tensorflow.node import Node
from convscope.formats.tensorflow.tensors import Array, to_array
from convscope.network.parameters import Shape

CONVOLUTIONS = ("Conv2D", "DepthwiseConv2dNative")
_SPATIAL = (
    *CONVOLUTIONS,
    *("Conv2DBackpropInput", "MaxPool", "AvgPool", "FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3"),
)
_TURNS = ([0, 3, 1, 2], [0, 2, 3, 1])


def channels_second(nodes: Sequence[Node]) -> bool:
    """Tell where most of a graph's maps have their channels: on the second axis, or on the last."""
    votes = [node.channels_second for node in nodes if node.op in _SPATIAL]
    if not votes:
        votes = [node.channels_second for node in nodes if node.text("data_format")]
    return 2 * sum(votes) > len(votes)


def note_of_mixture(nodes: Sequence[Node]) -> str | None:
    """Say in one line that the channels are not everywhere on the same axis; None where they are."""
    most = channels_second(nodes)
    others = [node.name for node in nodes if node.op in _SPATIAL and node.channels_second is not most]
    if not others:
        return None
    where, elsewhere = ("second", "last") if most else ("last", "second")
    few = ", ".join(map(repr, others[:3])) + (f" and {len(others) - 3} more" if len(others) > 3 else "")
    return (
        f"the channels are {where}, but {elsewhere} in {few}: of those the pictures show rows as channels. "
        "Export the graph with one data_format"
    )


def picture_channels_second(value: str, nodes: Sequence[Node]) -> bool:
    """Tell where an input has its channels: as what reads it first, or the other way where it is turned before."""
    by_name = {node.name: node for node in nodes}
    is_second = {value: False}
    for node in nodes:
        before = next((is_second[read.node] for read in node.inputs if read.node in is_second), None)
        if before is None:
            continue
        if node.op in _SPATIAL:
            return node.channels_second is not before
        order = constant(by_name.get(node.inputs[-1].node), by_name) if node.op == "Transpose" else None
        is_second[node.name] = before is not (order is not None and order.tolist() in _TURNS)
    return channels_second(nodes)


def looks_channels_last(shape: Shape, second: bool) -> bool:
    """Whether a picture's shape has its channels last: not where the graph says `second`, unless only that fits."""
    last = not second
    place, other = (3, 1) if last else (1, 3)
    return not last if shape[place] not in (1, 3) and shape[other] in (1, 3) else last


def constant(node: Node | None, by_name: Mapping[str, Node]) -> Array | None:
    """Return the numbers of a constant, also where it is read through an Identity."""
    while node is not None and node.op == "Identity":
        node = by_name.get(node.inputs[0].node)
    if node is None or "value" not in node.attributes:
        return None
    return to_array(node.attributes["value"].tensor, node.name)
