"""What a network dreams: a picture with more of what a layer, a channel or a class sees in it.

Mordvintsev, Olah and Tyka, *Inceptionism: going deeper into neural networks* (2015).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from convscope.dreaming.gradients import gradient_of, tiled_gradient_of
from convscope.dreaming.memory import dream_bytes
from convscope.dreaming.objectives import Term, objective_of
from convscope.dreaming.options import LOOKED_AT, DreamLayers, terms_of, wanted_of, with_channels
from convscope.dreaming.presets import DreamPreset, Start, dream_preset
from convscope.dreaming.settings import DreamSettings
from convscope.dreaming.steps import DreamStep, dream_steps
from convscope.errors import InputError, require_known
from convscope.network.network import Network
from convscope.optimization.gradient_edits import Masked
from convscope.optimization.memory_plan import MemoryPlan, bytes_of, memory_plan
from convscope.optimization.octaves import Size
from convscope.optimization.optimizers import State
from convscope.optimization.original_colors import with_colors_of
from convscope.pictures.photograph import open_photograph
from convscope.pictures.picture import Picture
from convscope.pictures.picture_tensor import (
    opacity_of,
    picture_like,
    picture_tensor,
    require_size,
    stretched,
)
from convscope.pictures.recording import recipe_function, recipe_of
from convscope.pictures.rgb import PLAIN, Stored

LARGEST = 1024  # pixels of the longer side, where no size is asked for
_CHANGES = ("rate", "iterations", "jitter", "zoom", "clip", "stop_above", "precision")
Channels: TypeAlias = str | Sequence[int] | None


@dataclass(frozen=True, eq=False)
class Dream:
    """A dream that can be run: its terms, its settings, and the values it starts from (1, 3, H, W).

    `mask` (1, 1, H, W) is white where it dreams; `opacity` is the picture's own. With `keep_colors` only brightness
    changes; `tile` computes it in windows of so many pixels. It is saved as its picture was `stored`.
    """

    network: Network
    terms: tuple[Term, ...]
    settings: DreamSettings
    start: Tensor
    seed: int = 0
    mask: Tensor | None = None
    opacity: Tensor | None = None
    keep_colors: bool = False
    tile: int | None = None
    preset: str = "default"
    stored: Stored = PLAIN

    def within(self, memory: int | None) -> tuple[Dream, MemoryPlan]:
        """Return the dream computed in tiles that fit so many bytes, where it does not fit in one piece, and the plan.

        InputError when no tile fits, with what the smallest would take.
        """
        size = self.settings.octaves.sizes(_size(self.start))[-1]
        needed = partial(dream_bytes, self.network, self.terms, self.settings, size)
        plan = memory_plan(needed, size, memory, self.tile)
        return replace(self, tile=plan.tile), plan

    def steps(self, resume: State | None = None) -> Iterator[DreamStep]:
        """Yield the dream's steps, or those after an earlier step's `state`; the last one's picture is the dream."""
        settings = self.settings
        if self.mask is not None:
            settings = replace(settings, gradient_edits=(*settings.gradient_edits, Masked(self.mask)))
        gradient = (
            gradient_of(self.network, self.terms, settings)
            if self.tile is None
            else tiled_gradient_of(self.network, self.terms, settings, self.tile)
        )
        generator = torch.Generator().manual_seed(self.seed)
        return dream_steps(gradient, self.start.to(self.network.device), settings, generator, resume=resume)

    def pixels(self, step: DreamStep) -> Tensor:
        """Return what a step has made of the picture, (3 or 4, H, W) in 0..1: masked, in its colors, see-through."""
        shown = step.picture().cpu()
        if self.settings.back and step.index == step.of:
            shown = _at(shown, self.start)
        if self.keep_colors or self.mask is not None:
            original = _at(self.settings.shown_as(self.start), shown)
            shown = with_colors_of(original, shown) if self.keep_colors else shown
            if self.mask is not None:
                shown = torch.lerp(original, shown, _at(self.mask, shown))
        return torch.cat([shown, _at(self.opacity, shown)], 1)[0] if self.opacity is not None else shown[0]

    @property
    def end(self) -> Size:
        """The size the dream ends in, (height, width)."""
        size = _size(self.start)
        return size if self.settings.back else self.settings.octaves.sizes(size)[-1]

    def frame(self, step: DreamStep) -> NDArray[np.uint8]:
        """Return a step as a film's frame: (H, W, 3 or 4), at the size the dream ends in."""
        pixels = stretched(self.pixels(step)[None], self.end)[0]
        return (pixels * 255).round().to(torch.uint8).movedim(0, -1).cpu().contiguous().numpy()

    def picture(self, step: DreamStep) -> Picture:
        """Return a step of the dream as a picture with its caption."""
        settings, (number, count) = self.settings, step.octave
        sizes = (
            f"size {number} of {count}" if number < count else "one size" if count == 1 else f"{count} sizes"
        )
        caption = (
            f"A dream of {self.network.name}: {objective_of(self.terms).description}, made larger by "
            f"{step.index:,} steps over {sizes} (preset {self.preset}, rate {settings.rate:g}). "
            f"Objective {step.value:.4g}"
        )
        words = "" if settings.shown == "clipped" else ". Shown around mid-gray, 0.1 a standard deviation"
        return picture_like(self.pixels(step).movedim(0, -1).cpu().numpy(), self.stored, f"{caption}{words}.")


