"""A line above a picture that says what it is of: pictures are passed on without their captions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from PIL import Image, ImageDraw

from convscope.pictures.picture import Picture
from convscope.presentation.grid import LEGIBLE, MARGIN
from convscope.presentation.style import ThemeName, font, theme_named
from convscope.presentation.wording import fitted

_LETTERS = LEGIBLE + 3  # pixels
_HEIGHT = MARGIN + round(1.3 * _LETTERS)


def with_title(picture: Picture, title: str, theme: ThemeName = "light") -> Picture:
    """Return the picture below its title, which is cut where it is too long; tiles move along. Nothing for no title."""
    if not title:
        return picture
    colors, letters = theme_named(theme), font(_LETTERS)
    image = Image.new("RGB", (picture.width, picture.height + _HEIGHT), colors.page)
    image.paste(Image.fromarray(picture.in_8_bits), (0, _HEIGHT))
    words = fitted(title, picture.width - 2 * MARGIN, letters)
    ImageDraw.Draw(image).text((MARGIN, MARGIN), words, colors.text, letters)
    tiles = tuple(
        replace(tile, box=(tile.box[0], tile.box[1] + _HEIGHT, tile.box[2], tile.box[3] + _HEIGHT))
        for tile in picture.tiles
    )
    return replace(picture, array=np.asarray(image), tiles=tiles)
