"""What maps are worth: how well each method tells what the network really uses, measured on one's own pictures.

Single deletion is that of Hesse et al., *Benchmarking the attribution quality of vision models* (2024): each cell of a
grid is covered alone, and the loss is compared with the map's share there. The grid pointing game is Rao et al.'s,
*Towards better understanding attribution methods* (2022). Two controls stand in every table: a blob in the middle, made
without any network, and the map of the same network with its weights shuffled.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from math import sqrt
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import spearmanr  # type: ignore[import-untyped]
from torch import Tensor
from torch.nn.functional import interpolate

from convscope.attribution.activation_map import enlarged
from convscope.attribution.baselines import baseline_input
from convscope.attribution.perturbation import masked_numbers
from convscope.attribution.registry import method_named
from convscope.attribution.sanity_check import shuffled_network
from convscope.attribution.target import AttributionTarget, target_of
from convscope.errors import InputError
from convscope.network.network import Network
from convscope.progress import Watch, bars, watching

METHODS = ("grad_cam", "layer_cam", "relevance", "saliency", "integrated_gradients")
CELLS = 7  # a side, of single deletion
CONFIDENCE = 0.99  # of the pictures in grids
MAP_OF = Callable[[AttributionTarget], NDArray[np.float64]]


@dataclass(frozen=True)
class Worth:
    """What one method is worth: the means over the pictures or grids, and half their 95 % intervals.

    ``deletion`` is Spearman's correlation of a cell's share of the map, signs included, with what is lost without it;
    ``grid`` the positive share of the map in the right quarter of a 2 x 2 grid of pictures (by chance 0.25), None
    without grids.
    """

    method: str
    deletion: float
    deletion_interval: float
    grid: float | None
    grid_interval: float | None


@dataclass(frozen=True)
class TrustTable:
    """The methods' worth, best first, then the controls; ``pictures`` and ``grids`` are how many were measured."""

    rows: tuple[Worth, ...]
    controls: tuple[Worth, ...]
    pictures: int
    grids: int

    def __str__(self) -> str:
        head = f"{'method':24}{'single deletion':>18}{'grid pointing':>18}"
        lines = [_line(row) for row in self.rows]
        below = [_line(row) for row in self.controls]
        return "\n".join([head, *lines, "controls: a method near them is decoration", *below, self.words])

    @property
    def words(self) -> str:
        """How it was measured, in a line."""
        grids = (
            f"{self.grids} grids of pictures classified with at least {CONFIDENCE:g} (chance 0.25)"
            if self.grids
            else f"no grids: they need four pictures of different classes, classified with at least {CONFIDENCE:g}"
        )
        return f"{self.pictures} pictures, {CELLS} x {CELLS} cells grayed one at a time; {grids}; ± is 95 %"

    def to_json(self) -> str:
        """Return the table as JSON."""
        return json.dumps(asdict(self), ensure_ascii=False, indent=2)


def trust(
    network: Network,
    pictures: Sequence[Any],
    *,
    methods: Sequence[str] = METHODS,
    grids: int = 16,
    seed: int = 0,
    watch: Watch | None = None,
    progress: bool = True,
) -> TrustTable:
    """Return how far each method's maps can be trusted, measured on these pictures, and two controls beside them.

    Each picture's most probable class is explained. `grids` is how many 2 x 2 grids are laid out at most, of pictures
    that the network is sure of. `watch` is told how many pictures and grids are done; without it a bar shows that, with
    ``progress=False`` nothing.

    >>> print(convscope.trust(network, ["cat.jpg", "dog.jpg"], methods=["grad_cam", "occlusion"]))
    """
    if not pictures:
        raise InputError("there is no picture to measure on: give some, a few dozen for narrow intervals")
    makers = {method_named(name).name: _by_method(method_named(name).name) for name in methods}
    first = next(iter(makers))
    random = _Randomized(network, makers[first], seed)
    controls: dict[str, MAP_OF] = {"centered blob": blob, f"{first}, weights shuffled": random}
    inputs = [network.preprocess(picture)[:1] for picture in pictures]
    layouts = list(islice(_layouts(network, inputs, seed), grids))
    every, total = {**makers, **controls}, len(inputs) + len(layouts)
    deleted: dict[str, list[float]] = {name: [] for name in every}
    pointed: dict[str, list[float]] = {name: [] for name in every}
    with bars(progress), watching(watch, "picture") as tell, bars(False):
        for done, input in enumerate(inputs):
            target = target_of(network, input)
            lost = cell_losses(target)
            for name, maker in every.items():
                deleted[name].append(single_deletion(maker(target), lost))
            tell(done + 1, total)
        for done, (grid, classes) in enumerate(layouts):
            for name, maker in every.items():
                pointed[name].append(_pointing(network, grid, classes, maker))
            tell(len(inputs) + done + 1, total)
    rows = {name: _worth(name, deleted[name], pointed[name]) for name in every}
    best = sorted((rows[name] for name in makers), key=lambda row: -row.deletion)
    return TrustTable(tuple(best), tuple(rows[name] for name in controls), len(inputs), len(layouts))


