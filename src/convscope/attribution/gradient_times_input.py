"""How much each pixel contributes to an answer, to first order: its gradient times its value.

Shrikumar et al., *Not just a black box: learning important features through propagating activation differences* (2016).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from convscope.attribution.attribution import PANELS, PERCENTILE, Evidence, Look, show
from convscope.attribution.target import Question, ask
from convscope.network.network import Network
from convscope.pictures.picture import Picture
from convscope.pictures.recording import recipe_function

CAUTION = (
    "Sanity checks: the picture itself shows through in such maps, even with randomized weights (Adebayo et al., "
    "2018); compare with the saliency"
)


@recipe_function("gradient_times_input")
def gradient_times_input(
    network: Network,
    picture: Any,
    address: str | None = None,
    *,
    panels: Sequence[str] = PANELS,
    percentile: float = PERCENTILE,
    theme: str = "light",
) -> Picture:
    """Show what speaks for an answer (red) and against it (blue): each pixel's gradient times the pixel.

    The pixel is what the network eats, so what it subtracts first (a mean color) counts as nothing. `address` is as in
    `saliency`.

    >>> gradient_times_input(network, "cat.jpg", "tabby").save("tabby.png")
    """
    question = ask(network, picture, address)
    return show(gradient_times_input_evidence(question), Look(panels, percentile, theme))


def gradient_times_input_evidence(question: Question) -> Evidence:
    """Return each pixel's contribution to first order, before it is shown."""
    values = question.pixels(question.gradient() * question.input)
    made = "each pixel's gradient times what the network eats of it, summed over the channels"
    return Evidence(
        question, "Gradient × input", values.sum(2), values, True, made, CAUTION, "what speaks for it"
    )
