"""Pictures inside the page: small, lossless where they are data, one for each theme."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image

from convscope.pictures.picture import Picture

_PHOTOGRAPH_SIDE = 1280


@dataclass(frozen=True)
class Embedded:
    """A figure of the page: the picture as ``data:`` addresses, and the words beside it.

    ``dark`` is empty for pictures that are the same in both themes.
    """

    light: str
    dark: str
    width: int
    height: int
    caption: str
    recipe: str
    address: str = ""
    command: str = ""


@dataclass(frozen=True)
class TitledFigure:
    """A figure under a title, with words about it; without `figure` the words say why there is none."""

    title: str
    words: str
    figure: Embedded | None


def embed(
    make: Callable[[str], Picture], *, address: str = "", command: str = ""
) -> tuple[Embedded, Picture]:
    """Make a picture in the light and the dark theme; return the figure, and the dark picture to cut from."""
    light, dark = make("light"), make("dark")
    figure = Embedded(
        data_uri(light),
        data_uri(dark),
        light.width,
        light.height,
        light.caption,
        str(light.recipe or ""),
        address,
        command,
    )
    return figure, dark


def embed_one(picture: Picture, *, address: str = "", command: str = "") -> Embedded:
    """Return the figure of a picture that is the same in both themes."""
    recipe = str(picture.recipe or "")
    size = (picture.width, picture.height)
    return Embedded(data_uri(picture), "", *size, picture.caption, recipe, address, command)


def embed_photograph(pixels: object, caption: str) -> Embedded:
    """Return the figure of a photograph (height, width, 3) in 0..1."""
    uri, width, height = photograph_uri(pixels)
    return Embedded(uri, "", width, height, caption, "")


def data_uri(picture: Picture) -> str:
    """Return a picture as a lossless WebP, which carries its recipe too."""
    return _uri(picture.encode("WEBP"), "image/webp")


def first_tile(sheet: Picture) -> str:
    """Return the first tile of a sheet as a picture of its own."""
    left, top, right, bottom = sheet.tiles[0].box
    return data_uri(Picture(sheet.array[top:bottom, left:right]))


def photograph_uri(pixels: object) -> tuple[str, int, int]:
    """Return a photograph (height, width, 3) in 0..1 as a JPEG of a page's size, its width and its height."""
    image = Image.fromarray((np.asarray(pixels) * 255).round().astype(np.uint8))
    image.thumbnail((_PHOTOGRAPH_SIDE, _PHOTOGRAPH_SIDE), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=88, optimize=True)
    return _uri(buffer.getvalue(), "image/jpeg"), image.width, image.height


def _uri(content: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"
