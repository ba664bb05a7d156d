"""Where in a layer the evidence for a class lies, every instance of it: positive gradients, weighted by position.

Chattopadhyay et al., *Grad-CAM++: improved visual explanations for deep convolutional networks* (2018), equation 19.
"""

from __future__ import annotations

import torch
from torch import Tensor

from convscope.attribution.activation_map import activation_map_method
from convscope.attribution.target_at_layer import TargetAtLayer

CAUTION = (
    "It favors everything that could speak for the class; what speaks against it is left out of the weights, so it is "
    "less specific than Grad-CAM (compare two classes)"
)


@activation_map_method(
    "Grad-CAM++",
    how="the channels of {}, each weighted by its positive gradients, most where few positions have them",
    caution=CAUTION,
    in_scores=False,
)
def grad_cam_plus_plus(place: TargetAtLayer) -> Tensor:
    """Show where the evidence for a class lies, all of several objects: positive gradients, weighted by position.

    `layer` is as in `grad_cam`, `target` as in `saliency`.

    >>> convscope.grad_cam_plus_plus(network, "coffee", "espresso").save("espresso.png")
    """
    gradients, answers = place.gradients, place.answers
    squares = gradients.square()
    shares = squares / (2 * squares + answers.sum((1, 2), keepdim=True) * squares * gradients + 1e-6)
    shares = torch.where(gradients != 0, shares, 0)
    return ((gradients.clamp(min=0) * shares).sum((1, 2), keepdim=True) * answers).sum(0)
