"""How much each pixel contributes to an answer, to first order: its gradient times its value.

Shrikumar et al., *Not just a black box: learning important features through propagating activation differences* (2016).
"""

from __future__ import annotations

from typing_extensions import Unpack

from convscope.attribution.attribution import Attribution
from convscope.attribution.completeness import signed_attribution
from convscope.attribution.method import attribution_method
from convscope.attribution.panels import PanelKeywords
from convscope.attribution.target import TargetLike, target_of
from convscope.network.network import Network
from convscope.pictures.photograph import InputLike

CAUTION = (
    "Sanity checks: the picture itself shows through in such maps, even with randomized weights (Adebayo et al., "
    "2018); compare with the saliency"
)


@attribution_method
def gradient_times_input(
    network: Network,
    picture: InputLike,
    target: TargetLike = None,
    **panels: Unpack[PanelKeywords],
) -> Attribution:
    """Show what speaks for an answer (red) and against it (blue): each pixel's gradient times the pixel.

    The pixel is the number that the network gets, so what is subtracted first (a mean color) counts as nothing.
    `target` is as in `saliency`.

    >>> convscope.gradient_times_input(network, "coffee", "espresso").save("espresso.png")
    """
    target = target_of(network, picture, target)
    how = "each pixel's gradient times the number that the network gets for it, summed over the channels"
    return signed_attribution(target, target.gradient() * target.input, "Gradient × input", how, CAUTION)
