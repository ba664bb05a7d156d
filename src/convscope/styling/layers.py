"""Which layers stand for content and style: VGG's by what they are, whatever a format calls them; others by depth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from convscope.errors import InputError
from convscope.looking.stages import stages
from convscope.network.graph import Graph, Operation
from convscope.network.network import Network
from convscope.network.operations import kind_of
from convscope.network.rewriting import is_relu

_BLOCKS = 5
_DEEPEST = 16  # times smaller than the picture: beyond, maps of style are a few positions
_CONTENT = 8


def vgg_layers(network: Network, *, before_relu: bool = False) -> Mapping[str, str]:
    """Return VGG's own names (``conv4_2``) to the network's addresses, after the ReLU; nothing for other networks.

    A network is a VGG by what it does: one convolution of 3 x 3 after the other, in five blocks between poolings.

    >>> vgg_layers(convscope.open_network("torchvision:vgg19"))["conv4_2"]
    'features.22'
    """
    graph, layers = network.graph, dict[str, str]()
    block, index = 1, 0
    for operation in graph.operations:
        if kind_of(operation.kind).part == "join":
            return {}
        if kind_of(operation.kind).part == "pooling":
            block, index = block + (index > 0), 0
        if operation.kind == "convolution":
            if graph.parameters.shapes[operation.parameters["weight"]][2:] != (3, 3):
                return {} if block <= _BLOCKS else layers
            index += 1
            value = operation.outputs[0]
            layers[f"conv{block}_{index}"] = value if before_relu else _after_relu(graph, value)
    is_vgg = {f"conv{number}_1" for number in range(1, _BLOCKS + 1)} <= layers.keys()
    return layers if is_vgg else {}


def _after_relu(graph: Graph, value: str) -> str:
    """Follow a convolution's answers through normalizations to the ReLU."""
    while len(readers := graph.consumers[value]) == 1 and _stays_in_place(readers[0]):
        value = readers[0].outputs[0]
        if is_relu(readers[0]):
            break
    return value


def _stays_in_place(operation: Operation) -> bool:
    return is_relu(operation) or operation.kind in ("batch_norm", "scale", "bias", "add")


def chosen_layers(
    network: Network, weights_by_name: Mapping[str, float], what: str, *, before_relu: bool = False
) -> Mapping[str, float]:
    """Return addresses with weights for a preset's layers, which are VGG's; `what` is "content" or "style".

    A VGG has them, under whatever names (a shorter one the last of a block for those it lacks). Any other network gets
    layers of its own: for the content the last with maps an eighth of the picture's side, for the style what is worth
    showing of each earlier stage, and the first of the next. Their weights are the preset's, from first to last and
    with the same sum.
    """
    if vgg := vgg_layers(network, before_relu=before_relu):
        weights_by_layer = dict.fromkeys((vgg[_existing(name, vgg)] for name in weights_by_name), 0.0)
        for name, weight in weights_by_name.items():  # two may be one layer of a shorter VGG
            weights_by_layer[vgg[_existing(name, vgg)]] += weight
        return weights_by_layer
    layers = _style_layers(network) if what == "style" else _content_layers(network)
    weights = np.interp(
        np.linspace(0, 1, len(layers)),
        np.linspace(0, 1, len(weights_by_name)),
        list(weights_by_name.values()),
    )
    weights *= sum(weights_by_name.values()) / weights.sum()
    return dict(zip(layers, map(float, weights), strict=True))


def _existing(name: str, known: Mapping[str, str]) -> str:
    """Return the layer of that name, or the last of its block in a shorter VGG."""
    block = name.rpartition("_")[0]
    return name if name in known else [other for other in known if other.startswith(f"{block}_")][-1]


def _content_layers(network: Network) -> Sequence[str]:
    side, candidates = _side(network), stages(network)
    return [min(candidates, key=lambda stage: abs(np.log2(side / max(stage.size) / _CONTENT))).shown[-1]]


def _style_layers(network: Network) -> Sequence[str]:
    side = _side(network)
    layers: dict[str, None] = {}
    for stage in stages(network):
        times = side / max(stage.size)
        deepest = times > _DEEPEST * 0.6
        layers |= dict.fromkeys(stage.shown[:1] if deepest else stage.shown)
        if deepest:
            break
    return [name for name in layers if name not in network.graph.inputs]


def _side(network: Network) -> int:
    spec = network.input_spec
    if spec is None or not stages(network):
        raise InputError(
            f"{network.name} has no layers with maps of a picture, so it sees no content and no style"
        )
    return max(spec.size)
