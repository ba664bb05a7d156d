"""What activates an answer, sent back to the picture by a network turned round: Zeiler and Fergus's deconvnet.

*Visualizing and understanding convolutional networks* (2014). Convolutions are transposed and max pooling goes back to
the places of its maxima, as in any gradient; a ReLU passes what is positive of what comes back, whatever went forward.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from convscope.attribution.attribution import IN_COLOR, PERCENTILE, Evidence, Look, show
from convscope.attribution.guided_backprop import through_relus
from convscope.attribution.saliency import strongest
from convscope.attribution.target import Question, ask
from convscope.network.network import Network
from convscope.network.operations.backward_rules import deconvnet_relu
from convscope.pictures.picture import Picture
from convscope.pictures.recording import recipe_function

CAUTION = (
    "Take care: such pictures recover the edges of the picture rather than what the answer depends on, and hardly "
    "change from class to class (Mahendran and Vedaldi, 2016; Nie et al., 2018); guided backpropagation, their "
    "sibling, fails the sanity checks (Adebayo et al., 2018)"
)


@recipe_function("deconvnet")
def deconvnet(
    network: Network,
    picture: Any,
    address: str | None = None,
    *,
    panels: Sequence[str] = IN_COLOR,
    percentile: float = PERCENTILE,
    theme: str = "light",
) -> Picture:
    """Show the parts of the picture that a deconvnet reconstructs from a channel, a neuron or a class.

    The network itself is left as it is. `address` is as in `saliency`.

    >>> deconvnet(network, "cat.jpg", "conv2/3x3:7@20,20").save("deconvnet.png")
    """
    question = ask(network, picture, address)
    return show(deconvnet_evidence(question), Look(panels, percentile, theme))


def deconvnet_evidence(question: Question) -> Evidence:
    """Return what a deconvnet finds, before it is shown."""
    values = question.pixels(through_relus(question, deconvnet_relu.__name__).gradient())
    made = "sent back through the network, every ReLU passing only what is positive of what comes back"
    found = strongest(values, "positive")
    return Evidence(question, "Deconvnet", found, values, False, made, CAUTION, "where it draws")
