"""What each channel of a layer answers to a picture: bright where it found what it looks for.

After Caffe's filter visualization notebook (Jia's DeCAF visualizations), and Zeiler and Fergus, *Visualizing and
understanding convolutional networks* (2014). A channel that answers nothing at all is crossed out.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from typing_extensions import Unpack

from convscope.address import Address
from convscope.errors import InputError, require_one_of
from convscope.looking.answers import answer, first_nonfinite, is_vector, recorded
from convscope.looking.several import several
from convscope.looking.stages import shown_layers
from convscope.looking.tile_options import TileKeywords, TileOptions
from convscope.network.axes import require_position
from convscope.network.network import Network
from convscope.pictures.options import takes_options
from convscope.pictures.photograph import InputLike
from convscope.pictures.picture import Picture
from convscope.pictures.recording import recipe_function
from convscope.presentation.curve_plots import MOST_CURVES, curves
from convscope.presentation.scaling import Scaling, palette_in_words
from convscope.presentation.sheet import sheet
from convscope.presentation.style import ThemeName, theme_named

BIG = 448  # pixels: the side of a tile that is shown alone

Order = Literal["index", "strongest"]


@dataclass(frozen=True, kw_only=True)
class ActivationOptions(TileOptions):
    """How activations are shown; `activations` says what each option does."""

    order: Order = "index"
    columns: int | None = None


class ActivationKeywords(TileKeywords, total=False):
    """The fields of `ActivationOptions` as keywords."""

    order: Order
    columns: int | None


def _vectors_plotted(look: Callable[..., Picture]) -> Callable[..., Picture]:
    """Plot a layer's values where its answer to this picture has no maps."""

    @functools.wraps(look)
    def with_plots(network: Network, picture: Any, address: str, **options: Any) -> Picture:
        given, layer = network.opened_input(picture), network.resolve(address).layer
        with recorded(network, given, [layer]):
            if not is_vector((1, *answer(network, given, layer).shape)):
                return look(network, given, address, **options)
            from convscope.looking.values import values  # which takes this file's word for an order

            plotted = {key: options[key] for key in ("order", "theme") if key in options}
            return values(network, given, address, **plotted)

    return with_plots


@several(shown_layers)
@_vectors_plotted
@recipe_function("activations")
@takes_options(ActivationOptions, ActivationKeywords)
def activations(
    network: Network,
    picture: InputLike,
    address: str,
    **options: Unpack[ActivationKeywords],
) -> Picture:
    """Show a layer's answer to a picture: a tile a channel, bright where it found what it looks for.

    `address` is a layer, a channel of it (one big tile) or a neuron (that tile, the neuron framed); several give
    `Pictures`, and none those of one layer for each stage of the network. `channels` is how many to show, or which
    ones; `order` "strongest" puts those that answer most over the whole picture first. `palette` is a color map of
    matplotlib's. `scale` "tile" shows each channel's pattern, "sheet" which channels answer strongly; values beyond
    `percentile` are clipped, which the caption says. Channels of one single value are crossed out.

    >>> convscope.activations(network, "chelsea", "conv2", channels=36, palette="viridis").save("conv2.png")

    A layer without maps, with one number a channel, is plotted as `values` does. Where a network reads signals, a
    channel is a curve; where it reads volumes or films, the middle slice of each is shown, and of one channel every
    slice. UnknownLayer for a name that is none.
    """
    how, unit = ActivationOptions(**options), network.resolve(address)
    maps = answer(network, picture, unit.layer)
    shown = (_curves if maps.ndim == 2 and has_tiles(network, maps.shape) else _tiles)(maps, unit, how)
    if np.isfinite(maps if unit.channel is None else maps[int(unit.channel)]).all():
        return shown
    return replace(shown, caption=f"{shown.caption} NaN or infinity: {first_nonfinite(network, picture)}.")


def has_tiles(network: Network, shape: Sequence[int]) -> bool:
    """Whether an answer (channels, ...) has something to show for each channel: a map, a curve, slices."""
    return not is_vector((1, *shape)) and (
        len(shape) == 3 or (network.input_spec is None and len(shape) in (2, 4))
    )


def _curves(rows: NDArray[Any], unit: Address, how: ActivationOptions) -> Picture:
    """Show the answers along a signal."""
    one_scale = how.scale == "sheet"
    if unit.channel is not None:
        shown = curves(rows[[int(unit.channel)]], [str(unit)], theme=how.theme)
        if unit.position is None:
            return replace(shown, caption=f"Channel {unit}: {shown.caption}.")
        require_position(unit, rows.shape[1])
        value = float(rows[int(unit.channel), unit.position[0]])
        return replace(shown, caption=f"Neuron {unit} answers {value:.4g}. Its channel: {shown.caption}.")
    chosen = _chosen(rows, how.channels, how.order)
    names = [f":{index}" for index in chosen]
    shown = curves(rows[chosen], names, columns=how.columns, one_scale=one_scale, theme=how.theme)
    which = _which(min(len(chosen), MOST_CURVES), len(rows), how.order, isinstance(how.channels, Sequence))
    return replace(shown, caption=f"{which} of {unit.layer}. {shown.caption}.")


