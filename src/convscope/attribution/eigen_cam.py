"""What a layer sees most of: the first principal component of its answers, whatever the class.

Muhammad and Yeasin, *Eigen-CAM: class activation map using principal components* (2020).
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
    "It asks for no class: every target has the same map. It shows what stands out to the layer, not why it is that "
    "class"
)


@attribution_method
def eigen_cam(
    network: Network,
    picture: Any,
    target: TargetLike = None,
    *,
    layer: LayerLike = None,
    **panels: Unpack[PanelKeywords],
) -> Attribution:
    """Show what a layer answers to most, whatever the class: the first principal component of its channels.

    The component's sign is chosen so that it grows with the layer's answers. `layer` is as in `grad_cam`.

    >>> convscope.eigen_cam(network, "cat.jpg", "tabby").save("tabby.png")
    """
    return activation_map(target_of(network, picture, target), layer, KIND)


def first_component(place: AtLayer) -> Tensor:
    """Return how strong the first principal component of the answers is at each position: (height, width)."""
    answers = place.answers.double()
    columns = answers.flatten(1).T  # (positions, channels)
    centered = columns - columns.mean(0)
    direction = torch.linalg.svd(centered, full_matrices=False)[2][0]
    strength: Tensor = (centered @ direction).reshape(answers.shape[1:])
    grows = float((strength * answers.mean(0)).sum()) >= 0
    return strength if grows else -strength


KIND = MapKind(
    "Eigen-CAM",
    first_component,
    "the first principal component of the answers of {}, for no class in particular",
    CAUTION,
    in_scores=False,
)
