"""What units want to see, each beside where it finds it in a picture.

The pairing of Olah et al., *The building blocks of interpretability* (2018): a unit's number says little, its picture
and its place say what it contributes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from convscope.address import Address
from convscope.attribution.panels import blurred
from convscope.attribution.saliency import saliency
from convscope.attribution.target import AttributionTarget, target_of
from convscope.looking.answers import answer, is_vector
from convscope.looking.main_line import stages
from convscope.network.network import Network
from convscope.optimization.feature_visualization import by_address, feature_visualization
from convscope.pictures.picture import Picture
from convscope.pictures.recording import recipe_function
from convscope.presentation.panels import Panel, panels

SIZE, STEPS = 112, 96  # enough to tell what it is, for a page with many
_DIM = 0.12  # what is left of the picture where a unit finds nothing


@recipe_function("wanted_and_found")
def wanted_and_found(
    network: Network,
    picture: Any,
    addresses: Sequence[str],
    *,
    size: int = SIZE,
    steps: int = STEPS,
    seed: int = 0,
    columns: int = 4,
    theme: str = "light",
) -> Picture:
    """Show what each unit wants to see, and beside it the picture, lit where the unit finds it.

    `addresses` are channels (lit where they answer) and classes (lit where the score depends on the picture, by its
    saliency). ``size`` and ``steps`` are those of `feature_visualization`; `columns` counts pictures, two a unit.

    >>> wanted_and_found(network, "cat.jpg", ["inception_4c/output:42", "prob:tabby"]).save("found.png")
    """
    wanted = feature_visualization(network, addresses, size=size, steps=steps, seed=seed)
    pairs = paired(network, picture, by_address(wanted))
    return laid_out(pairs, columns=columns, theme=theme)


def paired(network: Network, picture: Any, wanted: Mapping[str, Picture]) -> list[Panel]:
    """Return pictures of what units want, by address, each before where it finds it."""
    shown = []
    for address, made in wanted.items():
        target = target_of(network, picture, address)
        seen = network.deprocess(target.input)
        found, number = _found(target, picture, seen.shape[:2])
        lit = (seen * (_DIM + (1 - _DIM) * found[..., None]) * 255).round().astype(np.uint8)
        left = Panel(_fitted(made.array, lit.shape), _name(target), smooth=True, address=address)
        shown += [left, Panel(lit, number, smooth=True)]
    return shown


def laid_out(pairs: Sequence[Panel], *, columns: int = 4, theme: str = "light") -> Picture:
    """Return the pairs in rows, with the words that say what they are."""
    caption = (
        "Left of each pair, what the unit wants to see, made from noise; right, the picture, lit where it finds it: "
        "for a channel where it answers, for a class where its score depends on the picture."
    )
    return replace(panels(pairs, columns=columns, theme=theme), caption=caption)


def _found(target: AttributionTarget, picture: Any, size: tuple[int, ...]) -> tuple[NDArray[np.float64], str]:
    """Return how much light falls on each pixel the network saw, between 0 and 1, and how strong the answer is."""
    address, network = target.address, target.network
    if is_vector(network.shape_channels_first(address.layer)):
        value = answer(network, picture, address.layer).reshape(-1)[int(address.channel or 0)]
        return blurred(saliency(network, target.input, target).map, 99), f"here: {value:.3g}"
    maps = answer(network, picture, address.layer)
    values = np.maximum(maps[int(address.channel or 0)], 0)
    strongest = float(values.max())
    height, width = size
    light = Image.fromarray((values / (strongest or 1)).astype(np.float32))
    spread = np.asarray(light.resize((width, height), Image.Resampling.BICUBIC), np.float64)
    return spread.clip(0, 1), f"here: up to {strongest:.3g}"


def _name(target: AttributionTarget) -> str:
    network, address = target.network, target.address
    if address.layer in network.class_values and network.labels:
        return network.class_label(int(address.channel or 0))
    return str(target)


def _fitted(colors: NDArray[np.uint8], shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Return a picture at the size of those beside it."""
    image = Image.fromarray(colors).convert("RGB")
    return np.asarray(image.resize((shape[1], shape[0]), Image.Resampling.BICUBIC))


def informative_units(network: Network, picture: Any, *, layers: int = 3, each: int = 2) -> list[str]:
    """Return the channels that answer most to a picture, averaged over it, in the last layers of the last stages."""
    chosen = []
    for stage in stages(network)[-layers:]:
        name = stage.shown[-1]
        maps = answer(network, picture, name)
        strength = maps.reshape(len(maps), -1).mean(1)
        chosen += [str(Address(name, int(index))) for index in np.argsort(-strength, kind="stable")[:each]]
    return chosen
