"""Where in a layer the evidence for a class lies, every instance of it: positive gradients, weighted by position.

Chattopadhyay et al., *Grad-CAM++: improved visual explanations for deep convolutional networks* (2018), equation 19.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from typing_extensions import Unpack

from convscope.attribution.activation_map import AtLayer, LayerLike, MapKind, activation_map
from convscope.attribution.attribution import Attribution
from convscope.attribution.method import attribution_method
from convscope.attribution.panels import PanelKeywords
from convscope.attribution.target import TargetLike, target_of
from convscope.network.network import Network

CAUTION = (
    "It favors everything that could speak for the class; what speaks against it is left out of the weights, so it is "
    "less specific than Grad-CAM (compare two classes)"
)


@attribution_method
def grad_cam_plus_plus(
    network: Network,
    picture: Any,
    target: TargetLike = None,
    *,
    layer: LayerLike = None,
    **panels: Unpack[PanelKeywords],
) -> Attribution:
    """Show where the evidence for a class lies, all of several objects: positive gradients, weighted by position.

    `layer` is as in `grad_cam`, `target` as in `saliency`.

    >>> convscope.grad_cam_plus_plus(network, "cat.jpg", "tabby").save("tabby.png")
    """
    return activation_map(target_of(network, picture, target), layer, KIND)


def weighted_by_positive_gradients(place: AtLayer) -> Tensor:
    """Return the channels' answers, weighted by their positive gradients: (height, width)."""
    gradients, answers = place.gradients, place.answers
    squares = gradients.square()
    shares = squares / (2 * squares + answers.sum((1, 2), keepdim=True) * squares * gradients + 1e-6)
    shares = torch.where(gradients != 0, shares, 0)
    return ((gradients.clamp(min=0) * shares).sum((1, 2), keepdim=True) * answers).sum(0)


KIND = MapKind(
    "Grad-CAM++",
    weighted_by_positive_gradients,
    "the channels of {}, each weighted by its positive gradients, most where few positions have them",
    CAUTION,
    in_scores=False,
)
