"""The table of what maps are worth: a row a method, a mean and its interval a measure, and what each measure asks."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import sqrt

import numpy as np

from convscope.attribution.measures import MEASURES
from convscope.attribution.pointing import CHANCE, CONFIDENCE

POINTING, DIFULL = "pointing", "difull"
Numbers = dict[str, float | None]
_TITLES = {
    **{name: measure.title for name, measure in MEASURES.items()},
    POINTING: "grid pointing",
    DIFULL: "DiFull",
}
_WORDS = {
    **{name: measure.words for name, measure in MEASURES.items()},
    POINTING: "the share of a class's map on its own one of four pictures (GridPG, Rao et al., 2022)",
    DIFULL: "the same where the network sees the four apart, so that all else is wrong: 1 is right",
}


@dataclass(frozen=True)
class Estimate:
    """A mean, half its 95 % interval, and over how many pictures or grids."""

    mean: float
    interval: float
    count: int

    def __str__(self) -> str:
        return f"{self.mean:.3f} ± {self.interval:.3f}" if self.count > 1 else f"{self.mean:.3f}"


@dataclass(frozen=True)
class MethodWorth:
    """What one method is worth: a mean for each measure, "pointing" and "difull"; None where it does not apply.

    ``reason`` is what the method said where it could make no map.
    """

    method: str
    means: Mapping[str, Estimate | None]
    reason: str = ""


@dataclass(frozen=True)
class TrustTable:
    """The methods' worth, best first, then the controls; ``pictures`` and ``grids`` are how many were measured.

    ``complete`` is False where it was interrupted: what there is stands in it. ``small_grids``: the network takes one
    size, so the grids were brought down to that of one picture.
    """

    rows: tuple[MethodWorth, ...]
    controls: tuple[MethodWorth, ...]
    pictures: int
    grids: int
    complete: bool = True
    small_grids: bool = False

    def __str__(self) -> str:
        every = (*self.rows, *self.controls)
        columns = [name for name in _TITLES if any(row.means.get(name) for row in self.rows)]
        return "\n".join(
            [
                f"{'method':26}" + "".join(f"{_TITLES[name]:>20}" for name in columns),
                *(_line(row, columns) for row in self.rows),
                "controls: a method near them is decoration",
                *(_line(row, columns) for row in self.controls),
                *(f"{row.method}: {row.reason}" for row in every if row.reason),
                self.words,
                *(f"{_TITLES[name]}: {_WORDS[name]}" for name in columns),
            ]
        )

    @property
    def words(self) -> str:
        """How it was measured, in a line."""
        small = ", brought down to the size of one" if self.small_grids else ""
        grids = (
            f"{self.grids} grids of pictures classified with at least {CONFIDENCE:g}{small} (chance {CHANCE})"
            if self.grids
            else f"no grids: they need four pictures of different classes, classified with at least {CONFIDENCE:g}"
        )
        stopped = "" if self.complete else "; interrupted: run it again to go on"
        return f"{self.pictures} pictures; {grids}; ± is 95 %{stopped}"

    def to_json(self) -> str:
        """Return the table as JSON."""
        return json.dumps(asdict(self), ensure_ascii=False, indent=2)


def worth_of(name: str, rows: Sequence[Numbers], reason: str = "") -> MethodWorth:
    """Return a method's row, of its numbers for each picture and grid."""
    measures = dict.fromkeys(measure for one in rows for measure in one)
    return MethodWorth(
        name, {measure: _mean([one.get(measure) for one in rows]) for measure in measures}, reason
    )


def _mean(numbers: Sequence[float | None]) -> Estimate | None:
    values = [number for number in numbers if number is not None]
    if not values:
        return None
    error = float(np.std(values, ddof=1)) / sqrt(len(values)) if len(values) > 1 else 0.0
    return Estimate(float(np.mean(values)), 1.96 * error, len(values))


def rank(row: MethodWorth, measure: str) -> float:
    """Return a number by which rows are put in order, the best by a measure first."""
    mean = row.means.get(measure)
    if mean is None:
        return float("inf")
    return mean.mean if measure in MEASURES and MEASURES[measure].better == "less" else -mean.mean


def _line(row: MethodWorth, columns: Sequence[str]) -> str:
    cells = (f"{(row.means.get(name) or '')!s:>20}" for name in columns)
    return f"{row.method:26}{''.join(cells)}".rstrip()
