"""Which lines speak for a class, where its evidence lies: guided backpropagation within Grad-CAM's light.

Selvaraju et al., *Grad-CAM: visual explanations from deep networks via gradient-based localization* (2017).
"""

from __future__ import annotations

from typing_extensions import Unpack

from convscope.attribution.activation_map import LayerLike, activation_map
from convscope.attribution.attribution import Attribution
from convscope.attribution.grad_cam import grad_cam
from convscope.attribution.guided_backprop import through_relus
from convscope.attribution.method import attribution_method
from convscope.attribution.panels import IN_COLOR, PanelKeywords
from convscope.attribution.saliency import strongest
from convscope.attribution.target import TargetLike, target_of
from convscope.network.network import Network
from convscope.network.operations.backward_rules import guided_relu
from convscope.pictures.photograph import InputLike

CAUTION = (
    "Take care: its lines are guided backpropagation's, which fails the sanity checks (Adebayo et al., 2018); only "
    "where they are lit says something about the answer"
)


@attribution_method
def guided_grad_cam(
    network: Network,
    picture: InputLike,
    target: TargetLike = None,
    *,
    layer: LayerLike = None,
    **panels: Unpack[PanelKeywords],
) -> Attribution:
    """Show crisp lines where the evidence for a class lies: guided backpropagation times Grad-CAM.

    `layer` is as in `grad_cam`, `target` as in `saliency`.

    >>> convscope.guided_grad_cam(network, "coffee", "espresso").save("espresso.png")
    """
    target = target_of(network, picture, target)
    light = activation_map(target, layer, grad_cam.kind)
    lines = target.pixels(through_relus(target, guided_relu.__name__).gradient())
    values = lines * light.map[..., None]
    where = light.how.partition(", each")[0].removeprefix("the channels of ")
    how = f"guided backpropagation, times Grad-CAM of {where}"
    map = strongest(values, "positive")
    notes = () if light.map.any() else light.notes  # why there is nothing
    return Attribution(
        target,
        "Guided Grad-CAM",
        map,
        values,
        how,
        CAUTION,
        lit="where it draws",
        notes=notes,
        panels=IN_COLOR,
    )
