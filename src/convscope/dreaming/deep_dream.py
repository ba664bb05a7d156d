"""What a network dreams: a picture with more of what a layer, a channel or a class sees in it.

Mordvintsev, Olah and Tyka, *Inceptionism: going deeper into neural networks* (2015).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from convscope.dreaming.gradients import gradient_of, tiled_gradient_of
from convscope.dreaming.memory import dream_bytes
from convscope.dreaming.objectives import DreamTerm, objective_of
from convscope.dreaming.options import DreamKeywords, DreamOptions
from convscope.dreaming.presets import DreamPreset, Start
from convscope.dreaming.settings import DreamSettings
from convscope.dreaming.steps import DreamStep, dream_steps
from convscope.dreaming.targets import LOOKED_AT, DreamLayers, chosen_addresses, terms_of, with_channels
from convscope.errors import InputError
from convscope.jobs import State, last_step, steps_on_bar, steps_until
from convscope.network.network import Network
from convscope.optimization.gradient_edits import Masked
from convscope.optimization.memory_plan import MemoryPlan, bytes_of, memory_plan
from convscope.optimization.objective_batch import objective_batch
from convscope.optimization.original_colors import with_colors_of
from convscope.optimization.presets import warn_elsewhere
from convscope.optimization.size_limits import in_windows, network_bytes, picture_bytes, require_size_fits
from convscope.pictures.options import takes_options
from convscope.pictures.photograph import Photograph, open_photograph
from convscope.pictures.picture import Picture
from convscope.pictures.picture_tensor import (
    opacity_of,
    picture_like,
    picture_tensor,
    require_size,
    scaled_size,
)
from convscope.pictures.recipe import Recipe
from convscope.pictures.recording import as_json, recipe_of, recordable, writes_recipe
from convscope.pictures.resizing import Size, resized
from convscope.pictures.rgb import PLAIN, Encoding
from convscope.preset_guide import DREAM_GUIDE
from convscope.progress import bars

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from convscope.pictures.photograph import PictureLike

LARGEST = 1024  # pixels of the longer side, where no size is asked for


@dataclass(frozen=True, eq=False)
class Dream:
    """A dream that can be run: what it makes stronger, how, and the values it starts from (1, 3, H, W).

    `mask` (1, 1, H, W) is white where it dreams; `opacity` is the picture's own. It is saved as its picture was
    `stored`. `recipe` makes it again.
    """

    network: Network
    terms: tuple[DreamTerm, ...]
    settings: DreamSettings
    options: DreamOptions
    start: Tensor
    recipe: Recipe
    mask: Tensor | None = None
    opacity: Tensor | None = None
    stored: Encoding = PLAIN

    def in_tiles(self, tile: int | None) -> Dream:
        """Return the same dream computed in windows of about so many pixels; None: in one piece."""
        recipe = self.recipe.with_arguments(tile=tile)
        return replace(self, options=replace(self.options, tile=tile), recipe=recipe)

    def within(self, memory: int | None) -> tuple[Dream, MemoryPlan]:
        """Return the dream computed in tiles that fit so many bytes, where it does not fit in one piece, and the plan.

        InputError when no tile fits, with what the smallest would take.
        """
        size = self.settings.octaves.sizes(_size(self.start))[-1]
        needed = partial(dream_bytes, self.network, self.terms, self.settings, size)
        plan = memory_plan(needed, size, memory, self.options.tile)
        return self.in_tiles(plan.tile), plan

    def steps(self, resume: State | None = None) -> Iterator[DreamStep]:
        """Yield the dream's steps, or those after an earlier step's `state`; the last one's picture is the dream."""
        settings, tile = self.settings, self.options.tile
        if tile is None:
            require_size_fits("a dream", self.end, self._bytes_at, in_windows())
        if self.mask is not None:
            settings = replace(settings, gradient_edits=(*settings.gradient_edits, Masked(self.mask)))
        gradient = (
            gradient_of(self.network, self.terms, settings)
            if tile is None
            else tiled_gradient_of(self.network, self.terms, settings, tile)
        )
        generator = torch.Generator().manual_seed(self.options.seed)
        steps = dream_steps(gradient, self.start.to(self.network.device), settings, generator, resume=resume)
        return steps_until(steps, self.options.stop_after)

    def _bytes_at(self, size: Size) -> int:
        layers = objective_batch(self.network, [objective_of(self.terms)]).layers
        return picture_bytes(size) + network_bytes(self.network, layers, size)

    def pixels(self, step: DreamStep) -> Tensor:
        """Return what a step has made of the picture, (3 or 4, H, W) in 0..1: masked, in its colors, see-through."""
        shown, keep_colors = step.picture().cpu(), self.options.keep_colors
        if self.settings.back and step.index == step.of:
            shown = _at(shown, self.start)
        if keep_colors or self.mask is not None:
            original = _at(self.settings.shown_as(self.start), shown)
            shown = with_colors_of(original, shown) if keep_colors else shown
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
        pixels = resized(self.pixels(step)[None], self.end)[0]
        return (pixels * 255).round().to(torch.uint8).movedim(0, -1).cpu().contiguous().numpy()

    def picture(self, step: DreamStep) -> Picture:
        """Return a step of the dream as a picture with its caption and its recipe."""
        settings, (number, count) = self.settings, step.octave
        sizes = (
            f"size {number} of {count}" if number < count else "one size" if count == 1 else f"{count} sizes"
        )
        caption = (
            f"A dream of {self.network.name}: {objective_of(self.terms).description}, made larger by "
            f"{step.index:,} steps over {sizes} (preset {self.options.preset}, rate {settings.rate:g}). "
            f"Objective {step.value:.4g}"
        )
        words = "" if settings.shown == "clipped" else ". Shown around mid-gray, 0.1 a standard deviation"
        array = self.pixels(step).movedim(0, -1).cpu().numpy()
        recipe = self.recipe if step.index == step.of else self.recipe.with_arguments(stop_after=step.index)
        return replace(picture_like(array, self.stored, f"{caption}{words}."), recipe=recipe)


