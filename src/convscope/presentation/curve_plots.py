"""Plots of what is measured along one axis: a curve for each channel, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from convscope.errors import InputError
from convscope.pictures.picture import Picture
from convscope.presentation.figure import figure_in_style, picture_of, plain_frame, set_title
from convscope.presentation.style import ThemeName, theme_named

MOST_CURVES = 96
_COLUMNS = 4
_WIDTH, _HEIGHT = 2.4, 1.05  # inches of one of several


def curves(
    rows: NDArray[Any],
    names: Sequence[str],
    *,
    columns: int | None = None,
    one_scale: bool = False,
    title: str = "",
    theme: ThemeName = "light",
) -> Picture:
    """Return rows (curves, positions) as curves side by side, each under its name.

    They are all on `one_scale`, or each on its own. The first 96 are drawn; NaN and infinity leave a gap.
    InputError for anything but two axes.
    """
    if rows.ndim != 2 or not rows.size or len(names) != len(rows):
        raise InputError(
            f"curves need rows of positions, and a name for each; found {rows.shape}, {len(names)} names"
        )
    drawn, colors = rows[:MOST_CURVES], theme_named(theme)
    across = min(columns or _COLUMNS, len(drawn))
    down = -(-len(drawn) // across)
    size = (across * _WIDTH, 0.5 + down * _HEIGHT) if len(drawn) > 1 else (9.6, 3.6)
    with figure_in_style(*size, colors) as figure:
        places = figure.subplots(down, across, sharex=True, sharey=one_scale, squeeze=False).ravel()
        for axes, row, name in zip(places, drawn, names, strict=False):
            axes.plot(row, color=colors.accent, linewidth=1.2)
            axes.set_xlim(0, max(len(row) - 1, 1))
            axes.yaxis.set_major_locator(MaxNLocator(3))
            axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
            axes.tick_params(labelsize=7 if len(drawn) > 1 else 10)
            axes.set_title(name, loc="right", size=8, color=colors.muted, pad=3)
            plain_frame(axes, colors)
        for axes in places[len(drawn) :]:
            axes.set_visible(False)
        places[len(drawn) - 1].set_xlabel("position")
        set_title(places[0], title, colors)
        scale = "all on one scale" if one_scale else "each on its own scale"
        shown = f"{len(drawn):,}" if len(drawn) == len(rows) else f"the first {len(drawn):,} of {len(rows):,}"
        words = f"{shown} curve{'s' * (len(rows) > 1)} over {rows.shape[1]:,} positions"
        return picture_of(figure, f"{words}, {scale}" if len(drawn) > 1 else words)
