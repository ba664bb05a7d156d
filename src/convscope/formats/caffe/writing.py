"""A graph in Caffe's files: the description, the weights, or both in one."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from convscope.errors import NetworkFileError
from convscope.files import saved
from convscope.formats.caffe.exporting import layer_of
from convscope.formats.caffe.message import Message
from convscope.formats.caffe.saving import save_weights
from convscope.formats.caffe.text import write_text
from convscope.network.graph import Graph, Operation
from convscope.network.network import Network

_COUNTED = {"Convolution": "convolution_param", "InnerProduct": "inner_product_param"}


def save_caffe(network: Network, path: Path) -> None:
    """Write a network's weights; a ``.caffemodel`` holds the description too and opens by itself."""
    graph = network.graph
    parameters: dict[str, list[Tensor]] = {}
    for operation in graph.operations:
        keys = operation.parameters.values()
        if keys and operation.type_name != "DummyData":
            parameters[operation.name] = [graph.parameters[key] for key in keys]
    save_weights(describe(graph), parameters, path)


def save_description(network: Network, path: Path) -> None:
    """Write a network's description as text, without its weights."""
    with saved(path, raises=NetworkFileError) as partial:
        partial.write_text(write_text(describe(network.graph)), encoding="utf-8")


def describe(graph: Graph) -> Message:
    """Return the graph as a V2 net: inputs first, then each layer: its own definition, or Caffe's for its operation."""
    net = Message("NetParameter", name=graph.name)
    for name, shape in graph.inputs.items():
        blob = name.partition("@")[0]
        layer = net.add("layer", name=blob, type="Input", top=[blob])
        layer.ensure("input_param").add("shape").dim = list(shape)
    net.layer = [*net.layer, *(_definition(graph, operation) for operation in graph.operations)]
    return net


def _definition(graph: Graph, operation: Operation) -> Message:
    if not isinstance(operation.definition, Message):
        return layer_of(operation, graph.parameters)
    layer = operation.definition.copy()
    for rules in ("include", "exclude"):
        layer.clear(rules)
    if layer.type == "SoftmaxWithLoss":
        layer.type, layer.bottom, layer.top = "Softmax", layer.bottom[:1], [operation.outputs[0]]
    if (parameters := _COUNTED.get(layer.type)) and "weight" in operation.parameters:
        transposed = bool(operation.attributes.get("transpose"))
        outputs = graph.parameters.shapes[operation.parameters["weight"]][1 if transposed else 0]
        layer.ensure(parameters).num_output = outputs
    return layer
