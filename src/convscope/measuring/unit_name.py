"""What a unit is called: the class whose pictures it tells from all others, proved on pictures that were held back.

The best of many classes always looks good on the pictures it was chosen by. So it is chosen on the first half of each
class's pictures, by average precision (the area under precision and recall, AUPRC), and judged on the second, by the
rank-sum test (Mann and Whitney, *On a test of whether one of two random variables is stochastically larger than the
other*, 1947), its p-value multiplied by the number of units and of classes (Bonferroni). Each half is in a row: so two
frames of one film seldom stand on both sides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convscope.measuring.measurements import By, Measurements

SIGNIFICANT = 0.05  # the largest p-value, after Bonferroni, that is a name
_FEWEST = 4  # pictures of a class, two to choose by and two to judge by

Hits = NDArray[np.bool_]


@dataclass(frozen=True)
class UnitName:
    """The class ``label`` that a unit tells from the others.

    ``average_precision`` is that on the pictures held back, where a unit that knows nothing has ``chance``, the class's
    share of them; ``p`` is how probable such ranks are by chance among all units and classes that were tried.
    """

    label: str
    average_precision: float
    chance: float
    p: float

    def __str__(self) -> str:
        """Say it in words."""
        return f"{self.label} (AUPRC {self.average_precision:.2f}, by chance {self.chance:.2f}, p = {self.p:.1g})"


def unit_names(measurements: Measurements, address: str, by: By = "max") -> dict[int, UnitName]:
    """Return the channels of a layer, or the one of a unit, that deserve a name, and it; the others have none.

    Pictures without a label and classes of fewer than four are left out; where that leaves one, nothing has a name.

    >>> convscope.measure(network, "photos/").names("mixed5a")[12].label
    'tabby'
    """
    labels, rows, hits, held_back = _halves(measurements.labels)
    if len(labels) < 2:
        return {}
    unit = measurements.resolve(address)
    values = measurements.values(unit, by)[rows].reshape(len(rows), -1)
    tried = len(labels) * sum(one.channels for one in measurements.layers.values())
    names = {}
    for channel in np.flatnonzero(np.isfinite(values).all(axis=0)):
        answers = values[:, channel]
        best = int(np.argmax(average_precisions(answers[~held_back], hits[~held_back])))
        name = _judge(answers[held_back], hits[held_back, best], (labels[best], tried))
        if name.p < SIGNIFICANT:
            names[int(channel) + int(unit.channel or 0)] = name
    return names


def _halves(labels: Sequence[str | None]) -> tuple[list[str], NDArray[np.int64], Hits, Hits]:
    """Return the classes, the rows of their pictures, which is of which (rows, classes), and which are held back."""
    places: Mapping[str, list[int]] = {str(one): [] for one in sorted({*labels} - {None}, key=str)}
    for row, label in enumerate(labels):
        if label is not None:
            places[label].append(row)
    places = {
        label: rows_of_label for label, rows_of_label in places.items() if len(rows_of_label) >= _FEWEST
    }
    rows = np.array(sorted(row for rows_of_label in places.values() for row in rows_of_label), np.int64)
    hits = (
        np.stack([np.isin(rows, rows_of_label) for rows_of_label in places.values()], axis=1)
        if places
        else np.zeros((0, 0), bool)
    )
    later = [
        row for rows_of_label in places.values() for row in rows_of_label[(len(rows_of_label) + 1) // 2 :]
    ]
    return [*places], rows, hits, np.isin(rows, later)


def average_precisions(answers: NDArray[Any], hits: Hits) -> NDArray[np.float64]:
    """Return the average precision of (pictures,) answers for each class of (pictures, classes): 1 at best.

    Equal answers count together, at the precision of them all.

    >>> average_precisions(np.array([3, 2, 2, 0]), np.array([[True], [True], [False], [False]]))
    array([0.83333333])
    """
    order = np.argsort(-answers, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(answers[order]) != 0, True))
    true = np.cumsum(hits[order], axis=0)[ends]
    precision = true / (ends + 1)[:, None]
    precisions: NDArray[np.float64] = (np.diff(true, axis=0, prepend=0) * precision).sum(0) / hits.sum(0)
    return precisions


def _judge(answers: NDArray[Any], hits: Hits, tried: tuple[str, int]) -> UnitName:
    from scipy.stats import mannwhitneyu  # type: ignore[import-untyped]

    label, count = tried
    p = mannwhitneyu(answers[hits], answers[~hits], alternative="greater", method="asymptotic").pvalue
    precision = average_precisions(answers, hits[:, None])[0]
    # Answers that are all the same have no ranks: NaN.
    return UnitName(
        label, float(precision), float(hits.mean()), min(1.0, float(np.nan_to_num(p, nan=1)) * count)
    )
