"""Where the tiles of a sheet go: how much each is enlarged, in how many columns, with which words beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import ceil, sqrt

from convscope.errors import InputError
from convscope.presentation.style import font
from convscope.presentation.wording import shortened

LEGIBLE = 11  # pixels: the type labels are set in
MARGIN = 12
GAP = 4
MAXIMUM_WIDTH = 2048
MAXIMUM_HEIGHT = 6000
LARGEST_WIDTH = 16384  # where columns were asked for
SMALLEST_TILE = 24
LARGEST_TILE = 320
LONGEST = 48  # characters of an address that are written on a sheet


@dataclass(frozen=True)
class Grid:
    """The first ``shown`` tiles in ``columns``, each ``width`` x ``height`` pixels, ``enlargement`` times its data.

    ``heading`` stands above, ``texts`` below the tiles, ``row_texts`` at the left of the rows; ``top``, ``left`` and
    ``below`` are the pixels these need.
    """

    shown: int
    columns: int
    width: int
    height: int
    enlargement: float
    heading: str = ""
    texts: tuple[str, ...] = ()
    row_texts: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """How many rows of tiles there are."""
        return ceil(self.shown / self.columns)

    @property
    def below(self) -> int:
        """Pixels under each tile for its words."""
        return LEGIBLE + 5 if self.texts else 0

    @cached_property  # every tile asks for it
    def left(self) -> int:
        """Pixels before the first column for the words of the rows."""
        return _width_of(self.row_texts) + 8 if self.row_texts else 0

    @property
    def top(self) -> int:
        """Pixels above the first row for the heading."""
        return LEGIBLE + 12 if self.heading else 0

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the whole sheet in pixels."""
        across = self.left + self.columns * (self.width + GAP) - GAP
        if self.heading:
            across = max(across, ceil(font(LEGIBLE + 2).getlength(self.heading)))
        down = self.top + self.rows * (self.height + self.below + GAP) - GAP
        return across + 2 * MARGIN, down + 2 * MARGIN

    def box(self, index: int) -> tuple[int, int, int, int]:
        """Return a tile's (left, top, right, bottom), the last two excluded."""
        row, column = divmod(index, self.columns)
        left = MARGIN + self.left + column * (self.width + GAP)
        top = MARGIN + self.top + row * (self.height + self.below + GAP)
        return left, top, left + self.width, top + self.height


def plan_grid(
    shape: tuple[int, ...], labels: Sequence[str] | None, columns: int | None, tile_size: int | None
) -> Grid:
    """Lay out tiles of ``shape`` (tiles, height, width): about square, within the page, labels where they fit.

    ``labels`` has a text for each tile, or for each row where ``columns`` is given; in one column of wide strips,
    both are the same and stand at the left.
    """
    count, longer = shape[0], max(shape[1:3])
    labels = None if labels is None else [shortened(label, LONGEST) for label in labels]
    if any(number is not None and number < 1 for number in (columns, tile_size)):
        raise InputError(f"columns and tile_size are at least 1, not {columns} and {tile_size}")
    strips = columns == 1 and shape[2] > 4 * shape[1]
    by_row = (
        columns is not None
        and labels is not None
        and len(labels) == ceil(count / columns)
        and (strips or len(labels) != count)
    )
    if labels is not None and not by_row and len(labels) != count:
        raise InputError(
            f"{len(labels)} labels for {count} tiles; give one a tile, or one a row with columns="
        )
    enlargement = _enlargement(count, longer, columns, tile_size)
    height, width = (max(1, round(side * enlargement)) for side in shape[1:3])
    heading, texts, row_texts = _words([] if by_row else labels or [], width)
    row_texts = list(labels or ()) if by_row else row_texts
    left = _width_of(row_texts) + 8 if row_texts else 0
    below = LEGIBLE + 5 if texts else 0
    if columns is None:
        most = max(1, (MAXIMUM_WIDTH - 2 * MARGIN - left) // (width + GAP))
        columns = min(_near_square(count, height + below, width), most)
    columns = min(columns, count)
    if columns * (width + GAP) > LARGEST_WIDTH:
        raise InputError(
            f"{columns} columns of {width} pixels are too wide for a sheet; {LARGEST_WIDTH} is the most"
        )
    rows = max(1, (MAXIMUM_HEIGHT - 2 * MARGIN) // (height + below + GAP))
    shown = min(count, rows * columns)
    if row_texts and not by_row:
        row_texts = row_texts[:shown:columns]
    rows = ceil(shown / columns)
    return Grid(
        shown, columns, width, height, enlargement, heading, tuple(texts[:shown]), tuple(row_texts[:rows])
    )


def _enlargement(count: int, longer: int, columns: int | None, tile_size: int | None) -> float:
    """Return a whole number, or one over a whole number for tiles that are larger than they have to be."""
    target = tile_size or (64 if count <= 256 else 40 if count <= 1024 else SMALLEST_TILE)
    if columns and not tile_size:
        target = min(64, max(longer, (MAXIMUM_WIDTH - 80) // columns - GAP))
    if longer <= target:
        enlargement = max(1, int(target / longer) if columns else round(target / longer))
        return enlargement if columns or tile_size else max(enlargement, ceil(SMALLEST_TILE / longer))
    most = tile_size or LARGEST_TILE
    return 1 if longer <= most else 1 / ceil(longer / most)


def _near_square(count: int, height: int, width: int) -> int:
    """Return the columns that make the sheet about square, with a full last row where one is near."""
    best = max(1, round(sqrt(count * height / width)))
    near = [
        columns for columns in range(max(1, best - best // 4), best + best // 4 + 3) if count % columns == 0
    ]
    return min(near, key=lambda columns: abs(columns - best)) if near else best


def _words(labels: Sequence[str], width: int) -> tuple[str, list[str], list[str]]:
    """Return heading, tiles' words and rows' words: all of each address, or its end under a heading, or rows only."""
    if not labels or _width_of(labels) <= width:
        return "", list(labels), []
    layers = {label.rpartition(":")[0] for label in labels}
    heading = layers.pop() if len(layers) == 1 else ""
    units = [":" + label.rpartition(":")[2] for label in labels] if heading else list(labels)
    return (heading, units, []) if _width_of(units) <= width + GAP - 1 else (heading, [], units)


def _width_of(texts: Sequence[str]) -> int:
    return ceil(max(font(LEGIBLE).getlength(text) for text in texts))
