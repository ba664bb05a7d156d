"""What a layer sees most of: the first principal component of its answers, whatever the class.

Muhammad and Yeasin, *Eigen-CAM: class activation map using principal components* (2020).
"""

from __future__ import annotations

import torch
from torch import Tensor

from convscope.attribution.activation_map import activation_map_method
from convscope.attribution.target_at_layer import TargetAtLayer
from convscope.attribution.target_check import require_finite, require_finite_map

CAUTION = (
    "It asks for no class: every target has the same map. It shows what stands out to the layer, not why it is that "
    "class"
)


@activation_map_method(
    "Eigen-CAM",
    how="the first principal component of the answers of {}, for no class in particular",
    caution=CAUTION,
    in_scores=False,
)
def eigen_cam(place: TargetAtLayer) -> Tensor:
    """Show what a layer answers to most, whatever the class: the first principal component of its channels.

    The component's sign is chosen so that it grows with the layer's answers; `target` only names the map. `layer` is as
    in `grad_cam`.

    >>> convscope.eigen_cam(network, "coffee", "espresso").save("espresso.png")
    """
    require_finite(place.target, place.number(place.tail.answer).detach(), place.target.input)
    answers = place.answers.double()
    require_finite_map(place.target, "Eigen-CAM", answers)
    columns = answers.flatten(1).T  # (positions, channels)
    centered = columns - columns.mean(0)
    direction = torch.linalg.svd(centered, full_matrices=False)[2][0]
    strength: Tensor = (centered @ direction).reshape(answers.shape[1:])
    grows = float((strength * answers.mean(0)).sum()) >= 0
    return strength if grows else -strength