def _slices(volumes: NDArray[Any], unit: Address, how: ActivationOptions) -> Picture:
    """Show the middle slice of every channel's volume, or every slice of one channel's."""
    if unit.channel is None:
        middle = volumes.shape[1] // 2
        shown = _tiles(volumes[:, middle], unit, how)
        return replace(shown, caption=f"{shown.caption} Slice {middle} of {volumes.shape[1]}.")
    volume = volumes[int(unit.channel)]
    require_position(unit, *volume.shape)
    slices = [f"slice {index}" for index in range(len(volume))]
    scaling = Scaling(per="sheet", percentile=how.percentile, palette=how.palette)
    layout: dict[str, Any] = {"columns": how.columns, "tile_size": how.tile_size, "theme": how.theme}
    shown = sheet(volume, slices, scaling=scaling, **layout)
    neuron = f"Neuron {unit} answers {float(volume[unit.position]):.4g}. " if unit.position else ""
    return replace(
        shown, caption=f"{neuron}Every slice of channel {unit.layer}:{unit.channel}. {shown.caption}."
    )


def _tiles(maps: NDArray[Any], unit: Address, how: ActivationOptions) -> Picture:
    if maps.ndim == 4:
        return _slices(maps, unit, how)
    if maps.ndim == 2 and unit.channel is None and not is_vector((1, *maps.shape)):
        raise InputError(
            f"{unit.layer!r} gives {maps.shape}, no maps: token_maps shows tokens where they lie in the picture, "
            "values their numbers"
        )
    if maps.ndim != 3 or is_vector((1, *maps.shape)):
        raise InputError(f"{unit.layer!r} gives one number a channel {maps.shape}: show its values instead")
    if unit.channel is not None:
        return _one(maps, unit, Scaling(per="sheet", palette=how.palette), how.tile_size, how.theme)
    chosen = _chosen(maps, how.channels, how.order)
    names = [f"{unit.layer}:{index}" for index in chosen]
    scaling = Scaling(per=how.scale, percentile=how.percentile, palette=how.palette)
    layout = {"columns": how.columns, "tile_size": how.tile_size}
    sheet_made = sheet(maps[chosen], names, scaling=scaling, theme=how.theme, **layout)
    in_palette = f", {palette_in_words(how.palette)}" if how.palette else ""
    shown = len(sheet_made.tiles)  # a sheet ends where it is too long
    which = _which(shown, len(maps), how.order, isinstance(how.channels, Sequence))
    return replace(sheet_made, caption=f"{which} of {unit.layer}{in_palette}. {sheet_made.caption}.")


def _chosen(maps: NDArray[Any], channels: int | Sequence[int] | None, order: str) -> list[int]:
    require_one_of("order", order, get_args(Order))
    if isinstance(channels, int) and channels < 1:
        raise InputError(f"channels is how many to show, at least 1, or a list of them; not {channels}")
    listed = list(channels) if isinstance(channels, Sequence) else list(range(len(maps)))
    if not listed or not all(isinstance(index, int) and 0 <= index < len(maps) for index in listed):
        raise InputError(f"channels are numbers from 0 to {len(maps) - 1}, not {listed}")
    if order == "strongest":
        strength = np.abs(maps.reshape(len(maps), -1)).mean(axis=1)
        listed.sort(key=lambda index: (-float(strength[index]), index))
    return listed[:channels] if isinstance(channels, int) else listed


def _which(shown: int, count: int, order: str, listed: bool) -> str:
    if shown == count == 1:
        return "The only channel"
    if order == "strongest":
        if shown == count:
            return f"All {count:,} channels, strongest first,"
        what = f"The {shown:,} of {count:,} channels" if listed else f"The {shown:,} strongest"
        of = "" if listed else f" of {count:,} channels"
        return f"{what}{of}, strongest first,"
    if listed:
        return f"{shown:,} of the {count:,} channels"
    return f"All {count:,} channels" if shown == count else f"The first {shown:,} of {count:,} channels"


def _one(
    maps: NDArray[Any], unit: Address, scaling: Scaling, tile_size: int | None, theme: ThemeName
) -> Picture:
    """Show one channel big, its scale beside it, and a frame around the neuron if one is meant."""
    tile = maps[int(unit.channel or 0)]
    name = f"{unit.layer}:{unit.channel}"
    picture: Picture = sheet(tile[None], [name], tile_size=tile_size or BIG, scaling=scaling, theme=theme)
    rows, columns = tile.shape
    caption = f"Channel {name}, {rows}×{columns}. {picture.caption}."
    if unit.position is None:
        return replace(picture, caption=caption)
    require_position(unit, rows, columns)
    row, column = unit.position
    caption = f"Neuron {unit} answers {float(tile[row, column]):.4g}. {caption}"
    return replace(picture, array=_framed(picture, (row, column), tile.shape, theme), caption=caption)


def _framed(
    picture: Picture, position: tuple[int, int], shape: tuple[int, ...], theme: ThemeName
) -> NDArray[np.uint8]:
    left, top, right, bottom = picture.tiles[0].box
    (row, column), (rows, columns) = position, shape
    width, height = (right - left) / columns, (bottom - top) / rows
    image = Image.fromarray(picture.array)
    box = (
        left + column * width - 2,
        top + row * height - 2,
        left + (column + 1) * width + 1,
        top + (row + 1) * height + 1,
    )
    ImageDraw.Draw(image).rectangle(box, None, theme_named(theme).warning, 2)
    return np.asarray(image)