def cell_losses(target: AttributionTarget) -> NDArray[np.float64]:
    """Return what the number loses where each cell of a grid alone is gray: (cells, cells)."""
    edges = [np.linspace(0, side, CELLS + 1).round().astype(int) for side in target.size]

    def masks() -> Iterator[Tensor]:
        for top, bottom in zip(edges[0], edges[0][1:], strict=False):
            for left, right in zip(edges[1], edges[1][1:], strict=False):
                mask = torch.ones(target.size)
                mask[top:bottom, left:right] = 0
                yield mask

    numbers = masked_numbers(target, masks(), baseline_input(target, "gray"), CELLS * CELLS)
    return (target.score - numbers.numpy()).reshape(CELLS, CELLS)


def single_deletion(map: NDArray[np.float64], lost: NDArray[np.float64]) -> float:
    """Return Spearman's correlation of the map's sum in each cell with what is lost there; 0 of a map of one value."""
    rows, columns = (np.linspace(0, side, CELLS + 1).round().astype(int) for side in map.shape)
    shares = np.add.reduceat(np.add.reduceat(map, rows[:-1], 0), columns[:-1], 1)
    if np.ptp(shares) == 0 or np.ptp(lost) == 0:
        return 0.0
    return float(spearmanr(shares.ravel(), lost.ravel()).statistic)


def blob(target: AttributionTarget) -> NDArray[np.float64]:
    """Return the map that knows no network: a Gaussian in the middle."""
    rows, columns = (np.linspace(-2, 2, side) for side in target.size)
    return np.asarray(np.exp(-(rows[:, None] ** 2 + columns**2) / 2))


def _by_method(name: str) -> MAP_OF:
    function = method_named(name).function

    def make(target: AttributionTarget) -> NDArray[np.float64]:
        found = function(target.network, target.input, target)
        # Maps with their sign tell more than what is lit (Hesse et al., 2024).
        return enlarged(torch.from_numpy(found.values), target.size) if found.values.ndim == 2 else found.map

    return make


class _Randomized:
    """A method's map of the network with all its weights shuffled."""

    def __init__(self, network: Network, make: MAP_OF, seed: int) -> None:
        self._network, self._make = shuffled_network(network, seed), make

    def __call__(self, target: AttributionTarget) -> NDArray[np.float64]:
        return self._make(target_of(self._network, target.input, target))


def _layouts(network: Network, inputs: Sequence[Tensor], seed: int) -> Iterator[tuple[Tensor, list[int]]]:
    """Yield grids of four sure pictures of different classes, twice the size or as large as one, and their classes."""
    if not network.class_values:
        return
    sure: dict[int, list[Tensor]] = {}
    for input in inputs:
        target = target_of(network, input)
        answer = network.activations(input, network.class_output)[network.class_output]
        scores = network.channels_first(network.class_output, answer)[0].double()
        scores = scores.flatten(1).mean(1) if scores.dim() > 1 else scores
        chances = scores if network.class_output != network.class_scores else scores.softmax(0)
        if float(chances.max()) >= CONFIDENCE:
            sure.setdefault(int(target.address.channel or 0), []).append(input)
    if len(sure) < 4:
        return
    random = np.random.default_rng(seed)
    last = target_of(network, inputs[0]).channels_last
    down, right = (1, 2) if last else (2, 3)
    while True:
        classes = [int(one) for one in random.choice(sorted(sure), 4, replace=False)]
        a, b, c, d = (sure[one][int(random.integers(len(sure[one])))] for one in classes)
        grid = torch.cat([torch.cat([a, b], right), torch.cat([c, d], right)], down)
        yield _fitting(network, grid, tuple(a.shape), last), classes


def _fitting(network: Network, grid: Tensor, shape: tuple[int, ...], last: bool) -> Tensor:
    """Return a grid as the network takes it: at twice its size, or brought down to it."""
    try:
        network.activations(grid, network.class_scores)
    except InputError:
        size = shape[1:3] if last else shape[2:]
        first = grid.movedim(-1, 1) if last else grid
        small = interpolate(first, size, mode="bilinear", antialias=True)
        return small.movedim(1, -1) if last else small
    return grid


def _pointing(network: Network, grid: Tensor, classes: Sequence[int], make: MAP_OF) -> float:
    """Return the positive share of the map in the quarter of the class that is explained, over the four of them."""
    shares = []
    for place, number in enumerate(classes):
        map = make(target_of(network, grid, number)).clip(min=0)
        height, width = (side // 2 for side in map.shape)
        top, left = (place // 2) * height, (place % 2) * width
        total = float(map.sum())
        shares.append(float(map[top : top + height, left : left + width].sum()) / total if total else 0.0)
    return float(np.mean(shares))


def _worth(name: str, deleted: Sequence[float], pointed: Sequence[float]) -> Worth:
    deletion, interval = _mean(deleted)
    grid = _mean(pointed) if pointed else (None, None)
    return Worth(name, deletion, interval, *grid)


def _mean(values: Sequence[float]) -> tuple[float, float]:
    spread = float(np.std(values, ddof=1)) / sqrt(len(values)) if len(values) > 1 else float("nan")
    return float(np.mean(values)), 1.96 * spread


def _line(row: Worth) -> str:
    deletion = f"{row.deletion:.3f} ± {row.deletion_interval:.3f}"
    grid = "" if row.grid is None else f"{row.grid:.3f} ± {row.grid_interval:.3f}"
    return f"{row.method:24}{deletion:>18}{grid:>18}".rstrip()
