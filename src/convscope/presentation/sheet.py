"""Many small pictures as one: the field's ``vis_square``, and a sheet whose every tile can be read and named."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from convscope.errors import InputError
from convscope.pictures.picture import Picture, Tile
from convscope.presentation.grid import LEGIBLE, MARGIN, Grid, plan_grid
from convscope.presentation.scaling import Scaled, Scaling, checked_tiles, colorize, scale
from convscope.presentation.style import Theme, ThemeName, font, theme_named


def vis_square(data: NDArray[Any], padsize: int = 1, padval: float = 0) -> NDArray[Any]:
    """Return the tiles (tiles, height, width[, channels]) in a square grid, scaled together to 0..1.

    The function of Caffe's notebooks (after Yangqing Jia's DeCAF visualizations), to the last bit: ``padval=0`` as
    in the first of them, 1 (white) as in the later ones. Its argument is left as it was, and constant data gives zeros.
    """
    data = np.asarray(data)
    if data.ndim < 3 or not data.size:
        raise InputError(
            f"vis_square needs tiles of shape (tiles, height, width[, channels]), not {data.shape}"
        )
    data = data - data.min()
    data = data / (data.max() or 1)
    side = ceil(sqrt(len(data)))
    padding = ((0, side**2 - len(data)), (0, padsize), (0, padsize), *((0, 0),) * (data.ndim - 3))
    data = np.pad(data, padding, mode="constant", constant_values=padval)
    height, width, *channels = data.shape[1:]
    rows = data.reshape(side, side, height, width, *channels).swapaxes(1, 2)
    square: NDArray[Any] = rows.reshape(side * height, side * width, *channels)
    return square


def sheet(
    tiles: NDArray[Any],
    labels: Sequence[str] | None = None,
    *,
    columns: int | None = None,
    tile_size: int | None = None,
    scaling: Scaling | None = None,
    theme: ThemeName = "light",
) -> Picture:
    """Return tiles (tiles, height, width[, 3]) as a sheet to read: each one enlarged, framed and labeled.

    Small tiles are enlarged by a whole number, so that every value stays a square; ``tile_size`` asks for the longer
    side in pixels (the nearest whole enlargement, or reduction for large tiles). ``labels`` are addresses
    (``conv1:42``), shortened to ``:42`` where the tiles are narrow, and at each row's start where they are very narrow;
    with ``columns``, there may be one label a row instead. A tile of one single value is crossed out, not left gray.
    The caption says what is shown, of how many, on what scale; ``tiles`` of the Picture says where each label is.
    A sheet ends at about 2,048 x 6,000 pixels: the caption then says "the first N of M".
    """
    tiles = checked_tiles(tiles)
    grid = plan_grid(tiles.shape, labels, columns, tile_size)
    scaled = scale(tiles[: grid.shown], scaling)
    colors = theme_named(theme)
    width, height = grid.size
    image = Image.new("RGB", (width, height + (30 if scaled.low is not None else 0)), colors.page)
    draw = ImageDraw.Draw(image)
    draw.text((MARGIN, MARGIN - 2), grid.heading, colors.text, font(LEGIBLE + 2), "la")
    for index in range(grid.shown):
        _draw_tile(image, grid, index, scaled, colors)
    _draw_words(draw, grid, colors)
    if scaled.low is not None:
        _draw_scale(image, scaled, height, colors)
    return Picture(np.asarray(image), _caption(len(tiles), scaled, grid), tiles=_places(grid, labels))


def _draw_tile(image: Image.Image, grid: Grid, index: int, scaled: Scaled, colors: Theme) -> None:
    draw = ImageDraw.Draw(image)
    left, top, right, bottom = grid.box(index)
    frame = (left - 1, top - 1, right, bottom)
    if not (scaled.flat[index] or scaled.broken[index]):
        resampling = Image.Resampling.NEAREST if grid.enlargement >= 1 else Image.Resampling.BOX
        draw.rectangle(frame, None, colors.cross)
        tile = Image.fromarray(scaled.colors[index])
        image.paste(tile.resize((grid.width, grid.height), resampling), (left, top))
        return
    line = colors.warning if scaled.broken[index] else colors.cross
    draw.rectangle(frame, colors.panel, colors.cross)
    draw.line((left, top, right - 1, bottom - 1), line)
    draw.line((left, bottom - 1, right - 1, top), line)


def _draw_words(draw: ImageDraw.ImageDraw, grid: Grid, colors: Theme) -> None:
    for index, text in enumerate(grid.texts):
        left, _, right, bottom = grid.box(index)
        draw.text(((left + right) / 2, bottom + 2), text, colors.muted, font(LEGIBLE), "ma")
    for row, text in enumerate(grid.row_texts):
        left, top, _, bottom = grid.box(row * grid.columns)
        draw.text((left - 8, (top + bottom) / 2), text, colors.muted, font(LEGIBLE), "rm")


def _draw_scale(image: Image.Image, scaled: Scaled, top: int, colors: Theme) -> None:
    """Draw the color bar of a scale that holds for the whole sheet, its two ends written beside it."""
    low, high = f"{scaled.low:.4g}", f"{scaled.high:.4g}"
    draw, type_ = ImageDraw.Draw(image), font(LEGIBLE + 1)
    left = MARGIN + ceil(type_.getlength(low)) + 6
    length = max(16, min(220, image.width - left - MARGIN - ceil(type_.getlength(high)) - 6))
    ramp = np.tile(np.linspace(0, 1, length), (10, 1))
    draw.rectangle((left - 1, top + 2, left + length, top + 13), None, colors.line)
    image.paste(Image.fromarray(colorize(ramp, scaled.palette or "gray")), (left, top + 3))
    draw.text((MARGIN, top + 8), low, colors.muted, type_, "lm")
    draw.text((left + length + 6, top + 8), high, colors.muted, type_, "lm")


def _caption(count: int, scaled: Scaled, grid: Grid) -> str:
    which = (
        ("1 tile" if count == 1 else f"{count:,} tiles")
        if grid.shown == count
        else f"the first {grid.shown:,} of {count:,} tiles"
    )
    size = f"{scaled.colors.shape[1]} x {scaled.colors.shape[2]}"
    if grid.enlargement > 1:
        size += f", enlarged {grid.enlargement:g} times"
    if grid.enlargement < 1:
        size += f", reduced {1 / grid.enlargement:g} times"
    flat, broken = int((scaled.flat & ~scaled.broken).sum()), int(scaled.broken.sum())
    marks = [f"{flat:,} of one single value, crossed out"] if flat else []
    marks += [f"{broken:,} with NaN or infinity, crossed out in red"] if broken else []
    return "; ".join([f"{which} of {size}", *filter(None, [scaled.words]), *marks])


def _places(grid: Grid, labels: Sequence[str] | None) -> tuple[Tile, ...]:
    if labels is None:
        return ()
    if len(labels) >= grid.shown:
        return tuple(Tile(labels[index], grid.box(index)) for index in range(grid.shown))
    starts = [index * grid.columns for index in range(grid.rows)]
    ends = [min(start + grid.columns, grid.shown) - 1 for start in starts]
    return tuple(
        Tile(label, (*grid.box(start)[:2], *grid.box(end)[2:]))
        for label, start, end in zip(labels, starts, ends, strict=False)
    )
