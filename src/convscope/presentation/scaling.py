"""From numbers of any range to colors, with the words that say on what scale they are shown."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import matplotlib
import numpy as np
from numpy.typing import NDArray

from convscope.errors import InputError, did_you_mean

_MIDDLES = {
    None: "zero in the middle",
    "gray": "zero is middle gray",
    "RdBu_r": "zero is white, positive red, negative blue",
    "RdBu": "zero is white, positive blue, negative red",
}
Per = Literal["tile", "sheet", "none"]
_DIVERGING = (
    "RdBu",
    "coolwarm",
    "bwr",
    "seismic",
    "PiYG",
    "PRGn",
    "BrBG",
    "PuOr",
    "RdGy",
    "RdYlBu",
    "RdYlGn",
    "Spectral",
)


@dataclass(frozen=True)
class Scaling:
    """How numbers become colors.

    - ``per``: each "tile" between its own darkest and brightest value (shows patterns), or one scale for the whole
      "sheet" (shows which tiles answer strongly); "none" for tiles that are pictures already, uint8 in color.
    - ``symmetric``: about zero, so that zero has the middle color; None means yes for
      grey tiles of both signs, unless the palette has no middle.
    - ``percentile``: values beyond it are clipped, so that one outlier does not darken everything (100 clips none).
    - ``palette``: a colormap's name in matplotlib; None is gray, or RdBu_r (blue, white, red) where symmetric. Tiles
      in color are shown in their own colors.
    """

    per: Per = "tile"
    symmetric: bool | None = None
    percentile: float = 100.0
    palette: str | None = None

    def __post_init__(self) -> None:
        if self.per not in ("tile", "sheet", "none"):
            raise InputError(f"scale per 'tile' or per 'sheet', not {self.per!r}")
        if not 50 <= self.percentile <= 100:
            raise InputError(f"percentile is between 50 and 100, not {self.percentile}")
        if self.palette is not None and self.palette not in matplotlib.colormaps:
            hint = did_you_mean(self.palette, matplotlib.colormaps)
            raise InputError(
                f"matplotlib has no palette {self.palette!r}.{hint} For instance: gray, viridis, RdBu_r"
            )


@dataclass(frozen=True, eq=False)
class Scaled:
    """Tiles ready to show: ``colors`` uint8 (tiles, height, width, 3), and ``words`` for the caption.

    ``flat`` marks the tiles of one single value, ``broken`` those with NaN or infinity (shown as zeros); ``low`` and
    ``high`` are the range of a scale for the whole sheet, None where each tile has its own.
    """

    colors: NDArray[np.uint8]
    words: str
    palette: str | None
    flat: NDArray[np.bool_]
    broken: NDArray[np.bool_]
    low: float | None = None
    high: float | None = None


def scale(tiles: NDArray[Any], scaling: Scaling | None = None) -> Scaled:
    """Return tiles (tiles, height, width[, 3]) of any real numbers as colors, and the words for the scale used."""
    scaling = scaling or Scaling()
    if scaling.per == "none":
        flat = np.ptp(tiles, axis=(1, 2, 3)) == 0
        return Scaled(tiles, "", None, flat, np.zeros(len(tiles), bool))
    values = checked_tiles(tiles).astype(np.float64)
    single = values.shape[1:3] == (1, 1)
    if single:  # one value has no range of its own, nor is it flat
        scaling = replace(scaling, per="sheet")
    axes = tuple(range(1, values.ndim))
    broken = np.logical_not(np.isfinite(values).all(axis=axes))
    if broken.any():
        values = np.where(np.isfinite(values), values, 0)
    lowest, highest = values.min(axis=axes), values.max(axis=axes)
    symmetric = scaling.symmetric
    if symmetric is None:
        has_middle = scaling.palette is None or scaling.palette.removesuffix("_r") in _DIVERGING
        symmetric = values.ndim == 3 and has_middle and bool((lowest < 0).any() and (highest > 0).any())
    low, high = _ranges(values, scaling, symmetric)
    shown = _between(values, low, high)
    in_color = values.ndim == 4
    palette = None if in_color else scaling.palette or ("RdBu_r" if symmetric else "gray")
    colors = to_bytes(shown) if palette is None else colorize(shown, palette)
    whole = scaling.per == "sheet"
    return Scaled(
        colors,
        _words(scaling, symmetric, palette, (float(low.flat[0]), float(high.flat[0]))),
        palette,
        np.equal(lowest, highest) & (not single),
        broken,
        float(low.flat[0]) if whole else None,
        float(high.flat[0]) if whole else None,
    )


def colorize(values: NDArray[Any], palette: str) -> NDArray[np.uint8]:
    """Return numbers in 0..1 of any shape as RGB colors of a matplotlib palette, uint8 (..., 3)."""
    table = (matplotlib.colormaps[palette](np.arange(256))[:, :3] * 255).round().astype(np.uint8)
    colors: NDArray[np.uint8] = table[to_bytes(values)]
    return colors


def to_bytes(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Return numbers in 0..1 as 0..255; what lies outside is clipped."""
    colors: NDArray[np.uint8] = np.round(np.clip(values, 0, 1) * 255).astype(np.uint8)
    return colors


