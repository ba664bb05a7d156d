"""A tree of pictures from left to right: what a thing is made of, how much of it each part is, and their parts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from convscope.pictures.picture import Picture, Tile
from convscope.presentation.grid import LEGIBLE, MARGIN
from convscope.presentation.style import Theme, ThemeName, font, theme_named
from convscope.presentation.wording import fitted

_SIDE, _GAP, _BETWEEN = 144, 6, 96  # pixels: of a picture, between those of a node, between two columns
_ROW = _SIDE + LEGIBLE + 26
_THICKEST, _THINNEST = 11, 2  # of a line: for the largest share that has one, and at least


@dataclass(frozen=True, eq=False)
class Branch:
    """A node: its ``pictures``, uint8 (height, width, 3), stand beside each other, its ``words`` above them.

    ``share`` is its part of the whole, 0 to 1, ``rest`` the words for what its ``branches`` leave out.
    """

    pictures: Sequence[NDArray[np.uint8]]
    words: str
    share: float
    address: str = ""
    branches: Sequence[Branch] = ()
    rest: str = ""


def tree(root: Branch, *, theme: ThemeName = "light") -> Picture:
    """Return a tree, its root on the left; the larger the share behind a line, the thicker. The caption is empty."""
    colors = theme_named(theme)
    placed = list(_placed(root, 0, [0.0]))
    depth = max(column for _, column, _, _ in placed)
    across = 2 * _SIDE + _GAP
    rows = max(row for _, _, row, _ in placed) + 1
    size = (2 * MARGIN + (depth + 1) * across + depth * _BETWEEN, round(2 * MARGIN + rows * _ROW))
    image = Image.new("RGB", size, colors.page)
    draw = ImageDraw.Draw(image)
    largest = max((child.share for node, *_ in placed for child in node.branches), default=0.0) or 1.0
    for node, column, row, children in placed:
        for child, below in zip(node.branches, children, strict=True):
            _line(draw, (column, row), (column + 1, below), child.share / largest, colors)
    tiles = []
    for node, column, row, _ in placed:
        left, top = _corner(column, row)
        words = font(LEGIBLE + 1)
        draw.text((left, top - 6), fitted(node.words, across, words), colors.text, words, "ls")
        for index, picture in enumerate(node.pictures):
            at = (left + index * (_SIDE + _GAP), top)
            image.paste(Image.fromarray(picture).resize((_SIDE, _SIDE), Image.Resampling.BICUBIC), at)
        if node.rest:
            small = font(LEGIBLE)
            draw.text((left, top + _SIDE + 5), fitted(node.rest, across, small), colors.muted, small, "la")
        tiles += [Tile(node.address, (left, top, left + across, top + _SIDE))] if node.address else []
    return Picture(np.asarray(image), tiles=tuple(tiles))


def _placed(node: Branch, column: int, free: list[float]) -> Iterator[tuple[Branch, int, float, list[float]]]:
    """Yield every node with its column, its row and its branches' rows, below each other; a parent in their middle."""
    below = [list(_placed(branch, column + 1, free)) for branch in node.branches]
    rows = [one[-1][2] for one in below]
    if rows:
        row = (rows[0] + rows[-1]) / 2
    else:
        row, free[0] = free[0], free[0] + 1
    for one in below:
        yield from one
    yield node, column, row, rows


def _corner(column: float, row: float) -> tuple[int, int]:
    """Return the left upper corner of a node's pictures."""
    across = 2 * _SIDE + _GAP + _BETWEEN
    return round(MARGIN + column * across), round(MARGIN + row * _ROW + LEGIBLE + 8)


def _line(
    draw: ImageDraw.ImageDraw,
    parent: tuple[int, float],
    child: tuple[int, float],
    share: float,
    colors: Theme,
) -> None:
    left, top = _corner(*parent)
    right, bottom = _corner(*child)
    start, end = left + 2 * _SIDE + _GAP + 4, right - 4
    width = max(_THINNEST, round(_THICKEST * max(0.0, share) ** 0.5))
    steps = np.linspace(0, 1, 33)
    ease = steps * steps * (3 - 2 * steps)
    points = [
        (start + (end - start) * along, top + _SIDE / 2 + (bottom - top) * down)
        for along, down in zip(steps, ease, strict=True)
    ]
    draw.line(points, colors.cross, width, joint="curve")
