"""What a network dreams: a picture with more of what a layer, a channel or a class sees in it.

Mordvintsev, Olah and Tyka, *Inceptionism: going deeper into neural networks* (2015).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from convscope.errors import InputError
from convscope.network.network import Network
from convscope.optimization.dream_objectives import Term, dream_terms, guided_term, objective_of
from convscope.optimization.dream_presets import DreamPreset, dream_preset
from convscope.optimization.dreaming import DreamSettings, DreamStep, dream_steps, gradient_of
from convscope.photograph import open_photograph
from convscope.picture import Picture
from convscope.recording import recipe_function
from convscope.techniques.main_line import stages

LARGEST = 1024  # pixels of the longer side, where no size is asked for


@dataclass(frozen=True, eq=False)
class Dream:
    """A dream that can be run: its terms, its settings, and the values it starts from (1, 3, H, W)."""

    network: Network
    terms: tuple[Term, ...]
    settings: DreamSettings
    start: Tensor
    seed: int

    def steps(self) -> Iterator[DreamStep]:
        """Yield the dream's steps; the last one's picture is the dream."""
        gradient = gradient_of(self.network, self.terms, self.settings)
        generator = torch.Generator().manual_seed(self.seed)
        return dream_steps(gradient, self.start, self.settings, generator)


@recipe_function("deep_dream")
def deep_dream(
    network: Network,
    picture: Any = None,
    layers: str | Sequence[str] | Mapping[str, float] | None = None,
    *,
    preset: str = "google-2015",
    guide: str | None = None,
    size: int | None = None,
    seed: int = 0,
    **changes: Any,
) -> Picture:
    """Show what a network dreams into a picture.

    `layers` are addresses (a layer, a channel, a class), with weights if they differ; by default the preset's, where
    the network has them, else one in its middle. `preset` fixes everything else (`DREAM_PRESETS`), and `changes` single
    settings of it (``rate``, ``iterations``, ``jitter``, ``octaves=6``, ``octave_scale=1.3``). `guide` is a picture
    whose features are dreamed instead. `size` is the longer side in pixels.

    >>> deep_dream(network, "sky.jpg", "inception_4c/output").save("dream.png")

    InputError when a layer is not there or nothing changes it.
    """
    dream = dream_of(network, picture, layers, preset=preset, guide=guide, size=size, seed=seed, **changes)
    last = deque(dream.steps(), maxlen=1)
    if not last:
        raise InputError("this dream has no steps: its objective is above `stop_above` from the start")
    return shown(dream, last[0], preset)


def dream_of(
    network: Network,
    picture: Any,
    layers: str | Sequence[str] | Mapping[str, float] | None,
    *,
    preset: str = "google-2015",
    guide: str | None = None,
    size: int | None = None,
    seed: int = 0,
    **changes: Any,
) -> Dream:
    """Return the dream that `deep_dream` shows, to be run step by step."""
    found = dream_preset(preset)
    settings = changed(found.settings, changes)
    values = None if picture is None else settings.values(_pixels(picture, size))
    kept = (
        found.start if values is None or found.start.kind != "noise" else replace(found.start, kind="picture")
    )
    start = kept.values(values, torch.Generator().manual_seed(seed))
    weights = _weights(network, layers, found)
    if guide is None:
        terms = dream_terms(weights, found.measure)
    else:
        layer = next(iter(weights))
        terms = (guided_term(layer, _features(network, guide, layer, size)),)
    return Dream(network, terms, settings, start, seed)


def changed(settings: DreamSettings, changes: Mapping[str, Any]) -> DreamSettings:
    """Return settings with single ones changed; ``octaves`` and ``octave_scale`` are of their octaves."""
    octaves = settings.octaves
    rest = dict(changes)
    if (count := rest.pop("octaves", None)) is not None:
        octaves = replace(octaves, count=count, exponents=None)
    if (scale := rest.pop("octave_scale", None)) is not None:
        octaves = replace(octaves, scale=scale)
    possible = ("rate", "iterations", "jitter", "zoom", "clip", "stop_above")
    if unknown := sorted(set(rest) - set(possible)):
        raise InputError(
            f"a dream has no {unknown[0]!r}; possible: octaves, octave_scale, {', '.join(possible)}"
        )
    return replace(settings, octaves=octaves, **rest)


def _pixels(picture: Any, size: int | None) -> Tensor:
    """Return a picture as (1, 3, H, W) in 0..1, its longer side `size`, or at most `LARGEST`."""
    pixels = (
        torch.from_numpy(np.ascontiguousarray(open_photograph(picture).pixels)).movedim(-1, 0)[None].float()
    )
    height, width = pixels.shape[2:]
    longer = size or min(LARGEST, max(height, width))
    wanted = tuple(max(1, round(side * longer / max(height, width))) for side in (height, width))
    if wanted == (height, width):
        return pixels
    return F.interpolate(pixels, wanted, mode="bilinear", antialias=True).clamp(0, 1)


def _weights(
    network: Network, layers: str | Sequence[str] | Mapping[str, float] | None, preset: DreamPreset
) -> Mapping[str, float]:
    """Return addresses with their weights: those asked for, the preset's, or the network's middle."""
    if isinstance(layers, str):
        return {layers: 1.0}
    if isinstance(layers, Mapping):
        return layers
    if layers:
        return dict.fromkeys(layers, 1.0)
    if all(address.partition(":")[0] in network.layers for address in preset.layers):
        return preset.layers
    return {middle(network): 1.0}


def middle(network: Network) -> str:
    """Return a layer worth dreaming of: the last of the stage whose maps have a sixteenth of the input's side."""
    found = stages(network)
    if not found or network.input_spec is None:
        raise InputError(
            f"{network.name} has no layers with maps of a picture, so there is nothing to dream of"
        )
    side = max(network.input_spec.size)
    return min(found, key=lambda stage: abs(max(stage.size) * 16 - side)).shown[-1]


def _features(network: Network, guide: str, layer: str, size: int | None) -> Tensor:
    spec = network.input_spec
    if spec is None:
        raise InputError(f"{network.name} eats no pictures, so no picture can guide it")
    eaten = spec.from_rgb(_pixels(guide, size))
    return network.forward_to([layer])(eaten)[layer].detach()


def shown(dream: Dream, step: DreamStep, preset: str) -> Picture:
    """Return a step of a dream as a picture with its caption."""
    pixels = step.picture()[0].movedim(0, -1).cpu().numpy()
    settings = dream.settings
    sizes = f"{step.octave[1]} sizes" if step.octave[1] > 1 else "one size"
    caption = (
        f"A dream of {dream.network.name}: {objective_of(dream.terms).description}, made larger by "
        f"{step.index:,} steps over {sizes} (preset {preset}, rate {settings.rate:g}). Objective {step.value:.4g}"
    )
    range_words = "" if settings.shown == "clipped" else ". Shown around mid-gray, 0.1 a standard deviation"
    return Picture(pixels, f"{caption}{range_words}.")
