"""What one map of one picture is worth, by the field's measures: each a number, and what is known against it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix  # type: ignore[import-untyped]
from scipy.sparse.linalg import spsolve  # type: ignore[import-untyped]
from torch import Tensor

from convscope.address import Address
from convscope.attribution.attribution import Attribution
from convscope.attribution.baselines import baseline_input
from convscope.attribution.perturbation import covered_numbers, masked_numbers
from convscope.attribution.target import AttributionTarget, TargetTerm

CELLS = 4  # a side, of single deletion: as Hesse et al. have it
_STEPS = 14  # of deletion and insertion
_BINS = 100  # of the entropy
_SHARES = (0.2, 0.5, 0.8)  # of the picture, that ROAD takes away
Map = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class MeasuredTarget:
    """A picture's target, and what measures of several maps share: each is worked out once."""

    target: AttributionTarget

    @cached_property
    def losses(self) -> Map:
        """What the number loses where each cell of a grid alone is gray: (cells, cells)."""
        return cell_losses(self.target)

    @cached_property
    def probability(self) -> AttributionTarget:
        """The class's probability, where the network has one; else the number itself."""
        target, network = self.target, self.target.network
        address = target.address
        if len(target.terms) > 1 or not network.class_values or address.layer != network.class_scores:
            return target
        return replace(target, terms=(TargetTerm(Address(network.class_output, address.channel)),), known={})

    @cached_property
    def gray(self) -> Tensor:
        """What is shown where the picture is covered."""
        return baseline_input(self.target, "zero" if self.target.network.input_spec is None else "gray")

    @cached_property
    def blurred(self) -> Tensor:
        """The picture out of focus."""
        return baseline_input(self.target, "blur")


@dataclass(frozen=True, eq=False)
class MeasuredMap:
    """A map that is measured, signs included, its Attribution, and the map of a network with shuffled weights."""

    map: Map
    attribution: Attribution | None = None
    shuffled: Map | None = None


@dataclass(frozen=True)
class Measure:
    """A measure by name: from an explained picture and its map to a number; None where it does not apply.

    ``better`` says whether more or less of it is better; ``words`` what it asks, and what is known against it.
    """

    name: str
    title: str
    better: str
    words: str
    of: Callable[[MeasuredTarget, MeasuredMap], float | None]


def cell_losses(target: AttributionTarget) -> Map:
    """Return what the number loses where each cell of a grid alone is gray: (cells, cells).

    Measured once for a target, which never changes: every map of it is compared with the same losses.
    """
    if target not in _LOSSES:
        _LOSSES[target] = _measured_losses(target)
    return _LOSSES[target]


_LOSSES: WeakKeyDictionary[AttributionTarget, Map] = WeakKeyDictionary()


def _measured_losses(target: AttributionTarget) -> Map:
    edges = [np.linspace(0, side, CELLS + 1).round().astype(int).tolist() for side in target.size]
    boxes = [(rows, columns) for rows in pairwise(edges[0]) for columns in pairwise(edges[1])]
    numbers = covered_numbers(target, boxes, MeasuredTarget(target).gray)
    losses = np.asarray((target.score - numbers.numpy()).reshape(CELLS, CELLS))
    losses.flags.writeable = False
    return losses


def single_deletion(map: Map, lost: Map) -> float:
    """Return Spearman's correlation of the map's sum in each cell with what is lost there; 0 of a map of one value."""
    from scipy.stats import spearmanr  # type: ignore[import-untyped]

    rows, columns = (np.linspace(0, side, CELLS + 1).round().astype(int) for side in map.shape)
    shares = np.add.reduceat(np.add.reduceat(map, rows[:-1], 0), columns[:-1], 1)
    if np.ptp(shares) == 0 or np.ptp(lost) == 0:
        return 0.0
    ranked = (shares / np.abs(shares).max()).round(9)  # cells of a symmetric map are equal but for rounding
    return float(spearmanr(ranked.ravel(), lost.ravel()).statistic)


def discrete_entropy(map: Map) -> float:
    """Return the entropy of a map's numbers, in a histogram of a hundred bins: how complex it is."""
    from scipy.stats import entropy

    return float(entropy(np.histogram(map, bins=_BINS)[0]))


def entropy_rise(explained: MeasuredTarget, measured_map: MeasuredMap) -> float | None:
    """Return how much more complex the map is when the network's weights are shuffled, as a share: eMPRT."""
    if measured_map.shuffled is None or (before := discrete_entropy(measured_map.map)) == 0:
        return None
    return (discrete_entropy(measured_map.shuffled) - before) / before


def completeness_error(explained: MeasuredTarget, measured_map: MeasuredMap) -> float | None:
    """Return how far the numbers are from what they should add up to, as a share of it."""
    attribution = measured_map.attribution
    if attribution is None or attribution.adds_up_to is None:
        return None
    return abs(float(attribution.values.sum()) - attribution.adds_up_to) / max(
        abs(attribution.adds_up_to), 1e-12
    )


def deletion(explained: MeasuredTarget, measured_map: MeasuredMap) -> float:
    """Return the mean probability while the picture turns gray, what the map has highest first."""
    return float(_probabilities(explained, _growing(measured_map.map, keeps=False), explained.gray).mean())


def insertion(explained: MeasuredTarget, measured_map: MeasuredMap) -> float:
    """Return the mean probability while the picture comes into focus, what the map has highest first."""
    return float(_probabilities(explained, _growing(measured_map.map, keeps=True), explained.blurred).mean())


def average_drop(explained: MeasuredTarget, measured_map: MeasuredMap) -> float:
    """Return the share of the probability that is lost where only what the map lights is shown; 0 where none is."""
    whole, lit = explained.probability.score, _lit_alone(explained, measured_map)
    return max(0.0, whole - lit) / whole if whole > 0 else 0.0


