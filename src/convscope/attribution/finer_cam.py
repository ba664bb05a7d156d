"""Where the evidence lies that it is this class and not one like it: Grad-CAM of the difference.

Zhang et al., *Finer-CAM: spotting the difference for fine-grained visual explanation* (2025).
"""

from __future__ import annotations

from dataclasses import replace

from typing_extensions import Unpack

from convscope.address import Address
from convscope.attribution.activation_map import LayerLike, activation_map
from convscope.attribution.attribution import Attribution
from convscope.attribution.grad_cam import grad_cam
from convscope.attribution.method import attribution_method
from convscope.attribution.panels import PanelKeywords
from convscope.attribution.target import AttributionTarget, TargetLike, TargetTerm, target_of
from convscope.attribution.target_check import require_finite
from convscope.errors import InputError
from convscope.network.network import Network
from convscope.pictures.photograph import InputLike

CAUTION = (
    "It shows what tells the class from those most like it, not all that speaks for it; it is as coarse as the layer's "
    "rows and columns"
)


@attribution_method
def finer_cam(
    network: Network,
    picture: InputLike,
    target: TargetLike = None,
    *,
    layer: LayerLike = None,
    classes: int = 3,
    **panels: Unpack[PanelKeywords],
) -> Attribution:
    """Show what tells a class from those most like it: a tabby's stripes rather than the whole cat.

    From the class's score is taken that of the `classes` whose scores are nearest (all others where there are fewer),
    weighted by their probabilities.
    `layer` is as in `grad_cam`; the `target` is a class.

    >>> convscope.finer_cam(network, "coffee", "espresso").save("espresso.png")
    """
    kind = replace(grad_cam.kind, name="Finer-CAM", caution=CAUTION)
    return activation_map(against_similar(target_of(network, picture, target), classes), layer, kind)


def against_similar(target: AttributionTarget, classes: int) -> AttributionTarget:
    """Return a class's score less those of the classes whose scores are nearest to it."""
    network, address = target.network, target.address
    if len(target.terms) != 1 or address.layer not in network.class_values[1:] or address.channel is None:
        raise InputError(f"Finer-CAM tells one class from others: give a class, not {target}")
    answer = network.activations(target.input, Address(address.layer))[address.layer]
    scores = network.channels_first(address.layer, answer)[0].double()
    scores = scores.flatten(1).mean(1) if scores.dim() > 1 else scores
    require_finite(target, scores.sum()[None], target.input)
    if classes < 1 or len(scores) < 2:
        raise InputError(f"classes is how many of the others to compare with, at least 1; not {classes}")
    own = int(address.channel)
    nearest = [index for index in (scores - scores[own]).abs().argsort(stable=True).tolist() if index != own]
    shares = scores.softmax(0)[nearest[:classes]]
    shares = shares / shares.sum()
    others = (
        TargetTerm(Address(address.layer, index), -share)
        for index, share in zip(nearest, shares.tolist(), strict=False)
    )
    return replace(target, terms=(*target.terms, *others))
