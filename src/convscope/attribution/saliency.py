"""Which pixels an answer depends on: the gradient itself, without its sign.

Simonyan et al., *Deep inside convolutional networks: visualising image classification models and saliency maps* (2014).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from convscope.attribution.attribution import PANELS, PERCENTILE, Evidence, Look, show
from convscope.attribution.target import Question, ask
from convscope.errors import InputError
from convscope.network.network import Network
from convscope.pictures.picture import Picture
from convscope.pictures.recording import recipe_function

Sign = Literal["absolute", "positive", "negative", "both"]
CAUTION = (
    "Sanity checks: such maps change when the weights are randomized, as they should (Adebayo et al., 2018); they say "
    "what the answer depends on, not what speaks for it"
)
_MADE = {
    "absolute": "how much it changes with each pixel, in the channel where it changes most",
    "positive": "how much it grows as a pixel gets brighter, in the channel where it grows most",
    "negative": "how much it falls as a pixel gets brighter, in the channel where it falls most",
    "both": "how it changes as a pixel gets brighter, in the channel where it changes most",
}


@recipe_function("saliency")
def saliency(
    network: Network,
    picture: Any,
    address: str | None = None,
    *,
    sign: Sign = "absolute",
    panels: Sequence[str] = PANELS,
    percentile: float = PERCENTILE,
    theme: str = "light",
) -> Picture:
    """Show which pixels a number of the network depends on: bright where a small change changes it most.

    `address` is a class by its label ("tabby": its score; "prob:tabby": its probability), or any layer, channel or
    neuron; the most probable class by default. `sign` "absolute" is Simonyan et al.'s; "positive" and "negative" keep
    one sign, "both" shows the two in red and blue.

    >>> saliency(network, "cat.jpg").save("saliency.png")
    """
    question = ask(network, picture, address)
    return show(saliency_evidence(question, sign), Look(panels, percentile, theme))


def saliency_evidence(question: Question, sign: Sign = "absolute") -> Evidence:
    """Return the saliency map of a question, before it is shown."""
    values = question.pixels(question.gradient())
    return Evidence(
        question, "Saliency", strongest(values, sign), values, sign == "both", _MADE[sign], CAUTION
    )


def strongest(values: NDArray[np.float64], sign: Sign = "absolute") -> NDArray[np.float64]:
    """Return (height, width, channels) as (height, width): at each pixel, the channel that changes the answer most."""
    if sign not in _MADE:
        raise InputError(f"sign is one of {', '.join(_MADE)}, not {sign!r}")
    if sign == "both":
        largest = np.abs(values).argmax(2)[..., None]
        return np.asarray(np.take_along_axis(values, largest, 2)[..., 0])
    chosen = {"absolute": np.abs(values), "positive": values, "negative": -values}[sign]
    return np.asarray(chosen.max(2).clip(min=0))
