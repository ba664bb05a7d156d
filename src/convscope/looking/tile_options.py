"""How a sheet of tiles looks, a tile for each channel or filter: what `activations` and `filters` share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

from convscope.presentation.scaling import Per
from convscope.presentation.style import ThemeName


@dataclass(frozen=True, kw_only=True)
class TileOptions:
    """Which tiles there are, and how they look.

    - ``channels``: how many, or which ones; None: what one reads at a glance.
    - ``scale``: whether each "tile", or the whole "sheet", goes from darkest to brightest.
    - ``percentile``: values beyond it are clipped; 100 clips none.
    - ``palette``: a colormap of matplotlib; ``tile_size``: a tile's longer side in pixels; ``theme``: light or dark.
    """

    channels: int | Sequence[int] | None = None
    scale: Per = "tile"
    percentile: float = 99.5
    palette: str | None = None
    tile_size: int | None = None
    theme: ThemeName = "light"


class TileKeywords(TypedDict, total=False):
    """The fields of `TileOptions` as keywords."""

    channels: int | Sequence[int] | None
    scale: Per
    percentile: float
    palette: str | None
    tile_size: int | None
    theme: ThemeName
