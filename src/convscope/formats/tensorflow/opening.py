"""From a graph to a Network: read, its picture-reading head cut off, built, labeled."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from math import prod
from pathlib import Path

from convscope.errors import InputError, NetworkFileError, warn
from convscope.formats.given_shapes import GivenShape, given_shapes
from convscope.formats.network_parts import NetworkParts
from convscope.formats.request import Request
from convscope.formats.tensorflow.axes import (
    CONVOLUTIONS,
    channels_second,
    constant,
    note_of_mixture,
    picture_channels_second,
)
from convscope.formats.tensorflow.branches import follow_branches, inference_values
from convscope.formats.tensorflow.building import build_graph
from convscope.formats.tensorflow.coded import ranges_apart
from convscope.formats.tensorflow.dropout import without_dropout
from convscope.formats.tensorflow.fused import unfused
from convscope.formats.tensorflow.graph_def import read_graph_def
from convscope.formats.tensorflow.input_spec import find_input_spec, label_lists, usual_size
from convscope.formats.tensorflow.node import PLACEHOLDERS, Node
from convscope.formats.tensorflow.picture_readers import Head, behind, cut_head
from convscope.formats.tensorflow.record_readers import cut_readers
from convscope.formats.tensorflow.several import one_output_each
from convscope.network.origin import Origin
from convscope.network.parameters import Shape

_NUMBERS = ("DT_FLOAT", "DT_UINT8", "DT_HALF", "DT_DOUBLE", "DT_BFLOAT16", "")
_WHOLE_NUMBERS = ("DT_INT8", "DT_INT16", "DT_UINT16", "DT_INT32", "DT_UINT32", "DT_INT64", "DT_UINT64")


def open_tensorflow(request: Request) -> NetworkParts:
    """Read a GraphDef, frozen or with its checkpoint as `weights`, or a SavedModel's folder."""
    request.refuse(
        "rules", "architecture", because="a graph has its layers in its file, and none come and go"
    )
    path = request.path
    read = read_graph_def(path, request.weights)
    nodes, head = cut_head(unfused(one_output_each(ranges_apart(read.nodes))))
    nodes, records = cut_readers(nodes, texts=head is not None)
    for note in ((head.note,) if head is not None else ()) + records.notes:
        warn(f"{path}: {note}")
    sides = list(inference_values(nodes))
    if sides:
        notes = "; ".join(why for _, _, why in sides)
        warn(f"{path}, inputs that are no picture: {notes}")
    texts = head.texts if head is not None else {}
    values = {**texts, **records.values, **{name: value for name, value, _ in sides}}
    nodes = without_dropout(follow_branches(nodes, values), values)
    stated = {node.name: node.shape() for node in _inputs(nodes, request.inputs) if node.name not in values}
    if not stated:
        raise NetworkFileError(f"{path} has no input (Placeholder) that takes numbers, so no picture goes in")
    shapes = _input_shapes(stated, nodes, head, request.input_shape)
    if mixture := note_of_mixture(nodes):
        warn(f"{path}: {mixture}")
    last = not channels_second(nodes)
    graph = build_graph(nodes, shapes, _name(path), values=values, channels_last=last)
    spec = find_input_spec(graph, stated, nodes)
    if head is not None and spec is not None and "raw_scale" in spec.guesses:
        decoded = {"raw_scale": head.most, "mean": (), "input_scale": 1.0}
        spec = spec.replace(because="the graph decodes pictures itself", **decoded)
    return NetworkParts(graph, Origin(str(path), files=read.files), spec, label_lists=label_lists())


def _inputs(nodes: Sequence[Node], fixed: Collection[str]) -> list[Node]:
    """Return the placeholders that take numbers: first what has no value and reaches the first convolution."""
    placeholders = [node for node in nodes if _is_input(node)]
    by_name = {node.name: node for node in nodes}
    first = next((node for node in nodes if node.op in CONVOLUTIONS), None)
    reached = behind(first, by_name) if first is not None else set()
    return sorted(
        placeholders,
        key=lambda node: (
            node.name in fixed,
            node.text("dtype") in _WHOLE_NUMBERS,
            node.name not in reached,
            node.shape() == (),
        ),
    )


