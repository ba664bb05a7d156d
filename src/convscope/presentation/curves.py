"""Curves side by side, each with the picture that its highest point stands for below it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from convscope.pictures.picture import Picture
from convscope.presentation.figure import drawable, figure_in_style, picture_of
from convscope.presentation.style import Theme, ThemeName, theme_named

Shown = tuple[NDArray[np.uint8], tuple[int, int, int, int]]
"""A picture, and a frame in it: (top, left, bottom, right), ends excluded."""


@dataclass(frozen=True, eq=False)
class CurvePanel:
    """A panel: named curves over `places`, written at even distances, and what the highest point looks like."""

    title: str
    axis: str
    places: Sequence[float]
    curves: Mapping[str, NDArray[Any]]
    shown: Shown | None


def curve_panels(
    panels: Sequence[CurvePanel], plain: float, *, title: str = "", theme: ThemeName = "light"
) -> Picture:
    """Return panels side by side on one vertical scale, `plain` dashed across all of them."""
    colors = theme_named(theme)
    values = [
        plain,
        0.0,
        *(
            float(bound(curve))
            for one in panels
            for curve in one.curves.values()
            for bound in (np.min, np.max)
        ),
    ]
    low, high = min(values), max(values)
    room = 0.06 * (high - low or 1.0)
    with figure_in_style(2.7 * len(panels), 4.6, colors) as figure:
        grid = figure.add_gridspec(2, len(panels), height_ratios=(3, 2))
        for column, panel in enumerate(panels):
            axes = figure.add_subplot(grid[0, column])
            _draw(axes, panel, plain, colors)
            axes.set_ylim(low - room, high + room)
            if column:
                axes.set_yticklabels([])
            _show(figure.add_subplot(grid[1, column]), panel.shown, colors)
        if title:
            figure.suptitle(drawable(title), x=0.01, ha="left", size=12, color=colors.text)
        return picture_of(figure, title)


def _draw(axes: Axes, panel: CurvePanel, plain: float, colors: Theme) -> None:
    places = np.arange(len(panel.places))
    axes.axhline(plain, color=colors.muted, linewidth=1, linestyle="--")
    shades = (colors.accent, colors.muted, colors.accent, colors.muted)
    for (name, curve), shade, style in zip(panel.curves.items(), shades, ("-", "-", ":", ":"), strict=False):
        axes.plot(places, curve, style, color=shade, marker="o", markersize=3, linewidth=1.5, label=name)
    if len(panel.curves) > 1:
        axes.legend(frameon=False, fontsize=7, labelcolor=colors.text)
    axes.set_xticks(places[::2], [f"{place:.3g}" for place in panel.places[::2]], size=8)
    axes.set_title(drawable(panel.title), size=10, loc="left", color=colors.text)
    axes.set_xlabel(panel.axis, size=8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8)


def _show(axes: Axes, shown: Shown | None, colors: Theme) -> None:
    axes.set_axis_off()
    if shown is None:
        return
    pixels, (top, left, bottom, right) = shown
    axes.imshow(pixels, interpolation="nearest")
    axes.add_patch(
        Rectangle(
            (left - 0.5, top - 0.5),
            right - left,
            bottom - top,
            fill=False,
            edgecolor=colors.accent,
            linewidth=1.5,
        )
    )
