"""Nodes that do several things at once, which TensorFlow's own tools make of plain ones, taken apart again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from convscope.formats.protobuf.message import Message
from convscope.formats.tensorflow.node import Node, OutputReference

_FUSED = ("FusedPadConv2D", "FusedResizeAndPadConv2D")


def unfused(nodes: Sequence[Node]) -> list[Node]:
    """Return the nodes with each fused one as those it was made of; the last of them has its name."""
    return [part for node in nodes for part in (_parts(node) if node.op in _FUSED else (node,))]


def _parts(node: Node) -> Iterator[Node]:
    """Yield a convolution of a picture that gets a mirrored border, and before that perhaps another size."""
    picture, *others, filters = node.inputs
    if len(others) == 2:
        corners = _renamed(node, resize_align_corners="align_corners")
        yield Node(f"{node.name}/resized", "ResizeBilinear", (picture, others.pop(0)), corners)
        picture = OutputReference(f"{node.name}/resized", 0)
    yield Node(f"{node.name}/bordered", "MirrorPad", (picture, *others), _renamed(node, mode="mode"))
    window = _renamed(node, strides="strides", padding="padding", T="T")
    yield Node(node.name, "Conv2D", (OutputReference(f"{node.name}/bordered", 0), filters), window)


def _renamed(node: Node, **names: str) -> dict[str, Message]:
    """Return those attributes that the node has, under the names they have in a plain node."""
    return {new: node.attributes[old] for old, new in names.items() if old in node.attributes}
