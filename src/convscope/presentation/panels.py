"""A few pictures of one size beside each other, each with its words below: the photograph and what is shown of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from convscope.errors import InputError
from convscope.pictures.picture import Picture, Tile
from convscope.presentation.grid import GAP, LEGIBLE, MARGIN
from convscope.presentation.style import ThemeName, font, theme_named
from convscope.presentation.wording import fitted

_SIDE = 336  # pixels: what the longer side of a panel is enlarged to, about
_BELOW = LEGIBLE + 10


@dataclass(frozen=True, eq=False)
class Panel:
    """One picture, ``colors`` uint8 (height, width, 3), and the ``words`` below it.

    ``smooth`` is for photographs; of data every value stays a square. ``address`` is what it shows, where it shows one.
    """

    colors: NDArray[np.uint8]
    words: str
    smooth: bool = False
    address: str = ""


def panels(shown: Sequence[Panel], *, columns: int | None = None, theme: ThemeName = "light") -> Picture:
    """Return pictures of one size in rows of `columns` (one row by default), words below each; the caption is empty."""
    if len({panel.colors.shape for panel in shown}) != 1:
        raise InputError("panels are pictures of one size, at least one")
    colors = theme_named(theme)
    columns = min(columns or len(shown), len(shown))
    height, width = (side * enlargement(shown[0].colors) for side in shown[0].colors.shape[:2])
    across, down = width + GAP * 2, height + _BELOW + GAP
    size = (columns * across - 2 * GAP + 2 * MARGIN, ceil(len(shown) / columns) * down - GAP + 2 * MARGIN)
    image = Image.new("RGB", size, colors.page)
    draw, type_ = ImageDraw.Draw(image), font(LEGIBLE + 1)
    tiles = []
    for index, panel in enumerate(shown):
        left, top = MARGIN + index % columns * across, MARGIN + index // columns * down
        resampling = Image.Resampling.BICUBIC if panel.smooth else Image.Resampling.NEAREST
        image.paste(Image.fromarray(panel.colors).resize((width, height), resampling), (left, top))
        words = fitted(panel.words, width, type_)
        draw.text((left + width / 2, top + height + 5), words, colors.muted, type_, "ma")
        tiles += [Tile(panel.address, (left, top, left + width, top + height))] if panel.address else []
    return Picture(np.asarray(image), tiles=tuple(tiles))


def enlargement(colors: NDArray[Any]) -> int:
    """Return how many times a panel is enlarged."""
    return max(1, round(_SIDE / max(int(side) for side in colors.shape[:2])))
