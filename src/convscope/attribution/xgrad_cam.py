"""Where in a layer the evidence for a class lies: gradients averaged where the channel answers.

Fu et al., *Axiom-based Grad-CAM: towards accurate visualization and explanation of CNNs* (2020).
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
    "It is Grad-CAM wherever the gradient of a channel is the same at all positions; it is as coarse as the layer's "
    "rows and columns"
)


@attribution_method
def xgrad_cam(
    network: Network,
    picture: Any,
    target: TargetLike = None,
    *,
    layer: LayerLike = None,
    **panels: Unpack[PanelKeywords],
) -> Attribution:
    """Show where the evidence for a class lies: Grad-CAM, its gradients averaged where the channel answers.

    `layer` is as in `grad_cam`, `target` as in `saliency`.

    >>> convscope.xgrad_cam(network, "cat.jpg", "tabby").save("tabby.png")
    """
    return activation_map(target_of(network, picture, target), layer, KIND)


def weighted_where_it_answers(place: AtLayer) -> Tensor:
    """Return the channels' answers, weighted by their gradient where they answer: (height, width)."""
    weighted = (place.gradients * place.answers).sum((1, 2), keepdim=True)
    total = place.answers.sum((1, 2), keepdim=True)
    return (weighted / (total + 1e-7) * place.answers).sum(0)


KIND = MapKind(
    "XGrad-CAM",
    weighted_where_it_answers,
    "the channels of {}, each weighted by its gradient where it answers, summed",
    CAUTION,
)
