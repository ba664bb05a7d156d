"""Where in a layer the evidence for a class lies, and only there: each answer times its own gradient.

Draelos and Carin, *Use HiResCAM instead of Grad-CAM for faithful explanations of convolutional neural networks* (2020).
"""

from __future__ import annotations

from typing import Any

from torch import Tensor
from typing_extensions import Unpack

from convscope.attribution.activation_map import AtLayer, LayerLike, MapKind, activation_map
from convscope.attribution.attribution import Attribution
from convscope.attribution.method import attribution_method
from convscope.attribution.panels import PanelKeywords
from convscope.attribution.target import TargetLike, target_of
from convscope.network.network import Network

CAUTION = (
    "It lights only what the score was computed from (Draelos and Carin, 2020); it is as coarse as the layer's rows "
    "and columns, and depends on the picture as any gradient does"
)


@attribution_method
def hires_cam(
    network: Network,
    picture: Any,
    target: TargetLike = None,
    *,
    layer: LayerLike = None,
    **panels: Unpack[PanelKeywords],
) -> Attribution:
    """Show where the evidence for a class lies, without averaging gradients first: each answer times its own.

    Where a global average follows, it equals Grad-CAM; before fully-connected layers it is the faithful one of the two.
    `layer` is as in `grad_cam`, `target` as in `saliency`.

    >>> convscope.hires_cam(network, "cat.jpg", "tabby").save("tabby.png")
    """
    return activation_map(target_of(network, picture, target), layer, KIND)


def answers_times_gradients(place: AtLayer) -> Tensor:
    """Return the sum over the channels of each answer times its gradient: (height, width)."""
    return (place.gradients * place.answers).sum(0)


KIND = MapKind(
    "HiResCAM",
    answers_times_gradients,
    "each answer of {} times its gradient, summed over the channels",
    CAUTION,
)