def increase(explained: MeasuredTarget, measured_map: MeasuredMap) -> float:
    """Return 1 where the probability rises when only what the map lights is shown, else 0."""
    return float(_lit_alone(explained, measured_map) > explained.probability.score)


def road(explained: MeasuredTarget, measured_map: MeasuredMap) -> float:
    """Return how much more probability is left without the lowest part of the map than without its highest part.

    What is taken away is filled in from around it, so that no edges show: Rong et al., *A consistent and efficient
    evaluation strategy for attribution methods* (2022).
    """
    order = measured_map.map.ravel().argsort(kind="stable")
    differences = []
    for share in _SHARES:
        count = round(share * len(order))
        for sign, pixels in ((-1, order[len(order) - count :]), (1, order[:count])):
            missing = np.zeros(len(order), bool)
            missing[pixels] = True
            imputations = _filled(explained.target, missing.reshape(measured_map.map.shape))
            differences.append(sign * float(explained.probability.answers(imputations)))
    return sum(differences) / len(differences)


def _growing(map: Map, keeps: bool) -> Iterator[Tensor]:
    """Yield masks that keep, or take away, ever more of what is highest in a map."""
    places = np.empty(map.size)
    places[(-map).ravel().argsort(kind="stable")] = np.arange(map.size) / map.size
    for step in range(_STEPS + 1):
        inside = torch.from_numpy(places.reshape(map.shape) < step / _STEPS)
        yield inside.float() if keeps else 1 - inside.float()


def _probabilities(explained: MeasuredTarget, masks: Iterator[Tensor], nothing: Tensor) -> Tensor:
    return masked_numbers(explained.probability, masks, nothing, _STEPS + 1)


def _lit_alone(explained: MeasuredTarget, measured_map: MeasuredMap) -> float:
    """Return the probability of the picture times its map, brought to 0..1."""
    light = measured_map.map.clip(min=0)
    mask = torch.from_numpy(light / (light.max() or 1)).float()
    return float(masked_numbers(explained.probability, iter([mask]), explained.gray, 1)[0])


def _filled(target: AttributionTarget, missing: NDArray[np.bool_]) -> Tensor:
    """Return the input with its missing pixels the weighted means of their neighbors, solved all at once."""
    last = target.channels_last
    pixels = (target.input[0] if last else target.input[0].movedim(0, -1)).double().cpu().numpy()
    height, width = missing.shape
    number = np.full((height + 2, width + 2), -1)
    number[1:-1, 1:-1] = np.where(missing, missing.ravel().cumsum().reshape(missing.shape) - 1, -1)
    rows, columns = np.nonzero(missing)
    count = len(rows)
    own, knowns, weights = np.arange(count), np.zeros((count, pixels.shape[2])), np.zeros(count)
    entries: list[tuple[Any, Any, Any]] = []
    for down, across, weight in _NEIGHBORS:
        row, column = rows + down, columns + across
        inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
        other = number[row + 1, column + 1]
        weights += weight * inside
        among = inside & (other >= 0)
        entries.append((own[among], other[among], np.full(among.sum(), -weight)))
        beside = inside & (other < 0)
        knowns[beside] += weight * pixels[row[beside], column[beside]]
    entries.append((own, own, weights))
    across_all = [np.concatenate(parts) for parts in zip(*entries, strict=True)]
    matrix = csr_matrix((across_all[2], (across_all[0], across_all[1])), shape=(count, count))
    solved = spsolve(matrix, knowns)
    imputation = pixels.copy()
    imputation[missing] = solved.reshape(count, -1)
    tensor = torch.from_numpy(imputation).to(target.input)
    return tensor[None] if last else tensor.movedim(-1, 0)[None]


_NEIGHBORS = tuple(
    (down, across, 1 / 12 if down and across else 1 / 6)
    for down in (-1, 0, 1)
    for across in (-1, 0, 1)
    if down or across
)

_ALL = (
    Measure(
        "single_deletion",
        "single deletion",
        "more",
        "Spearman's correlation of a cell's share of the map with what is lost when it alone is gray (Hesse et al., "
        "2024)",
        lambda explained, made: single_deletion(made.map, explained.losses),
    ),
    Measure(
        "entropy_rise",
        "entropy rise",
        "more",
        "how much more complex the map is with shuffled weights (eMPRT, Hedström et al., 2023). Above 0 it depends on "
        "what was learned; about 0 or below says nothing: coarse maps, Grad-CAM's, stay as complex as they change",
        entropy_rise,
    ),
    Measure(
        "completeness",
        "completeness error",
        "less",
        "how far the numbers are from what they should add up to, for methods that promise it",
        completeness_error,
    ),
    Measure(
        "deletion",
        "deletion",
        "less",
        "the mean probability while the picture turns gray, highest first (Petsiuk et al., 2018); distrusted alone: "
        "gray parts are new to the network",
        deletion,
    ),
    Measure(
        "insertion",
        "insertion",
        "more",
        "the mean probability while the picture comes into focus, highest first; distrusted alone, as it rewards blur",
        insertion,
    ),
    Measure(
        "road",
        "ROAD",
        "more",
        "what more is left without the map's lowest part than without its highest, filled in from around (Rong et al., "
        "2022); rewards blurry maps",
        road,
    ),
    Measure(
        "average_drop",
        "average drop",
        "less",
        "the share of the probability that is lost where only what is lit is shown (Chattopadhyay et al., 2018); a map "
        "of ones has none",
        average_drop,
    ),
    Measure(
        "increase",
        "increase",
        "more",
        "the share of pictures whose probability rises then; rewards large maps too",
        increase,
    ),
)
MEASURES: Mapping[str, Measure] = {measure.name: measure for measure in _ALL}
