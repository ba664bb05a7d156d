"""The part of a graph that reads picture files, which is cut off: convscope reads pictures itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from convscope.formats.tensorflow.loops import Loop
from convscope.formats.tensorflow.made_nodes import constant_node, placeholder
from convscope.formats.tensorflow.node import PLACEHOLDERS, Node, OutputReference
from convscope.formats.tensorflow.tensors import Array, to_array

DECODERS = ("DecodeJpeg", "DecodePng", "DecodeBmp", "DecodeGif", "DecodeImage", "DecodeAndCropJpeg")
_PASSING = frozenset(
    {"Cast", "ExpandDims", "Identity", "Squeeze", "Reshape", "ResizeBilinear", "ResizeNearestNeighbor"}
)
_PASSING |= {"ResizeBicubic", "ResizeArea"}


@dataclass(frozen=True)
class Head:
    """What was cut off: `input` is the value it made, `size` the (height, width) it resized pictures to, if it did.

    Its numbers go to `most`. `texts` stand for texts that are not there: all that is read of them is that there is one.
    """

    input: str
    size: tuple[int, int] | None
    note: str
    most: float = 255.0
    texts: Mapping[str, Array] = field(default_factory=dict)


def cut_head(nodes: list[Node]) -> tuple[list[Node], Head | None]:
    """Return the nodes without those that make a picture out of a file, and what is known of these.

    What comes after the decoding and the resizing stays: its input is a picture in numbers from 0 to 255.
    """
    decoder = next((node for node in nodes if node.op in DECODERS), None)
    if decoder is None:
        return _cut_in_loop(nodes)
    by_name = {node.name: node for node in nodes}
    last, batched = _last_of_head(decoder, nodes)
    removed = behind(last, by_name)
    names = {read.node for node in nodes if node.name not in removed for read in node.inputs}
    shared = {name for name in removed & names if by_name[name].op == "Const"}
    picture = [Node(last.name, "Placeholder", (), {})] if batched else _picture_alone(last.name)
    remaining = [
        replace(node, inputs=tuple(_moved(read, last.name, picture[-1].name) for read in node.inputs))
        for node in nodes
        if node.name not in removed - shared
    ]
    at = next((at for at, node in enumerate(nodes) if node is last), 0)
    kept = sum(node.name not in removed - shared for node in nodes[:at])
    remaining[kept:kept] = picture
    note = (
        f"{last.name} is the input: {decoder.name!r} ({decoder.op}) and what follows up to it, "
        "which make a picture out of a file, are cut off"
    )
    return remaining, Head(last.name, _resized_to(removed, by_name), note, _most(decoder))


def _cut_in_loop(nodes: list[Node]) -> tuple[list[Node], Head | None]:
    """Return the nodes with the one picture that a loop over files (``tf.map_fn``) decodes as an input of the loop.

    The loop goes one round: the texts that it goes over are taken for one.
    """
    found = (
        (loop, each) for loop in nodes if isinstance(loop, Loop) for each in loop.body if each.op in DECODERS
    )
    loop, decoder = next(found, (None, None))
    if loop is None or decoder is None:
        return nodes, None
    by_name = {node.name: node for node in nodes}
    picture, variable = _picture_alone(decoder.name), f"{loop.name}/picture"
    body = [
        replace(each, inputs=tuple(_moved(read, decoder.name, variable) for read in each.inputs))
        for each in loop.body
        if each is not decoder
    ]
    cut = replace(
        loop,
        inputs=(*loop.inputs, OutputReference(picture[-1].name, 0)),
        variables=(*loop.variables, variable),
        body=tuple(body),
    )
    texts: dict[str, Array] = {
        name: np.zeros([max(size, 1) for size in by_name[name].shape() or (1,)], np.int32)
        for name in behind(loop, by_name)
        if by_name[name].op in PLACEHOLDERS and by_name[name].text("dtype") == "DT_STRING"
    }
    size = _resized_to(
        [each.name for each in loop.body], {**by_name, **{each.name: each for each in loop.body}}
    )
    note = (
        f"{decoder.name} is the input: {decoder.op}, which the loop {loop.name!r} makes pictures out of files with, is "
        "cut off, and the loop goes one round"
    )
    at = next(at for at, node in enumerate(nodes) if node is loop)
    return [*nodes[:at], *picture, cut, *nodes[at + 1 :]], Head(
        decoder.name, size, note, _most(decoder), texts
    )


def _picture_alone(name: str) -> list[Node]:
    """Return an input of one picture, as all inputs are, and the picture without the axis of how many there are."""
    first = constant_node(f"{name}/first", np.array(0, np.int32))
    reads = tuple(OutputReference(each, 0) for each in (name, first.name))
    return [placeholder(name, "DT_FLOAT"), first, Node(f"{name}/picture", "GatherV2", reads, {})]


def _moved(read: OutputReference, name: str, to: str) -> OutputReference:
    return OutputReference(to, 0) if read == OutputReference(name, 0) else read


def _last_of_head(decoder: Node, nodes: Sequence[Node]) -> tuple[Node, bool]:
    """Return the last node that only makes a picture of the file, and whether it has an axis of how many there are."""
    by_name = {node.name: node for node in nodes}
    readers: dict[str, list[Node]] = {}
    for node in nodes:
        for read in dict.fromkeys(read.node for read in node.inputs):
            readers.setdefault(read, []).append(node)
    last, batched = decoder, decoder.op == "DecodeGif"
    while len(following := readers.get(last.name, [])) == 1 and following[0].op in _PASSING:
        last = following[0]
        if last.op == "Reshape":
            sizes = _known(by_name[last.inputs[1].node]) if len(last.inputs) > 1 else None
            batched = sizes is None or sizes.size == 4
        batched = (
            batched or last.op == "ExpandDims" or last.op.startswith("Resize")
        ) and last.op != "Squeeze"
    return last, batched


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


def _most(decoder: Node) -> float:
    """Return the largest number of a decoded picture; ``decode_image`` may make it 1."""
    return {"DT_FLOAT": 1.0, "DT_UINT16": 65535.0}.get(decoder.text("dtype"), 255.0)


def _resized_to(head: Iterable[str], by_name: Mapping[str, Node]) -> tuple[int, int] | None:
    """Return the (height, width) that the head resizes its pictures to."""
    for node in (by_name[name] for name in head):
        if node.op.startswith("Resize") and len(node.inputs) > 1:
            return _size(by_name[node.inputs[1].node])
    return None


def _size(node: Node) -> tuple[int, int] | None:
    size = _known(node)
    return (int(size[0]), int(size[1])) if size is not None and size.shape == (2,) else None


def _known(node: Node) -> Array | None:
    return to_array(node.attributes["value"].tensor, node.name) if node.op == "Const" else None
