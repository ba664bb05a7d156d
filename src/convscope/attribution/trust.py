"""What maps are worth: how well each method tells what the network really uses, measured on one's own pictures.

Two controls stand in every table: a blob in the middle, made without any network, and the map of the same network with
its weights shuffled. What was measured of a picture is kept, so that a table that was interrupted goes on.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from convscope.argument_errors import arguments_in_words
from convscope.attribution.activation_map import enlarged
from convscope.attribution.attribution import Attribution
from convscope.attribution.measures import MEASURES, Explained, Map, MeasuredMap
from convscope.attribution.pointing import CHANCE, CONFIDENCE, layouts, pointing
from convscope.attribution.registry import method_named
from convscope.attribution.sanity_check import shuffled_network
from convscope.attribution.target import AttributionTarget, target_of
from convscope.cache import cache_folder, cache_key, keep_facts, kept_facts
from convscope.errors import InputError, by_name
from convscope.network.network import Network
from convscope.pictures.recording import picture_hash
from convscope.progress import Watch, bars, watching

METHODS = ("grad_cam", "layer_cam", "relevance", "saliency", "integrated_gradients")
USUAL = ("single_deletion", "entropy_rise", "completeness")
POINTING = "pointing"
Numbers = dict[str, float | None]


@dataclass(frozen=True)
class Mean:
    """A mean, half its 95 % interval, and over how many pictures or grids."""

    mean: float
    interval: float
    count: int

    def __str__(self) -> str:
        return f"{self.mean:.3f} ± {self.interval:.3f}" if self.count > 1 else f"{self.mean:.3f}"


@dataclass(frozen=True)
class Worth:
    """What one method is worth: a mean for each measure, and for "pointing"; None where it does not apply."""

    method: str
    means: Mapping[str, Mean | None]


@dataclass(frozen=True)
class TrustTable:
    """The methods' worth, best first, then the controls; ``pictures`` and ``grids`` are how many were measured.

    ``complete`` is False where it was interrupted: what there is stands in it.
    """

    rows: tuple[Worth, ...]
    controls: tuple[Worth, ...]
    pictures: int
    grids: int
    complete: bool = True

    def __str__(self) -> str:
        columns = [name for name in (*MEASURES, POINTING) if any(row.means.get(name) for row in self.rows)]
        titles = {name: measure.title for name, measure in MEASURES.items()} | {POINTING: "grid pointing"}
        head = f"{'method':26}" + "".join(f"{titles[name]:>20}" for name in columns)
        lines = [_line(row, columns) for row in self.rows]
        below = [_line(row, columns) for row in self.controls]
        words = [f"{titles[name]}: {MEASURES[name].words}" for name in columns if name != POINTING]
        head_of_controls = "controls: a method near them is decoration"
        return "\n".join([head, *lines, head_of_controls, *below, self.words, *words])

    @property
    def words(self) -> str:
        """How it was measured, in a line."""
        grids = (
            f"{self.grids} grids of pictures classified with at least {CONFIDENCE:g} (chance {CHANCE})"
            if self.grids
            else f"no grids: they need four pictures of different classes, classified with at least {CONFIDENCE:g}"
        )
        stopped = "" if self.complete else "; interrupted: run it again to go on"
        return f"{self.pictures} pictures; {grids}; ± is 95 %{stopped}"

    def to_json(self) -> str:
        """Return the table as JSON."""
        return json.dumps(asdict(self), ensure_ascii=False, indent=2)


@arguments_in_words
def trust(
    network: Network,
    pictures: Sequence[Any],
    *,
    methods: Sequence[str] = METHODS,
    measures: Sequence[str] = USUAL,
    grids: int = 16,
    seed: int = 0,
    watch: Watch | None = None,
    progress: bool = True,
) -> TrustTable:
    """Return how far each method's maps can be trusted, measured on these pictures, and two controls beside them.

    Each picture's most probable class is explained. `measures` are names in `MEASURES`; the first says which method
    comes first. `grids` is how many 2 x 2 grids are laid out at most, of pictures that the network is sure of. `watch`
    is told how many pictures and grids are done; without it a bar shows that, with ``progress=False`` nothing. Ctrl-C
    ends it with what there is; all that was measured is kept in the cache.

    >>> print(convscope.trust(network, ["cat.jpg", "dog.jpg"], methods=["grad_cam", "occlusion"]))
    """
    if not pictures:
        raise InputError("there is no picture to measure on: give some, a few dozen for narrow intervals")
    names = list(dict.fromkeys(method_named(name).name for name in methods))
    chosen = tuple(by_name(MEASURES, name.replace("-", "_"), "measure").name for name in measures)
    survey = _Survey(network, names, chosen, seed)
    inputs = [network.preprocess(picture)[:1] for picture in pictures]
    laid = list(islice(layouts(network, inputs, seed), grids))
    found: list[dict[str, Numbers]] = []
    total, complete = len(inputs) + len(laid), True
    with bars(progress), watching(watch, "picture") as tell, bars(False):
        try:
            for input in inputs:
                found.append(survey.of_picture(input))
                tell(len(found), total)
            for grid, classes in laid:
                found.append(survey.of_grid(grid, classes))
                tell(len(found), total)
        except KeyboardInterrupt:
            complete = False
    if not found:
        raise KeyboardInterrupt
    rows = {name: _worth(name, [one[name] for one in found]) for name in survey.every}
    best = sorted((rows[name] for name in names), key=lambda row: _rank(row, chosen[0]))
    measured = min(len(found), len(inputs))
    controls = tuple(rows[name] for name in survey.controls)
    return TrustTable(tuple(best), controls, measured, len(found) - measured, complete)


def blob(target: AttributionTarget) -> Map:
    """Return the map that knows no network: a Gaussian in the middle."""
    rows, columns = (np.linspace(-2, 2, side) for side in target.size)
    return np.asarray(np.exp(-(rows[:, None] ** 2 + columns**2) / 2))


def signed_map(found: Attribution) -> Map:
    """Return an attribution's map with its signs: those tell more than what is lit (Hesse et al., 2024)."""
    if found.values.ndim == 2:
        return enlarged(torch.from_numpy(found.values), found.target.size)
    return found.map


