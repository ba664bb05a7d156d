"""What each pixel contributed to an answer, shared out layer by layer from the answer back to the picture: LRP.

Bach et al., *On pixel-wise explanations for non-linear classifier decisions by layer-wise relevance propagation*
(2015), in the composites of Montavon et al. (2019) and Kohlbrenner et al. (2020); `through` is the concept relevance of
Achtibat et al., *From attribution maps to human-understandable explanations through concept relevance propagation*
(2023).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, TypeAlias

import torch
from torch import Tensor
from typing_extensions import Unpack

from convscope.attribution.attribution import Attribution
from convscope.attribution.baselines import of_one_color
from convscope.attribution.completeness import signed_attribution
from convscope.attribution.method import attribution_method
from convscope.attribution.panels import PanelKeywords
from convscope.attribution.relevance_rules import COMPOSITES
from convscope.attribution.relevance_walk import Walk, walk_of
from convscope.attribution.target import AttributionTarget, TargetLike, target_of
from convscope.attribution.target_check import require_finite
from convscope.errors import InputError, by_name
from convscope.looking.main_line import main_line
from convscope.network.axes import at_position, to_channels_first, to_channels_last
from convscope.network.network import Network
from convscope.pictures.photograph import InputLike

Rule: TypeAlias = Literal[
    "epsilon_plus",
    "epsilon_plus_flat",
    "epsilon_gamma_box",
    "epsilon_alpha2_beta1",
    "epsilon_alpha2_beta1_flat",
    "epsilon",
    "z_plus",
    "gamma",
]
CAUTION = (
    "Relevance is shared out by rules that were chosen for clear maps, not measured; what biases take is lost on the "
    "way, and with the rules that only add, so is that of sums below 0 to which nothing was added, and maps of "
    "different classes look alike (compare two)"
)


@attribution_method
def relevance(
    network: Network,
    picture: InputLike,
    target: TargetLike = None,
    *,
    rule: Rule = "epsilon_plus",
    through: str | Sequence[str] | None = None,
    **panels: Unpack[PanelKeywords],
) -> Attribution:
    """Show what each pixel contributed (red) or took away (blue): the answer, shared out from layer to layer.

    The target starts with a relevance of 1; the caption says how much of it arrives. `rule` names which part of each
    sum counts; of networks with batch normalization that is worked into the convolutions. Of a product of two values
    the signal takes all and its gate nothing (Arras et al., 2017): a gate is the same at all positions (squeeze and
    excitation), or comes out of a sigmoid or a softmax (``x sigmoid(x)``, attention); two of equal standing take half
    each (Achtibat et al., *AttnLRP*, 2024). A divisor gets nothing (Ali et al., 2022), and a normalization passes all
    on. The caption counts such products. `through` is a channel or
    several: only what goes through them is shown, as their part in the answer. `target` is as in `saliency`.

    >>> convscope.relevance(network, "coffee", "espresso", rule="epsilon_gamma_box").save("espresso.png")
    """
    target = target_of(network, picture, target)
    walk = walk_of(target, by_name(COMPOSITES, rule.replace("-", "_"), "rule"), _box(target, rule))
    start = start_of(walk)
    if not any(bool(one.any()) for one in start.values()):
        how = "nothing, as it is 0 for this picture: there is no relevance to share out"
        return signed_attribution(target, torch.zeros_like(target.input), "Relevance", how, CAUTION)
    relevances = walk.back(start)
    part = ""
    if through:
        channels = [through] if isinstance(through, str) else list(through)
        within = relevance_within(walk, channels)
        part = f" Only what goes through {', '.join(channels)} is shown: {_total(within):.3g} of it."
        relevances = {**relevances, **walk.back(within)}
    input = next(iter(network.graph.inputs))
    arrived = relevances[input] if input in relevances else torch.zeros_like(target.input)
    part = _products(walk, relevances) + part
    how = (
        f"its relevance, 1, shared out from layer to layer by the rule {rule.replace('_', '-')}, summed over the "
        f"channels.{part} {float(arrived.sum()):.4g} arrives at the picture ({_conserved(walk, relevances)})"
    )
    attribution = signed_attribution(target, arrived, "Relevance", how, CAUTION)
    return replace(attribution, adds_up_to=None if through else 1.0)


def start_of(walk: Walk) -> dict[str, Tensor]:
    """Return a relevance of 1 at the target: at a class or a neuron, or spread over a channel as it answers.

    Of a channel that answers 0, and of a sum of targets that is 0, it is 0.
    """
    target, relevances = walk.target, {}
    last = target.network.graph.channels_last
    with torch.enable_grad():
        values = {
            layer: (to_channels_first(walk.values[layer]) if last else walk.values[layer])
            .clone()
            .requires_grad_()
            for layer in target.layers
        }
        number = target.number(values)
        require_finite(target, number, target.input)
        gradients = torch.autograd.grad(number.sum(), list(values.values()))
    for (layer, value), gradient in zip(values.items(), gradients, strict=True):
        share = gradient
        if gradient.count_nonzero() > 1:  # of what answers 0 there is nothing to share out
            share = value.detach() * gradient / (float(number.detach()) or torch.inf)
        relevances[layer] = to_channels_last(share) if last else share
    return relevances


def relevance_within(walk: Walk, channels: Sequence[str]) -> dict[str, Tensor]:
    """Return the relevance of some channels alone."""
    network = walk.target.network
    addresses = [network.resolve(channel) for channel in channels]
    layers = [address.layer for address in addresses]
    relevances, parts = walk.back(start_of(walk), layers), dict[str, Tensor]()
    for address in addresses:
        if address.layer not in relevances:
            raise InputError(f"{address.layer!r} is not on the way from {walk.target} to the picture")
        whole = relevances[address.layer]
        first = to_channels_first(whole) if network.graph.channels_last else whole
        mask = torch.zeros_like(first)
        if address.channel is None:
            mask[:] = 1
        elif address.position is not None:
            at_position(mask, address.position)[:, int(address.channel)] = 1
        else:
            mask[:, int(address.channel)] = 1
        own = to_channels_last(first * mask) if network.graph.channels_last else first * mask
        parts[address.layer] = parts[address.layer] + own if address.layer in parts else own
    return parts


def _box(target: AttributionTarget, rule: str) -> tuple[Tensor, Tensor] | None:
    """Return the darkest and the brightest input, where the rule asks for them."""
    if not rule.endswith("box"):
        return None
    ends = [of_one_color(target, level, name) for level, name in ((0.0, "black"), (1.0, "white"))]
    if target.network.graph.channels_last:
        ends = [to_channels_first(one) for one in ends]
    return torch.minimum(*ends), torch.maximum(*ends)


def _total(relevance: dict[str, Tensor]) -> float:
    return sum(float(one.double().sum()) for one in relevance.values())


def _products(walk: Walk, relevances: dict[str, Tensor]) -> str:
    """Say in how many products a gate got nothing, and in how many all factors got the same."""
    counts = [len(names) for names in walk.products(relevances)]
    rules = (
        ("product", "a gate gets nothing"),
        ("product", "the factors get equal parts"),
        ("quotient", "the divisor gets nothing"),
    )
    words = [
        f"in {count} {what}{'s' * (count > 1)} {rule}"
        for count, (what, rule) in zip(counts, rules, strict=True)
        if count
    ]
    return f" {' and '.join(words).capitalize()}." if words else ""


def _conserved(walk: Walk, relevances: dict[str, Tensor]) -> str:
    """Say how much there is at the layers that everything goes through, from the last to the first."""
    network = walk.target.network
    line = [name for name in main_line(network, walk.target.layers) if name in relevances]
    layers = line[:: -max(1, len(line) // 6)][:7]
    return (
        ", ".join(f"{name} {float(relevances[name].double().sum()):.3g}" for name in layers)
        or "no layer between"
    )
