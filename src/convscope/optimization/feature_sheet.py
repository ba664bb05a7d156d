"""What every channel of a layer wants to see, on one sheet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from convscope.errors import InputError
from convscope.network.network import Network
from convscope.optimization.feature_visualization import (
    RenderKeywords,
    RenderOptions,
    Watch,
    collect_from,
    pixels,
    visualize,
)
from convscope.optimization.rendering import Progress, RenderedPicture
from convscope.pictures.options import takes_options, updated
from convscope.pictures.picture import Picture
from convscope.pictures.recording import as_json, recipe_of, writes_recipe
from convscope.presentation.scaling import Scaling
from convscope.presentation.sheet import sheet
from convscope.presentation.style import ThemeName

if TYPE_CHECKING:
    from typing_extensions import Unpack


@dataclass(frozen=True)
class SheetOptions(RenderOptions):
    """How a sheet is made: its pictures' options, ``columns`` side by side, "light" or "dark" (``theme``).

    ``batch`` pictures are made at a time; as many as fit the memory by default.
    """

    columns: int | None = None
    theme: ThemeName = "light"
    batch: int | None = None


class SheetKeywords(RenderKeywords, total=False):
    """The fields of `SheetOptions` as keywords."""

    columns: int | None
    theme: ThemeName
    batch: int | None


@writes_recipe("feature_sheet")
@takes_options(SheetOptions, SheetKeywords)
def feature_sheet(
    network: Network,
    layer: str,
    *,
    channels: Sequence[int] | int | None = None,
    options: SheetOptions | None = None,
    watch: Watch | None = None,
    progress: bool = True,
    **changes: Unpack[SheetKeywords],
) -> Picture:
    """Show what every channel of a layer wants to see, on one sheet.

    `channels` of the `layer` are those to show, or how many of the first. `options` and the same names as keywords
    (``preset``, ``size`` in pixels, ``steps``, ``seed``, ``fast``), `batch` and `watch` are as in
    `feature_visualization`. A channel that could not be activated is crossed out.

    InputError for a layer without channels, UnknownLayer for one that is not there.

    >>> convscope.feature_sheet(network, "mixed4a", channels=16, size=96, steps=32).save("mixed4a.png")
    """
    how = updated(options or SheetOptions(), changes, "a sheet")
    addresses = channels_of(network, layer, channels)
    rendered: list[RenderedPicture] = []

    def collect(now: Progress) -> None:
        rendered.extend(now.made)

    collect_from(visualize(network, addresses, how, batch=how.batch), collect, watch, progress)
    layout = {"columns": how.columns, "theme": how.theme}
    arguments = {"layer": layer, "channels": as_json(channels), **how.recorded(), **layout}
    recipe = recipe_of("feature_sheet", arguments, network=network, seed=how.seed)
    return replace(as_sheet(layer, rendered, columns=how.columns, theme=how.theme), recipe=recipe)


def channels_of(network: Network, layer: str, channels: Sequence[int] | int | None = None) -> list[str]:
    """Return the addresses of a layer's channels: all, the first so many, or these."""
    name = network.resolve(layer).layer
    shape = network.shape_channels_first(name)
    if shape is None or len(shape) < 2:
        raise InputError(f"{name!r} has no channels to show: its shape is {shape}")
    indices = range(shape[1]) if channels is None else channels
    indices = range(min(indices, shape[1])) if isinstance(indices, int) else indices
    if not indices:
        raise InputError(
            f"channels are how many to show, at least 1, or a list of their numbers; not {channels}"
        )
    addresses = [f"{name}:{index}" for index in indices]
    for address in addresses:
        network.resolve(address)
    return addresses


def as_sheet(
    layer: str, rendered: Sequence[RenderedPicture], *, columns: int | None = None, theme: ThemeName = "light"
) -> Picture:
    """Return finished pictures as one sheet."""
    order = sorted(rendered, key=lambda one: int(one.name.rpartition(":")[2]))
    tiles = np.stack([_tile(one) for one in order])
    names = [one.name for one in order]
    size = tiles.shape[1]
    picture = sheet(tiles, names, columns=columns, tile_size=size, scaling=Scaling(per="none"), theme=theme)
    return replace(
        picture, caption=f"What the channels of {layer} want to see: {picture.caption}{_summary(order)}."
    )


def _tile(rendered: RenderedPicture) -> NDArray[np.uint8]:
    """Return a picture in color; flat, so that it is crossed out, where its unit could not be activated."""
    array = pixels(rendered.picture)
    array = np.repeat(array[:, :, None], 3, axis=2) if array.ndim == 2 else array[:, :, :3]
    return array if rendered.verdict.activated else np.full_like(array, 128)


def _summary(rendered: Sequence[RenderedPicture]) -> str:
    """Say what the sheet's pictures reach, all together."""
    ratios = [one.verdict.ratio for one in rendered if one.verdict.ratio is not None]
    asleep = [one.name.rpartition(":")[2] for one in rendered if not one.verdict.activated]
    # What nothing could rouse was given up early, which is no interruption.
    words, steps = "", {one.steps for one in rendered if one.verdict.activated}
    if len(steps) > 1:
        words += f"; interrupted: some after {min(steps)} of {max(steps)} steps"
    if ratios:
        pictures = rendered[0].verdict.pictures
        words += (
            f"; half of them reach {median(ratios):.2g} × the strongest of {pictures:,} photographs or more"
        )
    activated = [one.verdict for one in rendered if one.verdict.activated]
    if activated and not any(verdict.checked for verdict in activated):
        words += "; not checked whether they mislead"
    if asleep:
        words += f"; could not be activated: {', '.join(asleep)}"
    return words