@recipe_function("deep_dream")
def deep_dream(
    network: Network,
    picture: Any = None,
    layers: DreamLayers = None,
    *,
    preset: str = "default",
    guide: str | None = None,
    channels: Channels = None,
    mask: str | None = None,
    keep_colors: bool = False,
    size: int | None = None,
    tile: int | None = None,
    memory: str | None = None,
    changes: Mapping[str, Any] | None = None,
    seed: int = 0,
) -> Picture:
    """Show what a network dreams into a picture, or into noise where none is given.

    `layers` are addresses (a layer, a channel, a class), with weights if they differ; by default the preset's, where
    the network has them, else one in its middle. `preset` fixes everything else (`dream_presets.DREAM_PRESETS`), and
    `changes` single settings of it: ``rate``, ``iterations``, ``jitter``, ``octaves``, ``octave_scale``, ``zoom``,
    ``clip``, ``stop_above``, ``precision`` ("bfloat16": faster, less exact). `guide` is a picture whose features are
    dreamed instead. `channels` of the layers count alone: ``(3, 17)``, or ``"strongest:8"`` of those that answer the
    picture. It dreams where the picture `mask` is white; `keep_colors` changes brightness only. `size` is the longer
    side in pixels. `tile` computes a large picture in windows of so many pixels, with the same result; `memory`
    ("2GB") chooses the largest that fits, where one piece does not.

    >>> deep_dream(network, "sky.jpg", "inception_4c/output").save("dream.png")

    InputError when a layer is not there or nothing changes it.
    """
    dream = dream_of(
        network,
        picture,
        layers,
        preset=preset,
        guide=guide,
        channels=channels,
        mask=mask,
        keep_colors=keep_colors,
        size=size,
        tile=tile,
        changes=changes,
        seed=seed,
    )
    if memory is not None:
        dream, _ = dream.within(bytes_of(memory))
    (last,) = deque(dream.steps(), maxlen=1)
    return replace(dream.picture(last), recipe=recipe_of("deep_dream", {"tile": dream.tile}))


def dream_of(
    network: Network,
    picture: Any = None,
    layers: DreamLayers = None,
    *,
    preset: str = "default",
    guide: str | None = None,
    channels: Channels = None,
    mask: str | None = None,
    keep_colors: bool = False,
    size: int | None = None,
    tile: int | None = None,
    changes: Mapping[str, Any] | None = None,
    seed: int = 0,
) -> Dream:
    """Return the dream that `deep_dream` shows, to be run step by step."""
    found = dream_preset(preset)
    picture = None if picture is None else open_photograph(picture)
    settings = changed(found.settings, changes or {})
    start = _start(found, settings, picture, size, seed)
    guiding = None if guide is None else picture_tensor(guide, None, LOOKED_AT)
    shown = settings.pictures(start)
    wanted = wanted_of(network, layers, found, guided=guide is not None)
    if found.one_channel and guide is None and channels is None:
        wanted = with_channels(network, wanted, shown, seed)
    terms = terms_of(network, wanted, found, shown, guide=guiding, channels=channels)
    return Dream(
        network,
        terms,
        settings,
        start,
        seed,
        None if mask is None else _mask(mask, start),
        None if picture is None else opacity_of(picture, start),
        keep_colors,
        tile,
        preset,
        PLAIN if picture is None else picture.stored,
    )


def changed(settings: DreamSettings, changes: Mapping[str, Any]) -> DreamSettings:
    """Return settings with single ones changed; ``octaves`` and ``octave_scale`` are of their octaves."""
    octaves, rest = settings.octaves, dict(changes)
    if (count := rest.pop("octaves", None)) is not None:
        octaves = replace(octaves, count=count, exponents=None)
    if (scale := rest.pop("octave_scale", None)) is not None:
        octaves = replace(octaves, scale=scale)
    require_known("a dream", sorted(rest), ("octaves", "octave_scale", *_CHANGES))
    return replace(settings, octaves=octaves, **rest)


def _start(preset: DreamPreset, settings: DreamSettings, picture: Any, size: int | None, seed: int) -> Tensor:
    """Return what the dream starts from: the picture, or the preset's noise where there is none."""
    start: Start = preset.start
    require_size(size)
    if picture is None:
        start = start if size is None or start.kind != "noise" else replace(start, made_at=size, size=size)
        return start.values(None, torch.Generator().manual_seed(seed))
    if start.kind == "noise":
        start = Start()
    values = settings.values(picture_tensor(picture, size, LARGEST))
    return start.values(values, torch.Generator().manual_seed(seed))


def _mask(mask: str, start: Tensor) -> Tensor:
    found = _at(picture_tensor(mask, None, LARGEST).mean(1, keepdim=True), start)
    if not found.any():
        raise InputError(
            f"the mask {mask} is black everywhere, so nothing would be dreamed: make it white where something should"
        )
    return found


def _at(picture: Tensor, like: Tensor) -> Tensor:
    """Return a picture at the size of another."""
    return stretched(picture, _size(like))


def _size(picture: Tensor) -> Size:
    return int(picture.shape[-2]), int(picture.shape[-1])
