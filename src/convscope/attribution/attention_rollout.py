"""Which places of a picture flow into a transformer's answer: attention, multiplied from layer to layer.

Abnar and Zuidema, *Quantifying attention flow in transformers* (2020): a layer hands on half of what its attention
mixes, averaged over the heads, and half of what was there.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from typing_extensions import Unpack

from convscope.address import Address
from convscope.attribution.activation_map import enlarged, numbers
from convscope.attribution.attention import attends, head_mean
from convscope.attribution.attribution import Attribution
from convscope.attribution.method import attribution_method
from convscope.attribution.panels import COARSE, PanelKeywords
from convscope.attribution.target import AttributionTarget, TargetLike, target_of
from convscope.attribution.target_at_layer import TargetAtLayer
from convscope.errors import InputError
from convscope.looking.main_line import main_line
from convscope.network.network import Network
from convscope.network.outputs import token_grid
from convscope.network.tokens import token_grids
from convscope.pictures.photograph import InputLike

CAUTION = (
    "It asks for no class: every target has the same map. Attention says where numbers come from, not what they are "
    "used for (Jain and Wallace, 2019); compare with Grad-CAM"
)


@attribution_method
def attention_rollout(
    network: Network, picture: InputLike, target: TargetLike = None, **panels: Unpack[PanelKeywords]
) -> Attribution:
    """Show which places of the picture a transformer's answer is mixed from, whatever the class.

    The values are shares that add up to 1, with what the tokens without a place (a class's) keep to themselves. The
    network's attention has to be over the whole picture, as a ViT's is. `target` is as in `saliency`.

    >>> convscope.attention_rollout(network, "cat.jpg").save("attention.png")

    InputError for a network without such attention.
    """
    target = target_of(network, picture, target)
    layers = list(_over_the_picture(target))
    if not layers:
        raise InputError(
            f"{network.name} has no attention over the whole picture before {target}: use another method, as grad_cam"
        )
    count = len(layers[0])
    if any(len(one) != count for one in layers):
        raise InputError(
            f"the attention of {network.name} is over {', '.join(str(len(one)) for one in layers)} tokens, layer by "
            "layer, and a rollout needs the same ones in each: use another method, as grad_cam"
        )
    flow = torch.eye(count, dtype=torch.float64)
    for one in layers:
        flow = (one.double().cpu() + torch.eye(count, dtype=torch.float64)) / 2 @ flow
    rows, columns = token_grid(target.size, count) or (0, 0)
    read = _tokens_read(target, count)
    shares = flow[read].mean(0)[count - rows * columns :].reshape(rows, columns)
    how = (
        f"the attention of {len(layers)} layer{'s' * (len(layers) > 1)}, averaged over the heads, half of each token "
        f"its own, multiplied from the first to the last: the shares of {rows} × {columns} places in "
        f"{_in_words(read, count)}; what has no place keeps {1 - float(shares.sum()):.2g} of 1"
    )
    return Attribution(
        target,
        "Attention rollout",
        enlarged(shares, target.size),
        numbers(shares),
        how,
        CAUTION,
        lit="what is looked at",
        panels=COARSE,
    )


def _over_the_picture(target: AttributionTarget) -> Iterator[Tensor]:
    """Yield how much each token takes from each, (tokens, tokens), of every layer whose tokens are a grid."""
    graph = target.network.graph
    operations = [one for one in graph.needed_for(target.layers) if attends(graph, one)]
    names = dict.fromkeys(value for one in operations for value in (*one.inputs, *one.outputs[:1]))
    if not operations:
        return
    with torch.no_grad():
        values = target.network.activations(target.input, *map(Address, names))
    for operation in operations:
        weights = head_mean(graph, operation, values)
        if weights is not None and token_grid(target.size, len(weights)) is not None:
            yield weights


def _tokens_read(target: AttributionTarget, count: int) -> Tensor:
    """Return which tokens the target is made of: mostly a class's alone, or all that have a place."""
    tokens = token_grids(target.network)
    line = [name for name in main_line(target.network, target.layers) if name in tokens]
    last = next((name for name in reversed(line) if name not in target.layers), None)
    if last is not None:
        read = TargetAtLayer(target, last).reads_tokens
        if len(read) == count and bool(read.any()):
            return read
    return torch.arange(count) == 0


def _in_words(read: Tensor, count: int) -> str:
    which = read.nonzero().flatten().tolist()
    if which == [0]:
        return "the first token, the class's"
    return f"{'all' if len(which) == count else f'{len(which):,} of {count:,}'} tokens, averaged"
