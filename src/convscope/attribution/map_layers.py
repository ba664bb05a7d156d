"""Which layer a class activation map is made of: one that is given, or the last one that tells where.

That is the last one with positions that every path goes through; of a detector, the last of each branch that the number
comes from; of a transformer, the last whose tokens of places still count.
"""

from __future__ import annotations

from convscope.attribution.target import AttributionTarget
from convscope.attribution.target_at_layer import TargetAtLayer
from convscope.errors import InputError
from convscope.looking.main_line import last_maps, last_maps_of_branches, main_line, maps_before
from convscope.looking.positions import has_positions
from convscope.network.tokens import token_grids


def branch_layers(target: AttributionTarget) -> list[str]:
    """Return the last layers with positions of a detector's branches that the number depends on; else none."""
    if len(target.layers) > 1:
        return []
    branches = last_maps_of_branches(target.network, target.layers[0])
    # A branch's own numbers are asked: its layer may lead to the other branches too.
    layers = [
        layer for value, layer in branches.items() if TargetAtLayer(target, value).whole_gradients.any()
    ]
    return list(dict.fromkeys(layers))


def chosen_layer(target: AttributionTarget) -> str:
    """Return the layer for a target where none is given; InputError where there is none."""
    layer = _last_tokens(target) or last_maps(target.network, target.layers)
    if layer is not None:
        return layer
    pixels = "use a method for pixels, as saliency or occlusion"
    maps = maps_before(target.network, target.layers)
    if not maps:
        raise InputError(f"no layer with rows and columns lies between the picture and {target}: {pixels}")
    raise InputError(
        f"no layer with rows and columns that every path goes through lies before {target}: name one, as {maps[-1]!r}, "
        f"or {pixels}"
    )


def _last_tokens(target: AttributionTarget) -> str | None:
    """Return the last layer of tokens with a place that the number depends on: behind it, only the class's are read."""
    tokens = token_grids(target.network)
    line = main_line(target.network, target.layers) if tokens else []
    layers = [name for name in line if name in tokens and name not in target.layers]
    return next(
        (name for name in reversed(layers) if bool(TargetAtLayer(target, name).gradients.any())), None
    )


def checked_layer(target: AttributionTarget, layer: str) -> str:
    """Return a layer's own name; InputError for one without positions, UnknownLayer for none."""
    network, address = target.network, target.network.resolve(layer)
    if address.channel is not None:
        raise InputError(
            f"{layer!r} is a unit: a class activation map is made of a whole layer, {address.layer!r}"
        )
    if address.layer in token_grids(network) and address.layer not in target.layers:
        return address.layer
    if address.layer in network.graph.inputs:
        raise InputError(
            f"{layer!r} is the picture itself: use a method for pixels, as saliency or occlusion"
        )
    shape = network.shape_channels_first(address.layer)
    if shape is not None and not has_positions(network, address.layer):
        hint = last_maps(network, target.layers)
        near = f"; the last that has them is {hint!r}" if hint else ": use a method for pixels, as saliency"
        raise InputError(f"{layer!r} answers {tuple(shape[1:])}, without rows and columns{near}")
    if address.layer in target.layers:
        raise InputError(f"{layer!r} is what is explained: choose a layer before it")
    return address.layer
