"""The part of a graph that reads picture files, which is cut off: convscope reads pictures itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from convscope.formats.tensorflow.node import Node
from convscope.formats.tensorflow.tensors import to_array

DECODERS = ("DecodeJpeg", "DecodePng", "DecodeBmp", "DecodeGif", "DecodeImage", "DecodeAndCropJpeg")
_PASSING = frozenset(
    {"Cast", "ExpandDims", "Identity", "Squeeze", "Reshape", "ResizeBilinear", "ResizeNearestNeighbor"}
)
_PASSING |= {"ResizeBicubic", "ResizeArea"}


@dataclass(frozen=True)
class Head:
    """What was cut off: `input` is the value it made, `size` the (height, width) it resized pictures to, if it did."""

    input: str
    size: tuple[int, int] | None
    note: str


def cut_head(nodes: list[Node]) -> tuple[list[Node], Head | None]:
    """Return the nodes without those that make a picture out of a file, and what is known of these.

    What comes after the decoding and the resizing stays: its input is a picture in numbers from 0 to 255.
    """
    decoder = next((node for node in nodes if node.op in DECODERS), None)
    if decoder is None:
        return nodes, None
    by_name = {node.name: node for node in nodes}
    last = _last_of_head(decoder, nodes)
    removed = behind(last, by_name)
    names = {read.node for node in nodes if node.name not in removed for read in node.inputs}
    shared = {name for name in removed & names if by_name[name].op == "Const"}
    picture = Node(last.name, "Placeholder", (), {})
    remaining = [
        picture if node is last else node
        for node in nodes
        if node.name not in removed - shared or node is last
    ]
    note = (
        f"{last.name} is the input: {decoder.name!r} ({decoder.op}) and what follows up to it, "
        "which make a picture out of a file, are cut off"
    )
    return remaining, Head(last.name, _resized_to(removed, by_name), note)


def _last_of_head(decoder: Node, nodes: Iterable[Node]) -> Node:
    readers: dict[str, list[Node]] = {}
    for node in nodes:
        for read in dict.fromkeys(read.node for read in node.inputs):
            readers.setdefault(read, []).append(node)
    last = decoder
    while len(following := readers.get(last.name, [])) == 1 and following[0].op in _PASSING:
        last = following[0]
    return last


def behind(last: Node, by_name: Mapping[str, Node]) -> set[str]:
    """Return the names of a node and of all it needs."""
    names: set[str] = set()
    waiting = [last.name]
    while waiting:
        name = waiting.pop()
        if name not in names and name in by_name:
            names.add(name)
            waiting += [read.node for read in by_name[name].inputs]
    return names


def _resized_to(head: Iterable[str], by_name: Mapping[str, Node]) -> tuple[int, int] | None:
    """Return the (height, width) that the head resizes its pictures to."""
    for node in (by_name[name] for name in head):
        if node.op.startswith("Resize") and len(node.inputs) > 1:
            return _size(by_name[node.inputs[1].node])
    return None


def _size(node: Node) -> tuple[int, int] | None:
    size = to_array(node.attributes["value"].tensor, node.name) if node.op == "Const" else None
    return (int(size[0]), int(size[1])) if size is not None and size.shape == (2,) else None
