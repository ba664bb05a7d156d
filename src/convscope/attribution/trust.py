"""What maps are worth: how well each method tells what the network really uses, measured on one's own pictures.

Two controls stand in every table: a blob in the middle, made without any network, and the map of the same network with
its weights shuffled. What was measured of a picture is kept, so that a table that was interrupted goes on.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from functools import cache, cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from convscope.argument_errors import arguments_in_words
from convscope.attribution.activation_map import enlarged
from convscope.attribution.attribution import Attribution
from convscope.attribution.difull import Disconnected, disconnected
from convscope.attribution.measures import MEASURES, Map, MeasuredMap, MeasuredTarget
from convscope.attribution.pointing import fitting, layouts, pointing
from convscope.attribution.registry import method_named
from convscope.attribution.sanity_check import shuffled_network
from convscope.attribution.target import AttributionTarget, target_of
from convscope.attribution.trust_table import DIFULL, POINTING, Numbers, TrustTable, rank, worth_of
from convscope.cache import cache_folder, cache_key, keep_facts, kept_facts
from convscope.errors import InputError, by_name
from convscope.measuring.picture_list import PicturesLike, is_list, list_pictures
from convscope.network.given_input import center_input
from convscope.network.network import Network
from convscope.pictures.photograph import InputLike
from convscope.pictures.recipe import library_versions
from convscope.pictures.recording import picture_hash
from convscope.progress import Watch, bars, watching

METHODS = ("grad_cam", "layer_cam", "relevance", "saliency", "deep_lift")  # a few runs of the network each
_STEPS = 32  # of an integral over a shuffled network, whose map need not add up
USUAL = ("single_deletion", "entropy_rise", "completeness")


@arguments_in_words
def trust(
    network: Network,
    pictures: PicturesLike | InputLike,
    *,
    methods: Sequence[str] = METHODS,
    measures: Sequence[str] = USUAL,
    grids: int = 16,
    seed: int = 0,
    watch: Watch | None = None,
    progress: bool = True,
) -> TrustTable:
    """Return how far each method's maps can be trusted, measured on these pictures, and two controls beside them.

    `pictures` are a list, a folder, an archive, a .csv list, or a single picture. Each one's most probable class is
    explained. `methods` are names in `METHODS`, `measures` names in `MEASURES`, and "difull" (of the grids); the
    first says which method comes first. `grids` is how many 2 x 2 grids are laid out at most, of pictures that the
    network is sure of. `watch` is told how many pictures and grids are done; without it a bar shows that, with
    ``progress=False`` nothing. Ctrl-C ends it with what there is; all that was measured is kept in the cache.

    InputError where there is no picture, and of a network without classes: it has nothing to measure.

    >>> print(convscope.trust(network, ["chelsea", "coffee"], methods=["grad_cam", "occlusion"]))
    """
    names = list(dict.fromkeys(method_named(name).name for name in methods))
    possible = {**MEASURES, DIFULL: None}
    columns = [name.replace("-", "_") for name in measures]
    for name in columns:
        by_name(possible, name, "measure")
    survey = _Survey(network, names, columns, seed)
    inputs = [center_input(network, picture) for picture in _listed(pictures)]
    if not inputs:
        raise InputError("there is no picture to measure on: give some, a few dozen for narrow intervals")
    target_of(network, inputs[0])  # a network without classes has nothing to measure: not a table of reasons
    laid = list(islice(layouts(network, inputs, seed), grids))
    numbers: list[dict[str, Numbers]] = []
    total, complete = len(inputs) + len(laid), True
    with bars(progress), watching(watch, "picture") as tell, bars(False):
        try:
            for input in inputs:
                numbers.append(survey.of_picture(input))
                tell(len(numbers), total)
            for grid, classes in laid:
                numbers.append(survey.of_grid(grid, classes))
                tell(len(numbers), total)
        except KeyboardInterrupt:
            complete = False
    if not numbers:
        raise KeyboardInterrupt
    rows = {
        name: worth_of(name, [one[name] for one in numbers], survey.reasons.get(name, ""))
        for name in survey.every
    }
    best = sorted((rows[name] for name in names), key=lambda row: rank(row, columns[0]))
    measured = min(len(numbers), len(inputs))
    controls = tuple(rows[name] for name in survey.controls)
    return TrustTable(tuple(best), controls, measured, len(numbers) - measured, complete, survey.small_grids)


def _listed(pictures: Any) -> list[Any]:
    """Return pictures as a list: those of a folder or an archive, and a single one too."""
    if isinstance(pictures, (str, os.PathLike)) and is_list(pictures):
        return [one.read() for one in list_pictures(pictures)]
    several = isinstance(pictures, (Sequence, Iterator)) and not isinstance(pictures, (str, bytes))
    return list(pictures) if several and not hasattr(pictures, "read") else [pictures]


def blob(target: AttributionTarget) -> Map:
    """Return the map that knows no network: a Gaussian in the middle."""
    rows, columns = (np.linspace(-2, 2, side) for side in target.size)
    return np.asarray(np.exp(-(rows[:, None] ** 2 + columns**2) / 2))


def signed_map(attribution: Attribution) -> Map:
    """Return an attribution's map with its signs: those tell more than what is lit (Hesse et al., 2024)."""
    if attribution.values.ndim == 2:
        return enlarged(torch.from_numpy(attribution.values), attribution.target.size)
    return attribution.map