def palette_in_words(palette: str) -> str:
    """Say which way a palette goes, where it goes one way.

    >>> palette_in_words("viridis"), palette_in_words("RdBu_r")
    ('from dark to bright in viridis', 'in RdBu_r')
    """
    steps = np.diff(colorize(np.linspace(0, 1, 32), palette) @ np.array([0.299, 0.587, 0.114]))
    way = "from dark to bright " if (steps > 0).all() else "from bright to dark " if (steps < 0).all() else ""
    return f"{way}in {palette}"


def checked_tiles(tiles: NDArray[Any]) -> NDArray[Any]:
    """Return tiles as an array (tiles, height, width[, 3]) of real numbers; InputError for anything else."""
    values = np.asarray(tiles)
    if values.dtype.kind not in "biuf" or not values.size:
        raise InputError(f"tiles are real numbers, not {values.dtype} of shape {values.shape}")
    if not (values.ndim == 3 or (values.ndim == 4 and values.shape[3] == 3)):
        raise InputError(
            f"tiles have shape (tiles, height, width) or (tiles, height, width, 3), not {values.shape}"
        )
    return values


def _ranges(values: NDArray[Any], scaling: Scaling, symmetric: bool) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the value shown darkest and the one shown brightest: one for each tile, or the same for all."""
    rows = values.reshape(len(values), -1) if scaling.per == "tile" else values.reshape(1, -1)
    if symmetric:
        rows = np.abs(rows)
    lowest, highest = rows.min(axis=1), rows.max(axis=1)
    low, high = np.percentile(rows, [100 - scaling.percentile, scaling.percentile], axis=1)
    if (lowest >= 0).all():
        low = lowest  # of rectified values only the bright end has outliers
    # A tile that answers at a few points only is not flat: clipping must not turn it black.
    low, high = np.where(high > low, (low, high), (lowest, highest))
    low = -high if symmetric else low
    shape = (-1,) + (1,) * (values.ndim - 1)
    return low.reshape(shape), high.reshape(shape)


def _between(values: NDArray[Any], low: NDArray[Any], high: NDArray[Any]) -> NDArray[Any]:
    span = np.where(high > low, high - low, 1)
    middle = np.where(high > low, 0, np.where(low < 0, 0.5, 0))
    shown: NDArray[Any] = ((values - low) / span + middle).clip(0, 1)
    return shown


def _words(scaling: Scaling, symmetric: bool, palette: str | None, ends: tuple[float, float]) -> str:
    clipped = f", clipped at percentile {scaling.percentile:g}" if scaling.percentile < 100 else ""
    middle = _MIDDLES.get(palette, f"zero is the middle of {palette}")
    if scaling.per == "sheet":
        zero = f", {middle}" if symmetric else ""
        return f"one scale for the whole sheet, {ends[0]:.4g} to {ends[1]:.4g}{zero}{clipped}"
    zero = f", {middle}" if symmetric else ", darkest to brightest" if palette == "gray" else ""
    return f"each tile scaled to its own range{zero}{clipped}"
