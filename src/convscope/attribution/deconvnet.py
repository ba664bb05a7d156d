"""What activates an answer, sent back to the picture by a network turned round: Zeiler and Fergus's deconvnet.

*Visualizing and understanding convolutional networks* (2014). Convolutions are transposed and max pooling goes back to
the places of its maxima, as in any gradient; a ReLU passes what is positive of what comes back, whatever went forward.
"""

from __future__ import annotations

from typing_extensions import Unpack

from convscope.attribution.attribution import Attribution
from convscope.attribution.guided_backprop import through_relus
from convscope.attribution.method import attribution_method
from convscope.attribution.panels import IN_COLOR, PanelKeywords
from convscope.attribution.saliency import strongest
from convscope.attribution.target import TargetLike, target_of
from convscope.network.network import Network
from convscope.network.operations.backward_rules import deconvnet_relu
from convscope.pictures.photograph import InputLike

CAUTION = (
    "Take care: such pictures recover the edges of the picture rather than what the answer depends on, and hardly "
    "change from class to class (Mahendran and Vedaldi, 2016; Nie et al., 2018); guided backpropagation, their "
    "sibling, fails the sanity checks (Adebayo et al., 2018)"
)


@attribution_method
def deconvnet(
    network: Network,
    picture: InputLike,
    target: TargetLike = None,
    **panels: Unpack[PanelKeywords],
) -> Attribution:
    """Show the parts of the picture that a deconvnet reconstructs from a channel, a neuron or a class.

    The network itself is left as it is. `target` is as in `saliency`.

    >>> convscope.deconvnet(network, "chelsea", "conv2:7@10,10").save("deconvnet.png")
    """
    target = target_of(network, picture, target)
    values = target.pixels(through_relus(target, deconvnet_relu.__name__).gradient())
    how = "sent back through the network, every ReLU passing only what is positive of what comes back"
    map = strongest(values, "positive")
    return Attribution(target, "Deconvnet", map, values, how, CAUTION, lit="where it draws", panels=IN_COLOR)
