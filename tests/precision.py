"""The same network in float64, where gradients can be compared number by number."""

from dataclasses import replace

from torch import Tensor

from convscope.network.network import Network


def in_double_precision(network: Network) -> Network:
    graph = replace(network.graph, parameters=network.graph.parameters.mapped(Tensor.double))
    return Network(graph, input_spec=network.input_spec, labels=network.labels)