class _Survey:
    """Measures of the maps of some methods and of the controls, kept on disk a picture at a time."""

    def __init__(self, network: Network, methods: Sequence[str], measures: Sequence[str], seed: int) -> None:
        self.network, self.methods, self.measures, self.seed = network, methods, measures, seed
        self.controls = ("centered blob", f"{methods[0]}, weights shuffled")
        self.every = (*methods, *self.controls)
        self._shuffled = shuffled_network(network, seed)

    def of_picture(self, input: Tensor) -> dict[str, Numbers]:
        """Return the numbers of each method's map of the most probable class."""
        key = self._key(input, "picture")
        if (kept := _kept(key)) is not None:
            return kept
        target = target_of(self.network, input)
        explained = Explained(target)
        found = {}
        for name, made in self._maps(target).items():
            found[name] = {measure: MEASURES[measure].of(explained, made) for measure in self.measures}
        return _keep(key, found)

    def of_grid(self, grid: Tensor, classes: Sequence[int]) -> dict[str, Numbers]:
        """Return how each method's maps of the classes point at their pictures in a grid."""
        key = self._key(grid, f"grid of {classes}")
        if (kept := _kept(key)) is not None:
            return kept
        found = {}
        for name in self.every:
            value = pointing(self.network, grid, classes, lambda target, name=name: self._map(name, target))  # type: ignore[misc]
            found[name] = Numbers({POINTING: value})
        return _keep(key, found)

    def _maps(self, target: AttributionTarget) -> dict[str, MeasuredMap]:
        found: dict[str, MeasuredMap] = {}
        beside = target_of(self._shuffled, target.input, target)
        for name in self.methods:
            made = method_named(name).function(target.network, target.input, target)
            needed = "entropy_rise" in self.measures or name == self.methods[0]
            shuffled = self._made(name, beside) if needed else None
            found[name] = MeasuredMap(signed_map(made), made, shuffled)
        first = found[self.methods[0]].shuffled
        assert first is not None
        return {**found, self.controls[0]: MeasuredMap(blob(target)), self.controls[1]: MeasuredMap(first)}

    def _map(self, name: str, target: AttributionTarget) -> Map:
        if name == self.controls[0]:
            return blob(target)
        if name == self.controls[1]:
            return self._made(self.methods[0], target_of(self._shuffled, target.input, target))
        return self._made(name, target)

    def _made(self, name: str, target: AttributionTarget) -> Map:
        return signed_map(method_named(name).function(target.network, target.input, target))

    def _key(self, input: Tensor, what: str) -> str:
        facts = (*self.methods, "", *self.measures)
        return cache_key("trust", self.network.identity, picture_hash(input), what, list(facts), self.seed)


def _path(key: str) -> Path:
    return cache_folder("trust") / f"{key}.json"


def _kept(key: str) -> dict[str, Numbers] | None:
    """Return what was measured before; what cannot be read counts as not there."""
    found: dict[str, Numbers] | None = kept_facts(_path(key))
    return found


def _keep(key: str, found: dict[str, Numbers]) -> dict[str, Numbers]:
    keep_facts(_path(key), found)
    return found


def _worth(name: str, found: Sequence[Numbers]) -> Worth:
    measures = dict.fromkeys(measure for one in found for measure in one)
    return Worth(name, {measure: _mean([one.get(measure) for one in found]) for measure in measures})


def _mean(numbers: Sequence[float | None]) -> Mean | None:
    values = [number for number in numbers if number is not None]
    if not values:
        return None
    spread = float(np.std(values, ddof=1)) / sqrt(len(values)) if len(values) > 1 else 0.0
    return Mean(float(np.mean(values)), 1.96 * spread, len(values))


def _rank(row: Worth, measure: str) -> float:
    found = row.means.get(measure)
    if found is None:
        return float("inf")
    return -found.mean if MEASURES[measure].better == "more" else found.mean


def _line(row: Worth, columns: Sequence[str]) -> str:
    cells = (f"{(row.means.get(name) or '')!s:>20}" for name in columns)
    return f"{row.method:26}{''.join(cells)}".rstrip()
