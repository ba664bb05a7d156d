"""Charts of bars: what a network says, and how much each part matters to that."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convscope.errors import InputError
from convscope.pictures.picture import Picture
from convscope.presentation.figure import drawable, figure_in_style, picture_of, set_title
from convscope.presentation.style import ThemeName, theme_named
from convscope.presentation.wording import percent, short_label

_MOST_BARS = 80  # about as tall as a sheet
_LINE = 92  # letters of what stands below a chart


def prediction_chart(
    predictions: Sequence[tuple[str, float]], *, title: str = "", theme: ThemeName = "light"
) -> Picture:
    """Return a bar for each (label, probability), the given order from top to bottom, percentages at their ends.

    At most the first 80 are drawn, as the caption says. Probabilities are between 0 and 1. The first bar is in the
    accent color: put the best first.
    """
    if not predictions:
        raise InputError("a chart of predictions needs at least one (label, probability)")
    predictions = predictions[:_MOST_BARS]
    labels = [short_label(label) for label, _ in predictions]
    values = np.array([probability for _, probability in predictions], dtype=float)
    check_probabilities(values)
    colors = theme_named(theme)
    rows = np.arange(len(values))
    with figure_in_style(6.4, 0.45 + 0.34 * len(values) + (0.35 if title else 0), colors) as figure:
        axes = figure.add_subplot()
        axes.barh(
            rows,
            np.maximum(values, 0.001),
            height=0.68,
            color=[colors.accent] + [colors.quiet] * (len(rows) - 1),
        )
        for row, value in enumerate(values):
            axes.annotate(
                percent(value), (value, row), (6, 0), textcoords="offset points", va="center", size=10
            )
        axes.set_yticks(rows, labels, size=11)
        axes.invert_yaxis()
        axes.set_xlim(0, max(values.max() * 1.12, 0.01))
        axes.xaxis.set_visible(False)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        set_title(axes, title, colors)
        best = f"{predictions[0][0]} {percent(values[0])}"
        return picture_of(figure, f"the {len(values)} most probable classes; {best}")


def effect_chart(
    effects: Sequence[tuple[str, float, float]],
    *,
    measured: str = "",
    title: str = "",
    theme: ThemeName = "light",
) -> Picture:
    """Return a bar for each (name, effect, half its interval) from top to bottom, to the right of 0 where it is more.

    `measured` says below what the numbers are. At most the first 80 are drawn. What is more is red, what is less blue;
    an interval of 0 has no whisker.
    """
    effects = effects[:_MOST_BARS]
    if not effects or not np.isfinite([effect for _, effect, _ in effects]).all():
        raise InputError("a chart of effects needs at least one, and no NaN or infinity")
    colors, rows = theme_named(theme), np.arange(len(effects))
    values = np.array([effect for _, effect, _ in effects], dtype=float)
    whiskers = np.array([interval for _, _, interval in effects], dtype=float)
    below = wrap(drawable(measured), _LINE)
    height = 0.7 + 0.3 * len(values) + 0.35 * bool(title) + 0.25 * bool(below) + 0.15 * len(below[1:])
    with figure_in_style(6.4, height, colors) as figure:
        axes = figure.add_subplot()
        axes.barh(
            rows, values, height=0.68, color=[colors.warning if v > 0 else colors.accent for v in values]
        )
        if whiskers.any():
            axes.errorbar(values, rows, xerr=whiskers, fmt="none", ecolor=colors.muted, elinewidth=1)
        for row, value, whisker in zip(rows, values, whiskers, strict=True):
            side = 1 if value >= 0 else -1
            axes.annotate(
                f"{value:+#.3g}",
                (value + side * whisker, row),
                (side * 6, 0),
                textcoords="offset points",
                va="center",
                ha="left" if side > 0 else "right",
                size=9,
            )
        axes.axvline(0, color=colors.muted, linewidth=0.8)
        axes.set_yticks(rows, [short_label(name) for name, _, _ in effects], size=10)
        axes.invert_yaxis()
        axes.margins(x=0.16)
        axes.xaxis.set_visible(False)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        if title:
            figure.suptitle(drawable(title), x=0.02, ha="left", size=12, color=colors.text)
        if below:
            figure.supxlabel("\n".join(below), x=0.02, ha="left", size=9, color=colors.muted)
        return picture_of(figure, f"{len(values)} effects, from {values.min():.3g} to {values.max():.3g}")


def check_probabilities(values: NDArray[Any]) -> None:
    """Raise InputError unless all are between 0 and 1."""
    if not values.size or not ((values >= 0) & (values <= 1 + 1e-6)).all():
        raise InputError("probabilities are between 0 and 1; give the values after the softmax")
