"""What a unit wants to see: a picture made from nothing that makes it answer as strongly as it can.

Erhan et al., *Visualizing higher-layer features of a deep network* (2009); Olah, Mordvintsev and Schubert, *Feature
Visualization* (2017), https://distill.pub/2017/feature-visualization.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from convscope.address import Address
from convscope.cache import cache_key
from convscope.errors import InputError
from convscope.network.network import Network
from convscope.optimization.objectives import unit
from convscope.optimization.presets import preset as preset_named
from convscope.optimization.rendering import Progress, RenderedPicture, RenderJob, render, watch_rendering
from convscope.optimization.settings import Settings
from convscope.optimization.strongest import find_strongest
from convscope.pictures.picture import Picture
from convscope.pictures.recipe import library_versions
from convscope.pictures.recording import recipe_function, recipe_of
from convscope.presentation.scaling import Scaling
from convscope.presentation.sheet import sheet

Watch = Callable[[Progress], None]


@dataclass(frozen=True)
class RenderOptions:
    """How pictures are made: a preset's name, and what differs from it."""

    preset: str = "default"
    size: int | None = None
    steps: int | None = None
    seed: int = 0
    fast: bool = False

    def settings(self, network: Network) -> Settings:
        """Return the preset with the changes, for a network."""
        found = preset_named(self.preset, network.picture_spec)
        for name, value in (("size", self.size), ("steps", self.steps)):
            if value is not None and value < 1:
                raise InputError(f"{name} is at least 1, not {value}")
        size = found.size if self.size is None else (self.size, self.size)
        precision = "bfloat16" if self.fast else found.precision
        return replace(found, size=size, steps=self.steps or found.steps, precision=precision)

    def recorded(self) -> dict[str, Any]:
        """Return it as a recipe's arguments, the seed apart."""
        return {"preset": self.preset, "size": self.size, "steps": self.steps, "fast": self.fast}


def feature_visualization(
    network: Network,
    addresses: str | Address | Sequence[str | Address],
    *,
    preset: str = "default",
    size: int | None = None,
    steps: int | None = None,
    seed: int = 0,
    fast: bool = False,
    batch: int | None = None,
    watch: Watch | None = None,
) -> list[Picture]:
    """Show what units want to see: one picture for each address, and what it reaches in its caption.

    An address is a channel (``mixed4a:42``), a neuron (``mixed4a:42@3,5``), a class (``prob:tabby``: its logit) or a
    whole layer (its mean square, the deep dream's objective). All are made in batches, `batch` at a time (as many as
    fit the memory), each the picture it would be alone. ``preset`` is a name of `convscope.optimization.presets`,
    ``size`` in pixels; ``fast`` computes in half precision, and judges in full. Finished pictures are kept in the
    cache, and Ctrl-C keeps the unfinished. A unit that answers in no numbers (NaN) is left out with a warning;
    InputError where that leaves none. `watch` is told every step.

    >>> picture, = feature_visualization(network, "mixed4a:42")
    >>> picture.caption
    'What mixed4a:42 wants to see: activation 312, 3.1 × the strongest of 500 photographs …'
    """
    names = [
        str(address) for address in ((addresses,) if isinstance(addresses, (str, Address)) else addresses)
    ]
    options = RenderOptions(preset, size, steps, seed, fast)
    made: dict[str, Picture] = {}

    def collect(progress: Progress) -> None:
        for found in progress.made:
            made[found.name] = as_picture(network, found, options)
        if watch:
            watch(progress)

    watch_rendering(visualize(network, names, options, batch=batch), collect)
    return [made[name] for name in names if name in made]


def by_address(pictures: Sequence[Picture]) -> dict[str, Picture]:
    """Return what `feature_visualization` made, by address; a unit that answers in no numbers is not among them."""
    return {str(made.recipe.arguments["address"]): made for made in pictures if made.recipe}


def visualize(
    network: Network, addresses: Sequence[str], options: RenderOptions, *, batch: int | None = None
) -> Iterator[Progress]:
    """Make a picture for each address and yield the progress, finished pictures included, after every step."""
    jobs = [_job(network, address, options) for address in dict.fromkeys(addresses)]
    yield from render(
        network, jobs, options.settings(network), batch=batch, strongest=find_strongest(network)
    )


def _job(network: Network, address: str, options: RenderOptions) -> RenderJob:
    objective = unit(network, address)
    canonical = str(network.resolve(address))
    seed = int.from_bytes(sha256(f"{options.seed} {canonical}".encode()).digest()[:6], "big")
    key = None
    if network.origin.files:
        key = cache_key(canonical, options.recorded(), options.seed, network.identity, library_versions())
    return RenderJob(address, objective, seed, key)