@writes_recipe("deep_dream")
@takes_options(DreamOptions, DreamKeywords)
def deep_dream(
    network: Network,
    picture: PictureLike | None = None,
    layers: DreamLayers = None,
    *,
    options: DreamOptions | None = None,
    memory: str | None = None,
    progress: bool = True,
    **changes: Unpack[DreamKeywords],
) -> Picture:
    """Show what a network dreams into a picture, or into noise where none is given.

    `layers` are addresses (a layer, a channel, a class), with weights if they differ; by default the preset's,
    where the network has them, else one in its middle. `options` say how, and so do the same names as keywords
    (`DreamOptions` tells what each does; `changes` are single fields of a preset's settings): ``preset``, ``size``,
    ``guide``, ``steps``, ``rate``, ``seed`` and more. `memory` ("2GB") computes a large picture in windows that
    fit, with the same result; with ``progress=False`` no bar shows the steps.

    >>> convscope.deep_dream(network, "coffee", "mixed4c", size=160).save("dream.png")

    The picture is RGB (or RGBA, where `picture` is), of `picture`'s size and bits, where nothing else is asked for.
    InputError when a layer is not there or nothing changes it.
    """
    dream = dream_of(network, picture, layers, options, **changes)
    if memory is not None:
        dream, _ = dream.within(bytes_of(memory))
    with bars(progress):
        return dream.picture(last_step(steps_on_bar(dream.steps())))


def dream_of(
    network: Network,
    picture: PictureLike | None = None,
    layers: DreamLayers = None,
    options: DreamOptions | None = None,
    **changes: Unpack[DreamKeywords],
) -> Dream:
    """Return the dream that `deep_dream` shows, to be run step by step."""
    how = (options or DreamOptions()).updated(changes)
    recorded, settled = recordable(vars(how))
    how = replace(how, **settled)
    photograph = None if picture is None else open_photograph(picture)
    preset, settings = how.source, how.settings()
    if photograph is None and preset.start.normalized:
        settings = replace(settings, shown="normalized")
    addresses = chosen_addresses(network, layers, preset, guided=how.guide is not None)
    if how.as_its_source and not _is_of_its_source(network, preset):
        warn_elsewhere(how.preset, DREAM_GUIDE[how.preset], network)
    require_size_fits("a dream", _first_size(photograph, how), picture_bytes)
    start = _start(preset, settings, photograph, how)
    shown = settings.pictures(start)
    if preset.one_channel and how.guide is None and how.channels is None:
        addresses = with_channels(network, addresses, shown, how.seed)
    guide = None if how.guide is None else picture_tensor(how.guide, None, LOOKED_AT)
    terms = terms_of(network, addresses, preset, shown, guide=guide, channels=how.channels)
    del recorded["seed"]
    arguments = {"layers": addresses} | {name: value for name, value in recorded.items() if value is not None}
    return Dream(
        network,
        terms,
        settings,
        how,
        start,
        recipe_of("deep_dream", as_json(arguments), network=network, picture=photograph, seed=how.seed),
        None if how.mask is None else _mask(how.mask, start),
        None if photograph is None else opacity_of(photograph, start),
        (PLAIN if photograph is None else photograph.stored).with_bits(how.bits),
    )


def _is_of_its_source(network: Network, preset: DreamPreset) -> bool:
    """Tell whether a network has the layers that a preset was made for."""
    return all(address.partition(":")[0] in network.layers for address in preset.layers)


def _start(
    preset: DreamPreset, settings: DreamSettings, picture: Photograph | None, options: DreamOptions
) -> Tensor:
    """Return what the dream starts from: the picture, or the preset's noise where there is none."""
    start, size, generator = preset.start, options.size, torch.Generator().manual_seed(options.seed)
    if picture is None:
        start = start if size is None or start.kind != "noise" else replace(start, made_at=size, size=size)
        return start.values(None, generator)
    if start.kind == "noise":
        start = Start()
    return start.values(settings.values(picture_tensor(picture, size, LARGEST)), generator)


def _first_size(picture: Photograph | None, options: DreamOptions) -> Size:
    """Return the (height, width) that the dream's start will have."""
    require_size(options.size)
    if picture is None:
        size = options.size or options.source.start.size
        return size, size
    height, width = picture.pixels.shape[:2]
    return scaled_size((height, width), options.size or min(LARGEST, max(height, width)))


def _mask(mask: PictureLike, start: Tensor) -> Tensor:
    pixels = _at(picture_tensor(mask, None, LARGEST).mean(1, keepdim=True), start)
    if not pixels.any():
        raise InputError(
            f"the mask {open_photograph(mask).name} is black everywhere, so nothing would be dreamed: make it white "
            "where something should"
        )
    return pixels


def _at(picture: Tensor, like: Tensor) -> Tensor:
    """Return a picture at the size of another."""
    return resized(picture, _size(like))


def _size(picture: Tensor) -> Size:
    return int(picture.shape[-2]), int(picture.shape[-1])
