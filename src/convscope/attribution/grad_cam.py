"""Where in a layer the evidence for a class lies: each channel's answers, weighted by its mean gradient.

Selvaraju et al., *Grad-CAM: visual explanations from deep networks via gradient-based localization* (2017).
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
    "Sanity checks: such maps change when the weights are randomized, as they should (Adebayo et al., 2018); they are "
    "as coarse as the layer's rows and columns"
)


@attribution_method
def grad_cam(
    network: Network,
    picture: Any,
    target: TargetLike = None,
    *,
    layer: LayerLike = None,
    **panels: Unpack[PanelKeywords],
) -> Attribution:
    """Show where the evidence for a class lies, coarse and reliable: glowing on the picture.

    `layer` is the last one with positions that every path goes through, by default; several are averaged. The values
    are raw, in units of the score before the softmax, negative ones included. `target` is as in `saliency`.

    >>> convscope.grad_cam(network, "cat.jpg", "tabby").save("tabby.png")
    """
    return activation_map(target_of(network, picture, target), layer, KIND)


def weighted_by_mean_gradient(place: AtLayer) -> Tensor:
    """Return the sum over the channels of their answers times their mean gradients: (height, width)."""
    return (place.gradients.mean((1, 2), keepdim=True) * place.answers).sum(0)


KIND = MapKind(
    "Grad-CAM",
    weighted_by_mean_gradient,
    "the channels of {}, each weighted by the mean of its gradient, summed",
    CAUTION,
)
