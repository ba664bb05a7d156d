"""Where the evidence for a class lies, in any layer: each answer times its own positive gradient.

Jiang et al., *LayerCAM: exploring hierarchical class activation maps for localization* (2021).
"""

from __future__ import annotations

from torch import Tensor

from convscope.attribution.activation_map import activation_map_method
from convscope.attribution.target_at_layer import TargetAtLayer

CAUTION = "What speaks against the class is left out; in early layers it is fine, and shows edges more than evidence"


@activation_map_method(
    "LayerCAM",
    how="each answer of {} times its gradient, where that is positive, summed over the channels",
    caution=CAUTION,
)
def layer_cam(place: TargetAtLayer) -> Tensor:
    """Show where the evidence for a class lies, sharper in earlier layers: each answer times its positive gradient.

    `layer` may be an early one, or several; else it is as in `grad_cam`. `target` is as in `saliency`.

    >>> convscope.layer_cam(network, "coffee", "espresso").save("espresso.png")
    """
    return (place.gradients.clamp(min=0) * place.answers).sum(0)
