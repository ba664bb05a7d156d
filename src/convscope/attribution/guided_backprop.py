"""What activates an answer, in clear lines: the gradient, with everything negative taken out at each ReLU on its way.

Springenberg et al., *Striving for simplicity: the all convolutional net* (2014).
"""

from __future__ import annotations

from dataclasses import replace

from typing_extensions import Unpack

from convscope.attribution.attribution import Attribution
from convscope.attribution.method import attribution_method
from convscope.attribution.panels import IN_COLOR, PanelKeywords
from convscope.attribution.saliency import strongest
from convscope.attribution.target import AttributionTarget, TargetLike, target_of
from convscope.errors import InputError
from convscope.network.network import Network
from convscope.network.operations.backward_rules import guided_relu
from convscope.network.rewriting import is_relu, rewritten, with_relus
from convscope.pictures.photograph import InputLike

CAUTION = (
    "Take care: guided backpropagation fails the sanity checks. With randomized weights its pictures look much the "
    "same (Adebayo et al., 2018): it shows the picture's edges, and hardly says what this answer depends on"
)


@attribution_method
def guided_backprop(
    network: Network,
    picture: InputLike,
    target: TargetLike = None,
    **panels: Unpack[PanelKeywords],
) -> Attribution:
    """Show the lines and colors that activate a channel, a neuron or a class, crisp, and to be taken with care.

    Every ReLU of a copy of the network, of whatever source, passes only positive gradients, and only where it passed
    something forward; the network itself is left as it is. `target` is as in `saliency`.

    >>> convscope.guided_backprop(network, "chelsea", "mixed4c:40").save("guided.png")
    """
    target = target_of(network, picture, target)
    values = target.pixels(through_relus(target, guided_relu.__name__).gradient())
    how = "its gradient, of which every ReLU passes only what is positive, and only where it passed something forward"
    name, map = "Guided backpropagation", strongest(values, "positive")
    return Attribution(target, name, map, values, how, CAUTION, lit="where it draws", panels=IN_COLOR)


def through_relus(target: AttributionTarget, kind: str) -> AttributionTarget:
    """Return the same target of a copy of the network with other ReLUs; InputError where there is none on the way."""
    needed = target.network.graph.needed_for(target.layers)
    if not any(map(is_relu, needed)):
        raise InputError(
            f"there is no ReLU between the picture and {target}, so this is the plain gradient: use saliency"
        )
    return replace(target, network=rewritten(target.network, with_relus(kind)), known={})
