"""The tuning of an atlas's early units: curves of what drawn stripes, colors, disks and lines make them answer.

No photographs are needed. Deeper units see more than lines and colors: those of a network's second half have no curves.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from convscope.files import saved
from convscope.looking.stimuli import (
    CONTRASTS,
    CURVATURES,
    FAMILIES,
    HUES,
    ORIENTATIONS,
    PERIODS,
    RADII,
    stimuli,
)
from convscope.looking.tuning import Tuning, central_neuron, measure_tunings
from convscope.looking.tuning_curves import around, in_words
from convscope.network.network import Network
from convscope.presentation.scaling import to_bytes

TILE = 96
AXES = {
    "orientation": ORIENTATIONS,
    "period": PERIODS,
    "hue": HUES,
    "radius": RADII,
    "contrast": tuple(CONTRASTS),
    "curvature": tuple(round(one, 4) for one in CURVATURES),
}
"""What the curves lie over, for the page."""
_FRAME = (36, 96, 184)  # the page's accent


@dataclass(frozen=True, eq=False)
class Plate:
    """A layer's curves: ``units``, a row of JSON data for each, and the tiles (tiles, 96, 96, 3) that they number."""

    units: list[dict[str, Any]]
    tiles: NDArray[np.uint8]


def early_layers(network: Network, layers: Collection[str]) -> list[str]:
    """Return those of the layers in the first half of a network whose positions see a known part of the picture."""
    order = list(network.layers)
    return [
        layer
        for layer in layers
        if order.index(layer) < len(order) / 2
        and network.layers[layer].receptive_field is not None
        and len(network.shape_channels_first(layer) or ()) == 4
    ]


def kept_tunings(network: Network, layers: Sequence[str], path: Path) -> dict[str, Tuning]:
    """Return the tunings of layers, measured in a few passes for all, and kept in a file for the next time.

    Layers that answer with NaN are left out.
    """
    try:
        arrays = load_file(path)
        return {layer: _unpacked(network, layer, arrays) for layer in layers if f"{layer}/gray" in arrays}
    except (OSError, SafetensorError, LookupError):
        tunings = measure_tunings(network, layers)
    arrays = {key: array for tuning in tunings.values() for key, array in _packed(tuning).items()}
    with saved(path, SafetensorError) as partial:
        save_file(arrays, partial)
    return tunings


def _packed(tuning: Tuning) -> dict[str, NDArray[Any]]:
    arrays: dict[str, NDArray[Any]] = {f"{tuning.layer}/gray": tuning.gray}
    for family in FAMILIES:
        arrays[f"{tuning.layer}/{family}"] = np.ascontiguousarray(tuning.answers[family])
        arrays[f"{tuning.layer}/{family}/strongest"] = np.ascontiguousarray(tuning.strongest[family])
    return arrays


def _unpacked(network: Network, layer: str, arrays: Mapping[str, NDArray[Any]]) -> Tuning:
    return Tuning(
        *central_neuron(network, layer),
        network.picture_spec.size,
        arrays[f"{layer}/gray"],
        {family: arrays[f"{layer}/{family}"] for family in FAMILIES},
        {family: arrays[f"{layer}/{family}/strongest"] for family in FAMILIES},
    )


def tuning_plate(tuning: Tuning) -> Plate:
    """Return a layer's curves for the page; a stimulus that several units answer most to has one tile."""
    numbers = dict[int, int]()
    units = [_unit(tuning, channel, numbers) for channel in range(len(tuning.gray))]
    tiles = np.zeros((len(numbers), TILE, TILE, 3), np.uint8)
    for number, stimulus in enumerate(stimuli(tuning.size, tuning.middle)):
        if number in numbers:
            tiles[numbers[number]] = _tile(tuning, to_bytes(stimulus.pixels))
    return Plate(units, tiles)


def _unit(tuning: Tuning, channel: int, numbers: dict[int, int]) -> dict[str, Any]:
    """Return a unit's curves; `numbers`, stimulus to tile, is filled on the way."""
    grating = tuning.answers["grating"][channel]
    orientation, period = tuning.best("grating", channel)
    tiles = {
        family: numbers.setdefault(tuning.strongest_number(family, channel), len(numbers))
        for family in FAMILIES
    }
    return {
        "gray": _short(tuning.gray[channel]),
        "words": in_words(tuning, channel),
        "grating": [orientation, period],
        "orientation": [[_short(value) for value in grating[:, period]]],
        "period": [[_short(value) for value in grating[orientation]]],
        "hue": [[_short(value) for value in tuning.answers["hue"][channel]]],
        "radius": [[_short(value) for value in row] for row in tuning.answers["disk"][channel]],
        "curvature": [[_short(value) for value in tuning.answers["arc"][channel]]],
        "tiles": tiles,
    }


def _short(value: np.floating[Any]) -> float:
    return float(f"{value:.4g}")


def _tile(tuning: Tuning, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a stimulus around what the neuron sees, and that framed."""
    shown, (top, left, bottom, right) = around(tuning, pixels)
    image = Image.fromarray(shown).resize((TILE, TILE), Image.Resampling.BICUBIC)
    across, down = TILE / shown.shape[1], TILE / shown.shape[0]
    frame = (left * across, top * down, right * across - 1, bottom * down - 1)
    draw = ImageDraw.Draw(image)
    draw.rectangle((frame[0] - 1, frame[1] - 1, frame[2] + 1, frame[3] + 1), outline="white")
    draw.rectangle(frame, outline=_FRAME)
    return np.asarray(image)