def _is_input(node: Node) -> bool:
    return node.op in PLACEHOLDERS and node.text("dtype") in (*_NUMBERS, *_WHOLE_NUMBERS)


def _name(path: Path) -> str:
    """Name a network by its file, or by its folder where all files are called like that."""
    common = path.stem in (
        "frozen_graph",
        "frozen",
        "saved_model",
        "graph",
        "model",
        "tensorflow_inception_graph",
    )
    return path.parent.name if common else path.stem


def _input_shapes(
    stated: Mapping[str, Shape | None],
    nodes: Sequence[Node],
    head: Head | None,
    given: GivenShape | None,
) -> dict[str, Shape]:
    """Return the shape of every input; what the file leaves open is told from the filters, or is a usual size."""
    named = given_shapes(given, stated)
    shapes: dict[str, Shape] = {}
    for name, shape in stated.items():
        if name in named:
            shapes[name] = _given_shape(name, shape, named[name])
            continue
        sizes = head.size if head is not None and head.size and name == head.input else None
        open_shape = shape is None or (not shape and head is not None)
        usual = _usual_shape(name, nodes, sizes) if open_shape or len(shape or ()) == 4 else ()
        full = usual if open_shape else shape or ()
        shapes[name] = tuple(
            size if size > 0 else usual[axis] if usual else 1 for axis, size in enumerate(full)
        )
    return shapes


def _given_shape(name: str, stated: Shape | None, given: Shape) -> Shape:
    """Return the shape that was given; InputError where the file says that the input has other axes."""
    if not given or min(given) < 1 or (stated and len(stated) != len(given)):
        axes = f"{len(stated)} axes, {stated}" if stated else "(batch, height, width, channels)"
        raise InputError(f"the input_shape of {name!r} has {axes}, not {given}")
    return tuple(map(int, given))


def _usual_shape(value: str, nodes: Sequence[Node], sizes: tuple[int, int] | None) -> Shape:
    """Return the shape of an input that says nothing, from whatever reads it first, its channels where that does."""
    side = usual_size(nodes)
    height, width = sizes or (side, side)
    by_name = {node.name: node for node in nodes}
    second = picture_channels_second(value, nodes)
    after = {value}
    for node in nodes:
        if not any(read.node in after for read in node.inputs):
            continue
        after.add(node.name)
        if node.op == "Reshape" and (spread := _shape_before(node, by_name)):
            return spread
        place = _LEARNED.get(node.op)
        if place is None or len(node.inputs) < 2:
            continue
        numbers = constant(by_name.get(node.inputs[1].node), by_name)
        if numbers is None or numbers.ndim <= place:
            break
        channels = int(numbers.shape[place])
        if node.op == "MatMul":
            return (1, channels)
        return (1, channels, height, width) if second else (1, height, width, channels)
    return (1, 3, height, width) if second else (1, height, width, 3)


def _shape_before(reshape: Node, named: Mapping[str, Node]) -> Shape:
    """Tell what a Reshape to stated sizes was given: a picture, or its numbers in a row; () where one is open."""
    rest = _sizes_after_first(named.get(reshape.inputs[1].node), named)
    if not rest or min(rest) < 1:
        return ()
    return (1, *rest) if len(rest) == 3 else (1, prod(rest))


def _sizes_after_first(node: Node | None, named: Mapping[str, Node]) -> Shape:
    """Return the sizes that a shape states behind the batch's, which may be the input's own; () where one is open."""
    if node is not None and node.op == "Pack":
        parts = [constant(named.get(read.node), named) for read in node.inputs[1:]]
        return tuple(-1 if part is None or part.size != 1 else int(part.item()) for part in parts)
    sizes = constant(node, named)
    return () if sizes is None or sizes.ndim != 1 else tuple(map(int, sizes[1:]))


_LEARNED = {
    **dict.fromkeys(("Conv2D", "DepthwiseConv2dNative"), 2),
    **dict.fromkeys(("BiasAdd", "FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3", "MatMul"), 0),
}
"""What reads numbers that tell the channels before it: on which of their axes those lie."""
