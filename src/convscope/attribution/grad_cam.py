"""Where in a layer the evidence for a class lies: each channel's answers, weighted by its mean gradient.

Selvaraju et al., *Grad-CAM: visual explanations from deep networks via gradient-based localization* (2017).
"""

from __future__ import annotations

from torch import Tensor

from convscope.attribution.activation_map import activation_map_method
from convscope.attribution.target_at_layer import TargetAtLayer

CAUTION = (
    "Sanity checks: such maps change when the weights are randomized, as they should (Adebayo et al., 2018); they are "
    "as coarse as the layer's rows and columns"
)


@activation_map_method(
    "Grad-CAM",
    how="the channels of {}, each weighted by the mean of its gradient, summed",
    caution=CAUTION,
    adds_up=True,
)
def grad_cam(place: TargetAtLayer) -> Tensor:
    """Show where the evidence for a class lies, coarse and reliable: glowing on the picture.

    `layer` is the last one with positions that every path goes through, by default; several are averaged. The values
    are raw, in units of the score before the softmax, negative ones included. `target` is as in `saliency`.

    >>> convscope.grad_cam(network, "coffee", "espresso").save("espresso.png")
    """
    return (place.gradients.mean((1, 2), keepdim=True) * place.answers).sum(0)
