"""Where in a layer the evidence for a class lies: each channel weighted by the score of what it lets through.

Wang et al., *Score-CAM: score-weighted visual explanations for convolutional neural networks* (2020).
"""

from __future__ import annotations

from torch import Tensor
from typing_extensions import Unpack

from convscope.attribution.activation_map import LayerLike, MapKind, activation_map
from convscope.attribution.attribution import Attribution
from convscope.attribution.baselines import baseline_input
from convscope.attribution.method import attribution_method
from convscope.attribution.panels import PanelKeywords
from convscope.attribution.perturbation import masked_numbers
from convscope.attribution.stretching import stretched
from convscope.attribution.target import TargetLike, target_of
from convscope.attribution.target_at_layer import TargetAtLayer
from convscope.network.network import Network
from convscope.pictures.photograph import InputLike
from convscope.progress import Watch

CAUTION = (
    "No gradients: the picture goes through the network once a channel, masked by it, and a softmax over the channels "
    "lets few of them count; it is as coarse as the layer's rows and columns"
)


@attribution_method
def score_cam(
    network: Network,
    picture: InputLike,
    target: TargetLike = None,
    *,
    layer: LayerLike = None,
    watch: Watch | None = None,
    **panels: Unpack[PanelKeywords],
) -> Attribution:
    """Show where the evidence for a class lies, without gradients: channels as masks, weighted by their scores.

    Slow: as many runs as the layer has channels. `layer` is as in `grad_cam`, `target` as in `saliency`.

    >>> convscope.score_cam(network, "coffee", "espresso").save("espresso.png")
    """

    def weighted(place: TargetAtLayer) -> Tensor:
        return weighted_by_score(place, watch)

    how = (
        "the channels of {}, each weighted by the score of the picture masked by it, after a softmax, summed"
    )
    kind = MapKind("Score-CAM", weighted, how, CAUTION, in_scores=False)
    return activation_map(target_of(network, picture, target), layer, kind)


def weighted_by_score(place: TargetAtLayer, watch: Watch | None = None) -> Tensor:
    """Return the channels' answers, weighted by the softmax of the numbers behind them: (height, width)."""
    target, answers = place.target, place.answers
    low, high = answers.amin((1, 2)), answers.amax((1, 2))
    scaled = (answers - low[:, None, None]) / (high - low + 1e-8)[:, None, None]
    masks = (stretched(one.reshape(place.places), target.places, ends_meet=True) for one in scaled)
    numbers = masked_numbers(target, masks, baseline_input(target, "zero"), len(answers), watch)
    weights = numbers.softmax(0).to(answers)
    return (weights[:, None, None] * answers).sum(0)