class _Survey:
    """Measures of the maps of some methods and of the controls, kept on disk for each picture and each of them."""

    def __init__(self, network: Network, methods: Sequence[str], measures: Sequence[str], seed: int) -> None:
        self.network, self.methods, self.measures, self.seed = network, methods, measures, seed
        self.controls = ("centered blob", f"{methods[0]}, weights shuffled")
        self.every = (*methods, *self.controls)
        self.reasons: dict[str, str] = {}
        self.small_grids = False
        self._shuffled = shuffled_network(network, seed)

    def of_picture(self, input: Tensor) -> dict[str, Numbers]:
        """Return the numbers of each method's map of the most probable class."""
        measures = [name for name in self.measures if name != DIFULL]
        explained = cache(lambda: MeasuredTarget(target_of(self.network, input)))
        beside = cache(lambda: target_of(self._shuffled, input, explained().target))
        shuffled = cache(lambda name: signed_map(self._attribution(name, beside())))

        def numbers(name: str) -> Numbers:
            measured_map = self._map_of(name, explained().target, shuffled)
            return {measure: MEASURES[measure].of(explained(), measured_map) for measure in measures}

        return self._rows(self._key(input, "picture", measures), numbers)

    def of_grid(self, grid: Tensor, classes: Sequence[int]) -> dict[str, Numbers]:
        """Return how each method's maps of the classes point at their pictures in a grid."""
        whole = fitting(self.network, grid)
        self.small_grids = whole.shape != grid.shape

        def numbers(name: str) -> Numbers:
            network = self._shuffled if name == self.controls[1] else self.network
            targets = [target_of(network, whole, number) for number in classes]
            points: Numbers = {POINTING: pointing(targets, lambda target: self._map(name, target))}
            if DIFULL in self.measures:
                apart = self._apart(network)
                targets = apart.targets(grid, classes)
                points[DIFULL] = pointing(targets, lambda target: self._map(name, target, apart.layer))
            return points

        facts = [name for name in self.measures if name == DIFULL]
        return self._rows(self._key(grid, f"grid of {classes}", facts), numbers)

    def _rows(self, key: tuple[Any, ...], numbers: Callable[[str], Numbers]) -> dict[str, Numbers]:
        """Return each row's numbers, kept or found; what a method says that it cannot do stands in `reasons`."""
        rows = {}
        for name in self.every:
            row = cache_key(*key, name)
            earlier = _kept_numbers(row)
            try:
                rows[name] = _keep(row, numbers(name)) if earlier is None else earlier
            except InputError as error:
                rows[name] = {}
                self.reasons.setdefault(name, str(error))
        return rows

    def _map_of(self, name: str, target: AttributionTarget, shuffled: Callable[[str], Map]) -> MeasuredMap:
        if name == self.controls[0]:
            return MeasuredMap(blob(target))
        if name == self.controls[1]:
            return MeasuredMap(shuffled(self.methods[0]))
        attribution = self._attribution(name, target)
        return MeasuredMap(
            signed_map(attribution), attribution, shuffled(name) if "entropy_rise" in self.measures else None
        )

    def _map(self, name: str, target: AttributionTarget, layer: str | None = None) -> Map:
        if name == self.controls[0]:
            return blob(target)
        return signed_map(
            self._attribution(self.methods[0] if name == self.controls[1] else name, target, layer)
        )

    def _attribution(self, name: str, target: AttributionTarget, layer: str | None = None) -> Attribution:
        method = method_named(name)
        options: dict[str, Any] = {"layer": layer} if layer is not None and "layer" in method.options else {}
        if target.network is self._shuffled and "max_steps" in method.options:
            options["max_steps"] = _STEPS
        return method.function(target.network, target.input, target, **options)

    @cached_property
    def _apart(self) -> Callable[[Network], Disconnected]:
        return cache(disconnected)

    def _key(self, input: Tensor, what: str, measures: Sequence[str]) -> tuple[Any, ...]:
        network = (self.network.identity, self.network.device.type)  # another kind of device rounds otherwise
        facts = (picture_hash(input), what, list(measures), self.seed)
        return "trust", network, library_versions(), *facts


def _path(key: str) -> Path:
    return cache_folder("trust") / f"{key}.json"


def _kept_numbers(key: str) -> Numbers | None:
    """Return what was measured before; what cannot be read counts as not there."""
    numbers: Numbers | None = kept_facts(_path(key))
    return numbers


def _keep(key: str, numbers: Numbers) -> Numbers:
    keep_facts(_path(key), numbers)
    return numbers
