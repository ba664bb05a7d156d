"""Evidence in what is no picture: under the curve of a signal, on the slices of a volume or the frames of a film."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from convscope.pictures.picture import Picture
from convscope.presentation.figure import figure_in_style, picture_of, plain_frame, set_title
from convscope.presentation.panels import Panel, panels
from convscope.presentation.scaling import colorize
from convscope.presentation.style import theme_named
from convscope.presentation.title import with_title

if TYPE_CHECKING:
    from convscope.attribution.attribution import Attribution

_MOST_CURVES, _MOST_SLICES, _COLUMNS = 6, 16, 4
_SIGNED = "RdBu_r"
_FOR, _AGAINST = "#b2182b", "#2166ac"  # the ends of that palette


def signal_figure(attribution: Attribution) -> Picture:
    """Return a signal's curves with the evidence below them, or a volume's slices with the evidence on them."""
    shown = _curves(attribution) if attribution.map.ndim == 1 else _slices(attribution)
    words = [f"{attribution.method} of {attribution.target.words}: {attribution.how}", *attribution.notes]
    if np.ptp(attribution.map) == 0:
        words.append("It is the same everywhere: nothing in the input changes the answer")
    return replace(shown, caption=". ".join([*words, shown.caption, attribution.caution]) + ".")


def _curves(attribution: Attribution) -> Picture:
    rows, map, colors = _channels(attribution), attribution.map, theme_named(attribution.options.theme)
    high = _high(attribution)
    with figure_in_style(9.6, 4.8, colors) as figure:
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
        for index, row in enumerate(rows[:_MOST_CURVES]):
            above.plot(row, linewidth=1.2, color=colors.accent if len(rows) == 1 else None, label=f":{index}")
        low, top = above.get_ylim()
        place: dict[str, Any] = {"aspect": "auto", "extent": (-0.5, len(map) - 0.5, low, top), "zorder": 0}
        palette = (_SIGNED, -high) if attribution.signed else ("Reds", 0.0)
        above.imshow(map[None], cmap=palette[0], vmin=palette[1], vmax=high, alpha=0.4, **place)
        if len(rows) > 1:
            above.legend(loc="upper right", fontsize=8, frameon=False)
        places = np.arange(len(map))
        below.fill_between(places, map.clip(min=0), color=_FOR, linewidth=0)
        below.fill_between(places, map.clip(max=0), color=_AGAINST, linewidth=0)
        below.set_xlabel("position")
        below.set_ylabel("evidence")
        for axes in (above, below):
            axes.set_xlim(-0.5, len(map) - 0.5)
            axes.yaxis.set_major_locator(MaxNLocator(4))
            axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
            plain_frame(axes, colors)
        set_title(above, "" if attribution.options.bare else attribution.target.title, colors)
        return picture_of(figure, _words(attribution, _shown(len(rows), _MOST_CURVES, "channel")))


def _slices(attribution: Attribution) -> Picture:
    volume, map = _channels(attribution).mean(0), attribution.map
    low, high = float(volume.min()), float(volume.max())
    gray = (volume - low) / ((high - low) or 1.0)
    most = np.sort(np.argsort(-np.abs(map).reshape(len(map), -1).sum(1), kind="stable")[:_MOST_SLICES])
    strongest = _high(attribution)
    row = [
        Panel(_lit(gray[index], map[index], strongest, attribution.signed), f"slice {index}")
        for index in most
    ]
    figure = panels(row, columns=_COLUMNS, theme=attribution.options.theme)
    title = "" if attribution.options.bare else attribution.target.title
    which = _shown(len(map), _MOST_SLICES, "slice", "with the most evidence")
    return replace(with_title(figure, title, attribution.options.theme), caption=_words(attribution, which))


def _lit(gray: NDArray[Any], map: NDArray[np.float64], high: float, signed: bool) -> NDArray[np.uint8]:
    """Return a slice in gray, in color where there is evidence."""
    share = (map / high).clip(-1, 1) if high else np.zeros_like(map)
    color = colorize(
        (share + 1) / 2 if signed else 0.25 + 0.7 * share.clip(0), _SIGNED if signed else "inferno"
    )
    strength = 0.8 * np.abs(share)[..., None] ** 0.5
    mixed = np.repeat(gray[..., None], 3, -1) * 255 * (1 - strength) + color * strength
    lit: NDArray[np.uint8] = mixed.round().clip(0, 255).astype(np.uint8)
    return lit


def _channels(attribution: Attribution) -> NDArray[Any]:
    """Return the input as (channels, positions ...)."""
    target = attribution.target
    channels: NDArray[Any] = target.input[0].detach().cpu().movedim(target.channel_axis - 1, 0).numpy()
    return channels


def _high(attribution: Attribution) -> float:
    if attribution.high is not None:
        return attribution.high
    sizes = np.abs(attribution.map)
    return float(np.percentile(sizes, attribution.options.percentile)) or float(sizes.max()) or 1.0


def _shown(count: int, most: int, thing: str, which: str = "") -> str:
    if count <= most:
        return f"All {count:,} {thing}s" if count > 1 else f"The only {thing}"
    return (
        f"The {most} {thing}s of {count:,} {which}".rstrip()
        if which
        else f"The first {most} of {count:,} {thing}s"
    )


def _words(attribution: Attribution, which: str) -> str:
    speaks = "Red speaks for it, blue against it" if attribution.signed else f"Colored is {attribution.lit}"
    percentile = attribution.options.percentile
    clipped = (
        f", clipped at percentile {percentile:g}" if percentile < 100 and attribution.high is None else ""
    )
    return f"{which}. {speaks}; the strongest color is {_high(attribution):.2g}{clipped}"
