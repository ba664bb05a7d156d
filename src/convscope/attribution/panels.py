"""How an attribution is shown: the picture, the map, both in one, beside each other, and the words below."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from convscope.attribution.target import in_rgb
from convscope.errors import by_name
from convscope.pictures.picture import Picture
from convscope.presentation.panels import Panel, panels
from convscope.presentation.scaling import Scaled, Scaling, colorize, scale
from convscope.presentation.style import ThemeName, theme_named
from convscope.presentation.title import with_title

if TYPE_CHECKING:
    from convscope.attribution.attribution import Attribution

PANELS = ("picture", "map", "overlay")
IN_COLOR = ("picture", "colors", "overlay")
COARSE = ("picture", "map", "heat")
PERCENTILE = 99.0
_BLUR = 1 / 48  # of the picture's longer side: the overlay's Gaussian blur
_DIM = 0.12  # what is left of the picture where nothing depends on it
_ONE_SIDED, _SIGNED = "magma", "RdBu_r"
_HEAT = "inferno"


@dataclass(frozen=True, kw_only=True)
class LookOptions:
    """Which percentile of the values is the brightest, and which theme.

    `bare` leaves out the title, which names what is explained, the network and the photograph.
    """

    percentile: float = PERCENTILE
    theme: ThemeName = "light"
    bare: bool = False

    def __post_init__(self) -> None:
        theme_named(self.theme)
        Scaling(percentile=self.percentile)


class LookKeywords(TypedDict, total=False):
    """The fields of `LookOptions` as keywords."""

    percentile: float
    theme: ThemeName
    bare: bool


@dataclass(frozen=True, kw_only=True)
class PanelOptions(LookOptions):
    """Which panels stand beside each other (None: the method's own), and how they look."""

    panels: Sequence[str] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in self.panels or ():
            by_name(_POSSIBLE, name, "panel")


class PanelKeywords(LookKeywords, total=False):
    """`PanelOptions`, as keywords of every method, and whether a bar is shown where it takes long."""

    panels: Sequence[str] | None
    progress: bool


def picture_of(attribution: Attribution) -> Picture:
    """Return the panels of an attribution beside each other, and the words for all of it."""
    if attribution.map.ndim != 2:
        from convscope.attribution.signal_figure import signal_figure

        return signal_figure(attribution)
    names = attribution.options.panels or attribution.panels
    scaled = scaled_map(attribution)
    row = panels([_POSSIBLE[name](attribution, scaled) for name in names], theme=attribution.options.theme)
    figure = with_title(
        row, "" if attribution.options.bare else attribution.target.title, attribution.options.theme
    )
    return replace(figure, caption=_caption(attribution, scaled, names))


def scaled_map(attribution: Attribution) -> Scaled:
    """Return the map in colors, on the scale that the caption says."""
    palette = _SIGNED if attribution.signed else _ONE_SIDED
    percentile = attribution.options.percentile
    scaling = Scaling(per="sheet", symmetric=attribution.signed, percentile=percentile, palette=palette)
    if not attribution.high:
        return scale(attribution.map[None], scaling)
    # The brightest number stands in a tile of its own, so that the scale reaches up to it.
    low = -attribution.high if attribution.signed else 0.0
    tiles = np.stack(
        [attribution.map.clip(low, attribution.high), np.full_like(attribution.map, attribution.high)]
    )
    tiles[1, 0, 0] = low
    whole = scale(tiles, replace(scaling, percentile=100))
    return replace(whole, colors=whole.colors[:1], flat=np.array([np.ptp(attribution.map) == 0]))


def _picture(attribution: Attribution, scaled: Scaled) -> Panel:
    return Panel(_bytes(_picture_below(attribution)), "what the network sees", smooth=True)


def _map(attribution: Attribution, scaled: Scaled) -> Panel:
    return Panel(scaled.colors[0], attribution.method, address=str(attribution.target))


def _colors(attribution: Attribution, scaled: Scaled) -> Panel:
    values = attribution.values if attribution.values.ndim == 3 else attribution.map[..., None]
    percentile = attribution.options.percentile
    colors = scale(in_rgb(values)[None], Scaling(symmetric=True, percentile=percentile)).colors[0]
    return Panel(colors, f"{attribution.method}, in colors")


def _overlay(attribution: Attribution, scaled: Scaled) -> Panel:
    light = blurred(attribution.map, attribution.options.percentile)[..., None]
    return Panel(
        _bytes(_picture_below(attribution) * (_DIM + (1 - _DIM) * light)), attribution.lit, smooth=True
    )


def _heat(attribution: Attribution, scaled: Scaled) -> Panel:
    """Return the picture in gray, and on it what is positive of the map, glowing."""
    return Panel(_glow(attribution, attribution.map, brightness(attribution)), attribution.lit, smooth=True)


def brightness(attribution: Attribution) -> float:
    """Return what of a map glows brightest: the highest there can be, or a percentile of what there is."""
    return (
        attribution.high
        or float(np.percentile(attribution.map, attribution.options.percentile))
        or float(attribution.map.max())
    )


def glowing(attribution: Attribution, high: float) -> NDArray[np.uint8]:
    """Return the picture in gray, and what is positive of the map glowing on it, a little blurred where it is fine.

    What is `high` glows brightest; blurred, as bright as the map's brightest place is blurred by itself.
    """
    if attribution.values.ndim == 2:
        return _glow(attribution, attribution.map, high)
    from scipy.ndimage import gaussian_filter  # type: ignore[import-untyped]

    smooth = gaussian_filter(attribution.map, _BLUR * max(attribution.map.shape)).clip(min=0)
    own = float(np.percentile(attribution.map, PERCENTILE)) or float(attribution.map.max())
    bright = float(np.percentile(smooth, PERCENTILE)) or float(smooth.max())
    return _glow(attribution, smooth, bright * (high / own if own > 0 else 1.0))


def _glow(attribution: Attribution, map: NDArray[np.float64], high: float) -> NDArray[np.uint8]:
    strength = (map / high).clip(0, 1)[..., None] if high > 0 else np.zeros((*map.shape, 1))
    gray = np.repeat(_picture_below(attribution).mean(2, keepdims=True), 3, 2) * 0.8
    glow = colorize(0.25 + 0.7 * strength[..., 0], _HEAT) / 255
    return _bytes((gray * (1 - 0.75 * strength) + glow * 0.75 * strength).clip(0, 1))


_POSSIBLE = {"picture": _picture, "map": _map, "colors": _colors, "overlay": _overlay, "heat": _heat}


def _picture_below(attribution: Attribution) -> NDArray[np.float32]:
    """Return the picture below the map; gray where there is none of its size."""
    background = attribution.target.seen
    if background is None or background.shape[:2] != attribution.map.shape:
        return np.full((*attribution.map.shape, 3), 0.5, np.float32)
    return background


def blurred(values: NDArray[np.float64], percentile: float) -> NDArray[np.float64]:
    """Return what is positive of a blurred map, between 0 and 1: how much light falls on each pixel."""
    from scipy.ndimage import gaussian_filter

    smooth: NDArray[np.float64] = gaussian_filter(values, _BLUR * max(values.shape)).clip(min=0)
    brightest = float(np.percentile(smooth, percentile)) or float(smooth.max()) or 1.0
    return (smooth / brightest).clip(0, 1)


def _bytes(values: NDArray[Any]) -> NDArray[np.uint8]:
    colors: NDArray[np.uint8] = (values * 255).round().astype(np.uint8)
    return colors


def _caption(attribution: Attribution, scaled: Scaled, names: Sequence[str]) -> str:
    percentile = attribution.options.percentile
    words = [f"{attribution.method} of {attribution.target.words}: {attribution.how}", *attribution.notes]
    if scaled.flat[0] and not attribution.notes:
        words += ["It is the same everywhere: nothing in the picture changes the answer"]
    if "map" in names:
        words += [scale_in_words(attribution, scaled)]
    if "colors" in names:
        words += [f"In colors: middle gray is zero, clipped at percentile {percentile:g}"]
    if "overlay" in names:
        pixels = f"{_BLUR * max(attribution.map.shape):.2g}"
        unit = "pixel" if pixels == "1" else "pixels"
        words += [f"On the picture, that map blurred by {pixels} {unit}: what is positive is lit"]
    return ". ".join([*words, attribution.caution]) + "."


def scale_in_words(attribution: Attribution, scaled: Scaled) -> str:
    """Say what the colors of a map are."""
    percentile = attribution.options.percentile
    clipped = f", clipped at percentile {percentile:g}" if percentile < 100 and not attribution.high else ""
    if attribution.signed:
        return (
            f"Red speaks for it, blue against it, white is zero; the darkest is ±{scaled.high:.2g}{clipped}"
        )
    return f"Black is {scaled.low:.2g}, the brightest {scaled.high:.2g}{clipped}"
