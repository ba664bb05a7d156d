"""The graph, run: a sub-graph is cut for exactly the tensors asked for and becomes a torch.fx module.

Nothing past the deepest target is computed, forward or backward, and a value is freed after its last reader.
The module is ordinary torch: autograd goes through it and `torch.compile` takes it.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable

import torch
from torch import Tensor, fx, nn

from convscope.network.graph import Graph, Operation
from convscope.network.operations import OPERATIONS


def cut(graph: Graph, targets: Iterable[str]) -> fx.GraphModule:
    """Return the module that takes the graph's inputs, in order, and gives a tuple of the targets.

    Its weights are buffers, so nothing but the input ever asks for a gradient.

    >>> logits, = cut(network.graph, ["loss3/classifier"])(x)
    """
    targets = tuple(targets)
    root, lines = nn.Module(), fx.Graph()
    nodes: dict[str, fx.Node] = {
        name: lines.placeholder(f"input_{index}") for index, name in enumerate(graph.inputs)
    }
    weights: dict[str, fx.Node] = {}
    for operation in graph.needed_for(targets):
        for key in operation.parameters.values():
            if key not in weights:
                root.register_buffer(f"p{len(weights)}", _laid_out(graph.parameters[key]))
                weights[key] = lines.get_attr(f"p{len(weights)}")
        result = _call(lines, operation, nodes, weights)
        if len(operation.outputs) == 1:
            nodes[operation.outputs[0]] = result
        else:
            for index, output in enumerate(operation.outputs):
                nodes[output] = lines.call_function(operator.getitem, (result, index))
    lines.output(tuple(nodes[target] for target in targets))
    lines.eliminate_dead_code()
    return fx.GraphModule(root, lines)


def _call(
    lines: fx.Graph, operation: Operation, nodes: dict[str, fx.Node], weights: dict[str, fx.Node]
) -> fx.Node:
    keywords = {role: weights[key] for role, key in operation.parameters.items()}
    node = lines.call_function(
        OPERATIONS[operation.kind],
        tuple(nodes[value] for value in operation.inputs),
        {**keywords, **operation.attributes},
    )
    node.meta["operation"] = operation.name
    return node


def _laid_out(parameter: Tensor) -> Tensor:
    """Give a 4-d weight the memory order in which convolutions run fastest; its shape stays."""
    return parameter.contiguous(memory_format=torch.channels_last) if parameter.dim() == 4 else parameter
