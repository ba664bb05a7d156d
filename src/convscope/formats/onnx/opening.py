"""From an ONNX file to a Network."""

from __future__ import annotations

from convscope.formats.network_parts import NetworkParts
from convscope.formats.onnx.building import build_graph
from convscope.formats.onnx.model import read_model
from convscope.formats.onnx.preprocessing import find_input_spec, named_classes
from convscope.formats.request import Request
from convscope.network.labels import imagenet_labels
from convscope.network.origin import Origin


def open_onnx(request: Request) -> NetworkParts:
    """Read an ONNX network; its weights stay in the file, and the files beside it, until they are used.

    `input_shape` is for files that leave their input's size open; without it that is 1 x 3 x 224 x 224.
    """
    request.refuse("weights", "rules", "architecture", because="an ONNX file has all of its network")
    path = request.path
    model = read_model(path)
    # The picture is the first that is left.
    model.graph.input.sort(key=lambda value: value.name in request.inputs)
    graph = build_graph(model, path, request.input_shape, request.inputs)
    return NetworkParts(
        graph,
        Origin(str(path), files=(path,)),
        find_input_spec(model, graph, path, request.input_shape),
        label_lists=(named_classes(model), imagenet_labels()),
    )
