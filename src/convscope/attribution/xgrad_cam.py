"""Where in a layer the evidence for a class lies: gradients averaged where the channel answers.

Fu et al., *Axiom-based Grad-CAM: towards accurate visualization and explanation of CNNs* (2020).
"""

from __future__ import annotations

from torch import Tensor

from convscope.attribution.activation_map import activation_map_method
from convscope.attribution.target_at_layer import TargetAtLayer

CAUTION = (
    "It is Grad-CAM wherever the gradient of a channel is the same at all positions; it is as coarse as the layer's "
    "rows and columns"
)


@activation_map_method(
    "XGrad-CAM",
    how="the channels of {}, each weighted by its gradient where it answers, summed",
    caution=CAUTION,
)
def xgrad_cam(place: TargetAtLayer) -> Tensor:
    """Show where the evidence for a class lies: Grad-CAM, its gradients averaged where the channel answers.

    `layer` is as in `grad_cam`, `target` as in `saliency`.

    >>> convscope.xgrad_cam(network, "coffee", "espresso").save("espresso.png")
    """
    weighted = (place.gradients * place.answers).sum((1, 2), keepdim=True)
    total = place.answers.sum((1, 2), keepdim=True)
    return (weighted / (total + 1e-7) * place.answers).sum(0)