@recipe_function("feature_visualization")
def _one(
    network: Network,
    address: str,
    *,
    preset: str = "default",
    size: int | None = None,
    steps: int | None = None,
    seed: int = 0,
    fast: bool = False,
) -> Picture:
    """Make one picture: what a recipe names."""
    (picture,) = feature_visualization(
        network, address, preset=preset, size=size, steps=steps, seed=seed, fast=fast
    )
    return picture


def as_picture(network: Network, made: RenderedPicture, options: RenderOptions) -> Picture:
    """Return a finished picture with its caption and its recipe."""
    told = options.recorded() | (
        {} if made.steps == options.settings(network).steps else {"steps": made.steps}
    )
    recipe = recipe_of(
        "feature_visualization", {"address": made.name, **told}, network=network, seed=options.seed
    )
    words = unit(network, made.name).description
    caption = f"What {words} wants to see: {made.verdict}. {made.steps} steps, preset {options.preset!r}."
    return Picture(pixels(made.picture), caption, recipe)


def pixels(picture: Tensor) -> NDArray[np.uint8]:
    """Return a uint8 picture (channels, height, width) as people see it: gray, RGB, or its channels side by side."""
    array = picture.numpy()
    if len(array) in (3, 4):
        return np.ascontiguousarray(array.transpose(1, 2, 0))
    side_by_side: NDArray[np.uint8] = np.concatenate(list(array), axis=1)
    return side_by_side


@recipe_function("feature_sheet")
def feature_sheet(
    network: Network,
    layer: str,
    *,
    channels: Sequence[int] | int | None = None,
    preset: str = "default",
    size: int | None = None,
    steps: int | None = None,
    seed: int = 0,
    fast: bool = False,
    columns: int | None = None,
    theme: str = "light",
    batch: int | None = None,
    watch: Watch | None = None,
) -> Picture:
    """Show what every channel of a layer wants to see, on one sheet.

    `channels` are those to show, or how many of the first; the others are as in `feature_visualization`. A channel that
    could not be activated is crossed out.

    >>> feature_sheet(network, "mixed4a", channels=64).save("mixed4a.png")
    """
    options, addresses = RenderOptions(preset, size, steps, seed, fast), channels_of(network, layer, channels)
    made: list[RenderedPicture] = []

    def collect(progress: Progress) -> None:
        made.extend(progress.made)
        if watch:
            watch(progress)

    watch_rendering(visualize(network, addresses, options, batch=batch), collect)
    return as_sheet(layer, made, columns=columns, theme=theme)


def channels_of(network: Network, layer: str, channels: Sequence[int] | int | None = None) -> list[str]:
    """Return the addresses of a layer's channels: all, the first so many, or these."""
    name = network.resolve(layer).layer
    shape = network.shape_channels_first(name)
    if shape is None or len(shape) < 2:
        raise InputError(f"{name!r} has no channels to show: its shape is {shape}")
    wanted = range(shape[1]) if channels is None else channels
    wanted = range(min(wanted, shape[1])) if isinstance(wanted, int) else wanted
    if not wanted:
        raise InputError(
            f"channels are how many to show, at least 1, or a list of their numbers; not {channels}"
        )
    addresses = [f"{name}:{index}" for index in wanted]
    for address in addresses:
        network.resolve(address)
    return addresses


def as_sheet(
    layer: str, made: Sequence[RenderedPicture], *, columns: int | None = None, theme: str = "light"
) -> Picture:
    """Return finished pictures as one sheet."""
    order = sorted(made, key=lambda found: int(found.name.rpartition(":")[2]))
    tiles = np.stack([_tile(found) for found in order])
    names = [found.name for found in order]
    size = tiles.shape[1]
    picture = sheet(tiles, names, columns=columns, tile_size=size, scaling=Scaling(per="none"), theme=theme)
    return replace(
        picture, caption=f"What the channels of {layer} want to see: {picture.caption}{_summary(order)}."
    )


def _tile(made: RenderedPicture) -> NDArray[np.uint8]:
    """Return a picture in color; flat, so that it is crossed out, where its unit could not be activated."""
    array = pixels(made.picture)
    array = np.repeat(array[:, :, None], 3, axis=2) if array.ndim == 2 else array[:, :, :3]
    return array if made.verdict.activated else np.full_like(array, 128)


def _summary(made: Sequence[RenderedPicture]) -> str:
    """Say what the sheet's pictures reach, all together."""
    ratios = [found.verdict.ratio for found in made if found.verdict.ratio is not None]
    asleep = [found.name.rpartition(":")[2] for found in made if not found.verdict.activated]
    # What nothing could rouse was given up early, which is no interruption.
    words, steps = "", {found.steps for found in made if found.verdict.activated}
    if len(steps) > 1:
        words += f"; interrupted: some after {min(steps)} of {max(steps)} steps"
    if ratios:
        pictures = made[0].verdict.pictures
        words += (
            f"; half of them reach {median(ratios):.2g} × the strongest of {pictures:,} photographs or more"
        )
    if asleep:
        words += f"; could not be activated: {', '.join(asleep)}"
    return words
