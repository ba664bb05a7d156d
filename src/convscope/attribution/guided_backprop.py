"""What activates an answer, in clear lines: the gradient, with everything negative taken out at each ReLU on its way.

Springenberg et al., *Striving for simplicity: the all convolutional net* (2014).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from convscope.attribution.attribution import IN_COLOR, PERCENTILE, Evidence, Look, show
from convscope.attribution.saliency import strongest
from convscope.attribution.target import Question, ask
from convscope.errors import InputError
from convscope.network.network import Network
from convscope.network.operations.backward_rules import guided_relu
from convscope.network.rewriting import is_relu, rewritten, with_relus
from convscope.pictures.picture import Picture
from convscope.pictures.recording import recipe_function

CAUTION = (
    "Take care: guided backpropagation fails the sanity checks. With randomized weights its pictures look much the "
    "same (Adebayo et al., 2018): it shows the picture's edges, and hardly says what this answer depends on"
)


@recipe_function("guided_backprop")
def guided_backprop(
    network: Network,
    picture: Any,
    address: str | None = None,
    *,
    panels: Sequence[str] = IN_COLOR,
    percentile: float = PERCENTILE,
    theme: str = "light",
) -> Picture:
    """Show the lines and colors that activate a channel, a neuron or a class, crisp, and to be taken with care.

    Every ReLU of a copy of the network, of whatever source, passes only positive gradients, and only where it passed
    something forward; the network itself is left as it is. `address` is as in `saliency`.

    >>> guided_backprop(network, "cat.jpg", "inception_4c/output:40").save("guided.png")
    """
    question = ask(network, picture, address)
    return show(guided_evidence(question), Look(panels, percentile, theme))


def guided_evidence(question: Question) -> Evidence:
    """Return what guided backpropagation finds, before it is shown."""
    values = question.pixels(through_relus(question, guided_relu.__name__).gradient())
    made = "its gradient, of which every ReLU passes only what is positive, and only where it passed something forward"
    found = strongest(values, "positive")
    return Evidence(question, "Guided backpropagation", found, values, False, made, CAUTION, "where it draws")


def through_relus(question: Question, kind: str) -> Question:
    """Return the question put to a copy of the network with other ReLUs; InputError where there is none on the way."""
    needed = question.network.graph.needed_for([question.target.layer])
    if not any(map(is_relu, needed)):
        raise InputError(
            f"there is no ReLU between the picture and {question.target}, so this is the plain gradient: use saliency"
        )
    return replace(question, network=rewritten(question.network, with_relus(kind)))
