"""Which color means what: swatches with names and numbers below a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil

import numpy as np
from PIL import Image, ImageDraw

from convscope.pictures.picture import Picture
from convscope.presentation.grid import LEGIBLE, MARGIN
from convscope.presentation.style import ThemeName, font, theme_named
from convscope.presentation.wording import shortened

_SWATCH, _GAP, _ROW = 14, 22, 22  # pixels
_LONGEST = 30


@dataclass(frozen=True)
class LegendEntry:
    """One color, uint8 (red, green, blue), what it means, and a number beside it."""

    color: tuple[int, int, int]
    name: str
    number: str = ""


def with_legend(picture: Picture, entries: Sequence[LegendEntry], *, theme: ThemeName = "light") -> Picture:
    """Return a picture with a legend below it, in as many columns as its width has room for."""
    colors, type_ = theme_named(theme), font(LEGIBLE + 1)
    names = [shortened(entry.name, _LONGEST) for entry in entries]
    words = max((type_.getlength(name) for name in names), default=0.0)
    numbers = max((type_.getlength(entry.number) for entry in entries), default=0.0)
    across = _SWATCH + 8 + ceil(words) + 10 + ceil(numbers) + _GAP
    width = max(picture.width, across + 2 * MARGIN - _GAP)
    columns = max(1, (width - 2 * MARGIN + _GAP) // across)
    rows = ceil(len(entries) / columns)
    image = Image.new("RGB", (width, picture.height + rows * _ROW + MARGIN), colors.page)
    image.paste(Image.fromarray(picture.array), (0, 0))
    draw = ImageDraw.Draw(image)
    for index, (entry, name) in enumerate(zip(entries, names, strict=True)):
        column, row = divmod(index, rows)
        left, top = MARGIN + column * across, picture.height + row * _ROW
        draw.rectangle((left, top, left + _SWATCH - 1, top + _SWATCH - 1), entry.color, colors.line)
        middle = top + _SWATCH / 2
        draw.text((left + _SWATCH + 8, middle), name, colors.text, type_, "lm")
        draw.text((left + across - _GAP, middle), entry.number, colors.muted, type_, "rm")
    return replace(picture, array=np.asarray(image))
