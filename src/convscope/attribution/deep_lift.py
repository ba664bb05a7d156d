"""How much each pixel contributes to an answer, compared with a picture of nothing: differences, layer by layer.

Shrikumar et al., *Learning important features through propagating activation differences* (2017), by the rescale rule:
what is not linear hands on the slope between the two pictures, not the slope at one of them. What a maximum gained goes
to where it stands in either picture, in windows that overlap too. For products and normalizations, which have no such
rule, the gradient is averaged on the way from one picture to the other.
"""

from __future__ import annotations

from dataclasses import replace
from weakref import WeakKeyDictionary

import torch
from typing_extensions import Unpack

from convscope.attribution.attribution import Attribution
from convscope.attribution.baselines import Baseline, baseline_input, or_usual, picture_in_words
from convscope.attribution.completeness import Contributions
from convscope.attribution.method import attribution_method
from convscope.attribution.panels import PanelKeywords
from convscope.attribution.target import AttributionTarget, TargetLike, target_of
from convscope.attribution.target_check import require_finite_baseline
from convscope.errors import InputError
from convscope.network.network import Network
from convscope.network.rewriting import rewritten, with_rescaling
from convscope.network.shapes import infer_shapes
from convscope.pictures.photograph import InputLike

CAUTION = (
    "It sees past ReLUs that are off for one of the two pictures, in a single run; what has the baseline's color gets "
    "nothing, so compare with another baseline"
)

_RESCALED: WeakKeyDictionary[Network, dict[tuple[str, ...], Network]] = WeakKeyDictionary()


@attribution_method
def deep_lift(
    network: Network,
    picture: InputLike,
    target: TargetLike = None,
    *,
    baseline: Baseline | None = None,
    **panels: Unpack[PanelKeywords],
) -> Attribution:
    """Show what speaks for an answer (red) and against it (blue), compared with a picture of nothing, in one run.

    It is close to `integrated_gradients`, and as fast as a gradient. The caption says how nearly the contributions add
    up to the difference between the answers. `baseline` is as in
    `integrated_gradients`, `target` as in `saliency`.

    >>> convscope.deep_lift(network, "coffee", "espresso", baseline="blur").save("espresso.png")
    """
    target = target_of(network, picture, target)
    baseline = or_usual(target, baseline, "black")
    start = baseline_input(target, baseline)
    twin = replace(target, network=_rescaled(target), known={})
    try:
        (after, before), slopes = twin.gradients(torch.cat([target.input, start]))
    except InputError:
        require_finite_baseline(target, target.answers(start), start)
        raise
    shares = Contributions(slopes[:1] * (target.input - start), float(before), float(after))
    how = (
        f"the slopes between {picture_in_words(baseline)} ({shares.before:.4g}) and this one ({shares.after:.4g}), "
        f"layer by layer, times the difference, summed over the channels. {shares.words}"
    )
    return shares.attribution(target, "DeepLIFT", how, CAUTION)


def _rescaled(target: AttributionTarget) -> Network:
    """Return the network whose gradient is the slope between two pictures: made once, as a network never changes."""
    network = target.network
    twins = _RESCALED.setdefault(network, {})
    if target.layers not in twins:
        _require_pairs(target)
        twin = next(iter(twins.values()), None)
        twins[target.layers] = twin or rewritten(network, with_rescaling(network))
    return twins[target.layers]


def _require_pairs(target: AttributionTarget) -> None:
    """InputError for a network that takes pictures one at a time: slopes are those between two in one run."""
    shapes = {name: (2, *shape[1:]) for name, shape in target.network.graph.inputs.items()}
    try:
        infer_shapes(target.network.graph, shapes, target.layers)
    except InputError as error:
        raise InputError(
            f"DeepLIFT runs two pictures together, and {target.network.name} takes one at a time: use "
            "integrated_gradients"
        ) from error
