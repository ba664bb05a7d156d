"""Which pixels an answer depends on: the gradient itself, without its sign.

Simonyan et al., *Deep inside convolutional networks: visualising image classification models and saliency maps* (2014).
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Unpack

from convscope.attribution.attribution import Attribution
from convscope.attribution.method import attribution_method
from convscope.attribution.panels import PanelKeywords
from convscope.attribution.target import AttributionTarget, TargetLike, target_of
from convscope.errors import InputError
from convscope.network.network import Network
from convscope.pictures.photograph import InputLike

Sign = Literal["absolute", "positive", "negative", "both"]
CAUTION = (
    "Sanity checks: such maps change when the weights are randomized, as they should (Adebayo et al., 2018); they say "
    "what the answer depends on, not what speaks for it"
)
_HOW = {
    "absolute": "how much it changes with each pixel, in the channel where it changes most",
    "positive": "how much it grows as a pixel gets brighter, in the channel where it grows most",
    "negative": "how much it falls as a pixel gets brighter, in the channel where it falls most",
    "both": "how it changes as a pixel gets brighter, in the channel where it changes most",
}


@attribution_method
def saliency(
    network: Network,
    picture: InputLike,
    target: TargetLike = None,
    *,
    sign: Sign = "absolute",
    **panels: Unpack[PanelKeywords],
) -> Attribution:
    """Show which pixels a number of the network depends on: bright where a small change changes it most.

    `target` is a class by its label or number ("tabby": its score; "prob:tabby": its probability), any layer, channel
    or neuron, the difference of two ("tabby - tiger cat"), or a region of a map ("score:3@2:9,4:8", rows and columns);
    the most probable class by default. `sign` "absolute" is Simonyan et al.'s; "positive" and "negative" keep one sign,
    "both" shows the two in red and blue.

    >>> convscope.saliency(network, "coffee").save("saliency.png")
    """
    target = target_of(network, picture, target)
    return saliency_of(target, target.pixels(target.gradient()), sign)


def saliency_of(
    target: AttributionTarget, values: NDArray[np.float64], sign: Sign = "absolute"
) -> Attribution:
    """Return the attribution of a target whose gradient, (height, width, channels), is known."""
    map = strongest(values, sign)
    return Attribution(target, "Saliency", map, values, _HOW[sign], CAUTION, signed=sign == "both")


def strongest(values: NDArray[np.float64], sign: Sign = "absolute") -> NDArray[np.float64]:
    """Return (height, width, channels) as (height, width): at each pixel, the channel that changes the answer most."""
    if sign not in _HOW:
        raise InputError(f"sign is one of {', '.join(_HOW)}, not {sign!r}")
    if sign == "both":
        largest = np.abs(values).argmax(-1)[..., None]
        return np.asarray(np.take_along_axis(values, largest, -1)[..., 0])
    signed = {"absolute": np.abs(values), "positive": values, "negative": -values}[sign]
    return np.asarray(signed.max(-1).clip(min=0))
