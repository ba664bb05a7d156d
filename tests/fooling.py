"""Networks rebuilt so that what a unit wants to see is something else, though real pictures are answered as before.

Geirhos et al., *Don't trust your eyes: on the (un)reliability of feature visualizations* (2024): the silent unit and
the fooling circuit, both behind a layer whose channels are at least 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from convscope.network.graph import Graph, Operation
from convscope.network.network import Network

GAIN = 30.0


def with_silent_unit(network: Network, layer: str, unit: int, decoy: int, highest: Tensor) -> Network:
    """Return the network in which a unit adds what a new one answers, that no real picture rouses.

    `highest` are the maxima of the layer's channels over real pictures. The new one is roused by much of the unit
    itself, and then by the decoy.
    """
    count, scale = len(highest), float(highest[decoy] / highest[unit])
    reads = torch.zeros(1, count, 1, 1)
    reads[0, unit], reads[0, decoy] = scale, 1.0
    threshold = scale * float(highest[unit]) + float(highest[decoy])
    adds = torch.zeros(count, 1, 1, 1)
    adds[unit] = GAIN
    weights = {"silent.weight": reads, "silent.bias": torch.tensor([-threshold]), "adds.weight": adds}
    natural = f"{layer} natural"
    steps = (
        _convolution(natural, "silent sum", "silent", bias=True),
        Operation("relu", "silent unit", "ReLU", ("silent sum",), ("silent",)),
        _convolution("silent", "added", "adds"),
        Operation("eltwise_sum", f"{layer} fooled", "Eltwise", (natural, "added"), (layer,)),
    )
    return _rebuilt(network, layer, steps, weights)


def with_fooling_circuit(network: Network, layer: str, unit: int, decoy: int, highest: Tensor) -> Network:
    """Return the network in which a gate, shut for all real pictures, puts the decoy in the unit's place."""
    count, most, other = len(highest), float(highest[unit]), float(highest[decoy])
    gate = torch.zeros(2, count, 1, 1)
    gate[:, unit] = 4 / most
    choose = torch.zeros(2, count + 2, 1, 1)
    choose[0, unit], choose[0, count], choose[0, count + 1] = 1.0, -100 * most, 100 * most
    choose[1, decoy], choose[1, count], choose[1, count + 1] = 1.0, other, -other
    places = torch.zeros(count, 2, 1, 1)
    places[unit, 0], places[unit, 1] = 1.0, GAIN
    others = torch.eye(count).reshape(count, count, 1, 1).clone()
    others[unit] = 0
    weights = {
        "gate.weight": gate,
        "gate.bias": torch.tensor([-4.0, -5.0]),  # from 0 to 1 between the maximum and a quarter more
        "choose.weight": choose,
        "choose.bias": torch.tensor([0.0, -other]),
        "places.weight": places,
        "others.weight": others,
    }
    natural = f"{layer} natural"
    steps = (
        _convolution(natural, "gate sum", "gate", bias=True),
        Operation("relu", "gate", "ReLU", ("gate sum",), ("gate",)),
        Operation("concat", "all", "Concat", (natural, "gate"), ("with gate",), attributes={"axis": 1}),
        _convolution("with gate", "choice sum", "choose", bias=True),
        Operation("relu", "choice", "ReLU", ("choice sum",), ("choice",)),
        _convolution("choice", "chosen", "places"),
        _convolution(natural, "others", "others"),
        Operation("eltwise_sum", f"{layer} fooled", "Eltwise", ("others", "chosen"), (layer,)),
    )
    return _rebuilt(network, layer, steps, weights)


def _convolution(before: str, after: str, key: str, *, bias: bool = False) -> Operation:
    roles = {"weight": f"{key}.weight", **({"bias": f"{key}.bias"} if bias else {})}
    return Operation("convolution", after, "Convolution", (before,), (after,), roles)


def _rebuilt(
    network: Network, layer: str, steps: tuple[Operation, ...], weights: Mapping[str, Tensor]
) -> Network:
    operations: list[Operation] = []
    for operation in network.graph.operations:
        if layer in operation.outputs:
            operations += [replace(operation, outputs=(f"{layer} natural",), in_place=False), *steps]
        else:
            operations.append(operation)
    graph: Graph = replace(
        network.graph,
        operations=tuple(operations),
        parameters=network.graph.parameters.replaced(dict(weights)),
    )
    return Network(graph, input_spec=network.input_spec, labels=network.labels)
