"""Plots of many numbers: the probability of every class, a layer's values and their histogram."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import NDArray

from convscope.errors import InputError
from convscope.pictures.picture import Picture
from convscope.presentation.bar_charts import check_probabilities
from convscope.presentation.figure import figure_in_style, picture_of, plain_frame, set_title
from convscope.presentation.style import Theme, ThemeName, theme_named
from convscope.presentation.wording import percent, short_label

_FEW_CLASSES = 24
_PEAKS = 5  # that are named
_MANY_RANKS = 1000  # from which falling values hug the edge
_MANY_VALUES = 8192  # up to which each has a line of its own


@dataclass(frozen=True)
class Counted:
    """What has a value each: the word for one, and a name for each where they have names."""

    noun: str = "unit"
    labels: Sequence[str] | None = None

    def name(self, index: int) -> str:
        """Return what the one with this number is called."""
        return _name(self.labels, index)


_UNITS = Counted()


def probability_plot(
    probabilities: NDArray[Any],
    labels: Sequence[str] | None = None,
    *,
    top: int = 5,
    title: str = "",
    theme: ThemeName = "light",
) -> Picture:
    """Return the probability of every class, by class number, the ``top`` highest named at their peaks.

    ``probabilities`` has shape (classes,), ``labels`` one name a class (numbers where there are none).
    """
    values = np.asarray(probabilities, dtype=float).ravel()
    check_probabilities(values)
    if labels is not None and len(labels) != len(values):
        raise InputError(f"{len(labels)} labels for {len(values)} classes; give one a class")
    colors = theme_named(theme)
    best = np.argsort(-values, kind="stable")[:top]
    with figure_in_style(9.6, 3.6 + (0.3 if title else 0), colors) as figure:
        axes = figure.add_subplot()
        if len(values) <= _FEW_CLASSES:
            _draw_few(axes, values, [_name(labels, index) for index in range(len(values))], colors)
        else:
            _draw_many(axes, values, colors, _peaks(values, best, labels))
        axes.set_ylim(0, max(values.max() * 1.08, 1e-6))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g}%"))
        axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
        axes.set_ylabel("probability")
        plain_frame(axes, colors)
        set_title(axes, title, colors)
        best_words = ", ".join(f"{_name(labels, index)} {percent(values[index])}" for index in best)
        return picture_of(
            figure, f"the probability of each of {len(values):,} classes; the highest: {best_words}"
        )


def values_and_histogram(
    values: NDArray[Any],
    *,
    order: str = "index",
    title: str = "",
    bins: int = 100,
    theme: ThemeName = "light",
    counted: Counted = _UNITS,
) -> Picture:
    """Return a layer's values, the highest named, above the histogram of the positive ones.

    ``values`` is of any shape and read in order, channels first for a layer's (channels, ...) answer; with ``order``
    "strongest" the highest come first, thousands by the logarithm of their place. ``counted`` says what has each.
    InputError for NaN.
    """
    flat = np.asarray(values, dtype=float).ravel()
    if not len(flat) or not np.isfinite(flat).all():
        raise InputError("a histogram needs at least one value, and no NaN or infinity")
    if len(flat) == 1:
        return _one_value(float(flat[0]), title, theme)
    numbers = np.argsort(-flat, kind="stable") if order == "strongest" else np.arange(len(flat))
    positive = flat[flat > 0]
    colors = theme_named(theme)
    with figure_in_style(9.6, 5.6 + (0.3 if title else 0), colors) as figure:
        above, below = figure.subplots(2, 1, height_ratios=(1.3, 1))
        falling = order == "strongest" and len(flat) > _MANY_RANKS
        (_draw_ranks if falling else _draw_values)(
            above, flat[numbers], lambda place: counted.name(numbers[place]), colors
        )
        places = f"{counted.noun}s, the highest first" + (" (logarithmic)" if falling else "")
        above.set_xlabel(counted.noun if order == "index" else places)
        above.set_ylabel("value")
        share = (
            f"{len(positive):,} of {len(flat):,} values are positive ({percent(len(positive) / len(flat))})"
        )
        if len(positive):
            below.hist(positive, bins=bins, range=(0, positive.max()), color=colors.accent)  # of the axis
            below.set_xlim(0, positive.max())
        below.set_xlabel("positive values")
        below.set_ylabel("how many")
        below.set_title(share, loc="right", size=10, color=colors.muted)
        for axes in (above, below):
            axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
            plain_frame(axes, colors)
        set_title(above, title, colors)
        ends = f"{flat.min():.4g} to {flat.max():.4g}"
        best = ", ".join(
            f"{counted.name(index)} ({flat[index]:.3g})"
            for index in np.argsort(-flat, kind="stable")[:_PEAKS]
        )
        words = f"value{'s' * (len(flat) > 1)} {'in order' if order == 'index' else 'the highest first'}"
        return picture_of(
            figure,
            f"{len(flat):,} {words}, {ends}; the highest: {best}; below, the histogram of the positive: {share}",
        )


def _one_value(value: float, title: str, theme: ThemeName) -> Picture:
    """Return a single value as a bar from 0: a histogram of it would say nothing."""
    colors = theme_named(theme)
    with figure_in_style(9.6, 1.4 + (0.3 if title else 0), colors) as figure:
        axes = figure.add_subplot()
        axes.barh([0], [value], height=0.5, color=colors.accent)
        axes.annotate(
            f"{value:.4g}",
            (max(value, 0), 0),
            (6, 0),
            textcoords="offset points",
            va="center",
            color=colors.text,
        )
        ends = sorted((0.0, value, value + 0.2 * abs(value))) if value else (0.0, 0.0, 1.0)
        axes.set_xlim(ends[0], max(ends[-1], 0.2 * abs(value)))
        axes.set_yticks([])
        axes.set_xlabel("value")
        plain_frame(axes, colors)
        set_title(axes, title, colors)
        return picture_of(figure, f"1 value: {value:.4g}")


def _draw_few(axes: Axes, values: NDArray[Any], names: list[str], colors: Theme) -> None:
    """Draw a bar for each class with its name below and its percentage on top."""
    bars = axes.bar(
        np.arange(len(values)),
        values,
        color=[colors.quiet if v < values.max() else colors.accent for v in values],
    )
    axes.bar_label(bars, [percent(value) for value in values], padding=2, size=9)
    _name_ticks(axes, names)
    if names[0] == "0":
        axes.set_xlabel("class number")


def _name_ticks(axes: Axes, names: list[str]) -> None:
    slanted = max(map(len, names)) > 110 / len(names)
    axes.set_xticks(
        np.arange(len(names)), names, rotation=30 if slanted else 0, ha="right" if slanted else "center"
    )


def _draw_many(axes: Axes, values: NDArray[Any], colors: Theme, peaks: list[tuple[int, float, str]]) -> None:
    """Draw a line for each class, and the peaks in the accent color with their names."""
    best = [index for index, _, _ in peaks]
    axes.vlines(np.arange(len(values)), 0, values, color=colors.quiet, linewidth=1)
    axes.vlines(best, 0, values[best], color=colors.accent, linewidth=1.8)
    axes.plot(best, values[best], "o", color=colors.accent, markersize=4)
    axes.set_xlim(-0.015 * len(values), 1.015 * len(values))
    axes.xaxis.set_major_locator(MaxNLocator(10, steps=[1, 2, 5, 10], integer=True))
    axes.set_xlabel("class number")
    _name_peaks(axes, peaks, len(values), colors)


def _peaks(
    values: NDArray[Any], best: NDArray[Any], labels: Sequence[str] | None
) -> list[tuple[int, float, str]]:
    """Return where the highest probabilities are, how high, and the words beside them."""
    return [(int(i), float(values[i]), f"{_name(labels, i)}  {percent(values[i])}") for i in best]


def _draw_values(axes: Axes, heights: NDArray[Any], name: Callable[[int], str], colors: Theme) -> None:
    """Draw a bar for each of a few values, a line for each of some thousands, the range of each group of more."""
    count = len(heights)
    axes.axhline(0, color=colors.line, linewidth=0.8)
    if count <= _FEW_CLASSES:
        bars = axes.bar(np.arange(count), heights, color=colors.accent)
        axes.bar_label(bars, [f"{value:.3g}" for value in heights], padding=2, size=9)
        _name_ticks(axes, list(map(name, range(count))))
        axes.margins(y=0.15)
        return
    peaks = np.argsort(-heights, kind="stable")[:_PEAKS]
    if count <= _MANY_VALUES:
        axes.vlines(
            np.arange(count), 0, heights, color=colors.quiet, linewidth=max(0.5, min(3, 1500 / count))
        )
    else:
        edges = np.linspace(0, count, 1025).astype(int)[:-1]
        high, low = np.maximum.reduceat(heights, edges), np.minimum.reduceat(heights, edges)
        axes.fill_between(edges, np.minimum(low, 0), np.maximum(high, 0), color=colors.quiet, linewidth=0)
    axes.vlines(peaks, 0, heights[peaks], color=colors.accent, linewidth=1.8)
    axes.plot(peaks, heights[peaks], "o", color=colors.accent, markersize=4)
    axes.set_xlim(-0.015 * count, 1.015 * count)
    axes.xaxis.set_major_locator(MaxNLocator(10, steps=[1, 2, 5, 10], integer=True))
    if heights.max() > 0:
        words = [(float(at), float(heights[at]), f"{name(at)}:  {heights[at]:.3g}") for at in peaks]
        _name_peaks(axes, words, count, colors)


def _draw_ranks(axes: Axes, heights: NDArray[Any], name: Callable[[int], str], colors: Theme) -> None:
    """Draw falling values by the logarithm of their place: few of thousands are high, and would hug the edge."""
    count = len(heights)
    places = np.unique(np.geomspace(1, count, 1024).round().astype(int))
    wide = float(np.log10(count))
    axes.axhline(0, color=colors.line, linewidth=0.8)
    axes.fill_between(np.log10(places), 0, heights[places - 1], color=colors.quiet, linewidth=0)
    at = np.log10(np.arange(1, _PEAKS + 1))
    axes.vlines(at, 0, heights[:_PEAKS], color=colors.accent, linewidth=1.8)
    axes.plot(at, heights[:_PEAKS], "o", color=colors.accent, markersize=4)
    axes.set_xlim(-0.015 * wide, 1.015 * wide)
    powers = range(int(wide) + 1)
    axes.set_xticks(list(powers), [f"{10**power:,}" for power in powers])
    if heights[0] > 0:
        words = [f"{name(place)}:  {heights[place]:.3g}" for place in range(_PEAKS)]
        _name_peaks(axes, list(zip(at.tolist(), heights.tolist(), words, strict=False)), wide, colors)


def _name_peaks(axes: Axes, peaks: Sequence[tuple[float, float, str]], classes: float, colors: Theme) -> None:
    """Write the peaks' names in columns beside the groups they form, so that neither words nor lines cross."""
    bottom, top = axes.dataLim.intervaly
    extent = top - min(bottom, 0)
    groups: list[list[tuple[float, float, str]]] = []
    for peak in sorted(peaks):
        if groups and peak[0] - groups[-1][0][0] < 0.3 * classes:
            groups[-1].append(peak)
        else:
            groups.append([peak])
    for group in groups:
        right = group[-1][0] < 0.7 * classes
        column = group[-1][0] + 0.025 * classes if right else group[0][0] - 0.025 * classes
        group.sort(key=lambda peak: (-peak[1], -peak[0] if right else peak[0]))
        levels = _spread([value for _, value, _ in group], 0.09 * extent, 0.03 * extent)
        for (index, value, name), level in zip(group, levels, strict=True):
            axes.annotate(
                name,
                (index, value),
                (column, level),
                ha="left" if right else "right",
                va="center",
                color=colors.text,
                bbox={"facecolor": colors.page, "edgecolor": "none", "pad": 1.5},
                arrowprops={
                    "arrowstyle": "-",
                    "color": colors.muted,
                    "linewidth": 0.7,
                    "shrinkA": 0,
                    "shrinkB": 3,
                    "relpos": (0 if right else 1, 0.5),
                },
            )


def _spread(levels: list[float], least: float, floor: float) -> list[float]:
    """Move falling levels apart until they differ by ``least``, none below ``floor``, each as little as needed."""
    for index in range(1, len(levels)):
        levels[index] = min(levels[index], levels[index - 1] - least)
    levels[-1] = max(levels[-1], floor)
    for index in range(len(levels) - 2, -1, -1):
        levels[index] = max(levels[index], levels[index + 1] + least)
    return levels


def _name(labels: Sequence[str] | None, index: int) -> str:
    return str(index) if labels is None else short_label(labels[index])
