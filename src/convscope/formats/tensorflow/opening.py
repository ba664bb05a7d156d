"""From a frozen graph to a Network: read, its picture-reading head cut off, built, labeled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from warnings import warn

from convscope.errors import ConvscopeWarning, InputError, NetworkFileError
from convscope.formats.network_parts import NetworkParts
from convscope.formats.request import Request
from convscope.formats.tensorflow.building import build_graph
from convscope.formats.tensorflow.graph_def import SAVED_MODEL, read_graph_def
from convscope.formats.tensorflow.heads import Head, cut_head
from convscope.formats.tensorflow.input_spec import find_input_spec, label_lists, usual_size
from convscope.formats.tensorflow.node import Node
from convscope.formats.tensorflow.tensors import to_array
from convscope.network.origin import Origin
from convscope.network.parameters import Shape

_PLACEHOLDERS = ("Placeholder", "PlaceholderV2", "PlaceholderWithDefault")
_NUMBERS = ("DT_FLOAT", "DT_UINT8", "DT_HALF", "DT_DOUBLE", "DT_BFLOAT16", "")


def open_tensorflow(request: Request) -> NetworkParts:
    """Read a frozen GraphDef, or a SavedModel's folder whose graph is frozen."""
    request.refuse("weights", "rules", because="a frozen graph holds its weights")
    path = request.path
    nodes, head = cut_head(read_graph_def(path))
    if head is not None:
        warn(f"{path}: {head.note}", ConvscopeWarning, stacklevel=3)
    stated = {node.name: node.shape() for node in nodes if _is_input(node)}
    if not stated:
        raise NetworkFileError(f"{path} has no input (Placeholder) that takes numbers, so no picture goes in")
    graph = build_graph(nodes, _input_shapes(stated, nodes, head, request.input_shape), _name(path))
    file = path / SAVED_MODEL if path.is_dir() else path
    spec = find_input_spec(graph, stated, nodes)
    return NetworkParts(graph, Origin(str(path), files=(file,)), spec, label_lists=label_lists())


def _is_input(node: Node) -> bool:
    return node.op in _PLACEHOLDERS and node.text("dtype") in _NUMBERS


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
    stated: Mapping[str, Shape | None], nodes: Sequence[Node], head: Head | None, given: Shape | None
) -> dict[str, Shape]:
    """Return the shape of every input; what the file leaves open is told from the filters, or is a usual size."""
    shapes: dict[str, Shape] = {}
    for name, shape in stated.items():
        if given is not None and not shapes:
            if len(given) != 4 or min(given) < 1:
                raise InputError(f"an input_shape is (batch, height, width, channels), not {given}")
            shapes[name] = tuple(map(int, given))
            continue
        sizes = head.size if head is not None and head.size and name == head.input else None
        side = usual_size(nodes)
        usual = (1, *(sizes or (side, side)), _channels(name, nodes))
        known = usual if shape is None or (not shape and head is not None) else shape
        shapes[name] = tuple(
            size if size > 0 else usual[axis] if len(known) == 4 else 1 for axis, size in enumerate(known)
        )
    return shapes


def _channels(value: str, nodes: Sequence[Node]) -> int:
    """Tell an input's channels from the filters of the first convolution after it; 3 where there is none."""
    named = {node.name: node for node in nodes}
    after = {value}
    for node in nodes:
        if not any(read.node in after for read in node.inputs):
            continue
        if node.op in ("Conv2D", "DepthwiseConv2dNative"):
            filters = named.get(node.inputs[1].node)
            while filters is not None and filters.op == "Identity":
                filters = named.get(filters.inputs[0].node)
            array = None
            if filters is not None and "value" in filters.attributes:
                array = to_array(filters.attributes["value"].tensor, filters.name)
            return int(array.shape[2]) if array is not None and array.ndim == 4 else 3
        after.add(node.name)
    return 3
