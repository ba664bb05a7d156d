"""Where the evidence for a class lies, in any layer: each answer times its own positive gradient.

Jiang et al., *LayerCAM: exploring hierarchical class activation maps for localization* (2021).
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

CAUTION = "What speaks against the class is left out; in early layers it is fine, and shows edges more than evidence"


@attribution_method
def layer_cam(
    network: Network,
    picture: Any,
    target: TargetLike = None,
    *,
    layer: LayerLike = None,
    **panels: Unpack[PanelKeywords],
) -> Attribution:
    """Show where the evidence for a class lies, sharper in earlier layers: each answer times its positive gradient.

    `layer` may be an early one, or several; else it is as in `grad_cam`. `target` is as in `saliency`.

    >>> convscope.layer_cam(network, "cat.jpg", "tabby").save("tabby.png")
    """
    return activation_map(target_of(network, picture, target), layer, KIND)


def answers_times_positive_gradients(place: AtLayer) -> Tensor:
    """Return the sum over the channels of each answer times its positive gradient: (height, width)."""
    return (place.gradients.clamp(min=0) * place.answers).sum(0)


KIND = MapKind(
    "LayerCAM",
    answers_times_positive_gradients,
    "each answer of {} times its gradient, where that is positive, summed over the channels",
    CAUTION,
)
