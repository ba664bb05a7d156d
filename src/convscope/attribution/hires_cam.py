"""Where in a layer the evidence for a class lies, and only there: each answer times its own gradient.

Draelos and Carin, *Use HiResCAM instead of Grad-CAM for faithful explanations of convolutional neural networks* (2020).
"""

from __future__ import annotations

from torch import Tensor

from convscope.attribution.activation_map import activation_map_method
from convscope.attribution.target_at_layer import TargetAtLayer

CAUTION = (
    "It lights only what the score was computed from (Draelos and Carin, 2020); it is as coarse as the layer's rows "
    "and columns, and depends on the picture as any gradient does"
)


@activation_map_method(
    "HiResCAM",
    how="each answer of {} times its gradient, summed over the channels",
    caution=CAUTION,
    adds_up=True,
)
def hires_cam(place: TargetAtLayer) -> Tensor:
    """Show where the evidence for a class lies, without averaging gradients first: each answer times its own.

    Where a global average follows, it equals Grad-CAM; before fully-connected layers it is the faithful one of the two.
    `layer` is as in `grad_cam`, `target` as in `saliency`.

    >>> convscope.hires_cam(network, "coffee", "espresso").save("espresso.png")
    """
    return (place.gradients * place.answers).sum(0)
