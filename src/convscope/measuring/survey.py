"""What is wrong with a network's units, told from real pictures: dead, rare, saturated, twins; the first thing to run.

The effective rank is Roy and Vetterli's, *The effective rank: a measure of effective dimensionality* (2007).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convscope.errors import UnknownLayer
from convscope.measuring.example import Example
from convscope.measuring.example_sheet import class_words
from convscope.measuring.measurements import Measurements
from convscope.measuring.unit_name import UnitName
from convscope.network.labels import find_label
from convscope.network.network import Network

RARE = 0.01
ALWAYS = 0.99
ALIKE = 0.95  # correlation, or filters' cosine, from which two units count as twins
HALF_MOST = 65504.0
HALF_LEAST = 6.1e-5  # below, half precision loses digits
_AT_BOUND = 0.02  # of the range
_MOST_TWINS = 20


@dataclass(frozen=True)
class Twins:
    """Two channels that are nearly one: Pearson's r of their pictures' means, and the cosine of their filters."""

    channels: tuple[int, int]
    correlation: float
    cosine: float | None


@dataclass(frozen=True)
class LayerSurvey:
    """The units of a layer that deserve a look, by number.

    ``dead`` never answer above zero (or never change, where the layer has negative values); ``rare`` do to under 1 % of
    the pictures; ``always`` at over 99 % of the positions, where the others do not; ``saturated`` stay at a bound that
    the whole layer has; ``overflow`` and ``underflow`` do not fit half precision. ``twins`` are the twenty pairs
    most alike, of ``twin_pairs``. ``effective_rank`` says how many directions the pictures' means fill.
    """

    layer: str
    channels: int
    dead: tuple[int, ...]
    rare: tuple[int, ...]
    always: tuple[int, ...]
    saturated: tuple[int, ...]
    overflow: tuple[int, ...]
    underflow: tuple[int, ...]
    broken: tuple[int, ...]
    twins: tuple[Twins, ...]
    twin_pairs: int
    effective_rank: float
    lowest: float
    highest: float
    names: Mapping[int, UnitName]
    """What channels are called, where classes are known (`unit_names`); the others have no name."""


@dataclass(frozen=True)
class Confusion:
    """Pictures of one class that are taken for another: how many, and the one it is surest of."""

    of: str
    taken_for: str
    count: int
    surest: Example


@dataclass(frozen=True)
class Survey:
    """What the survey of a network found, layer by layer; ``accuracy`` and ``confusions`` where classes are known.

    A unit that stayed silent on n pictures fires on fewer than ``silent_bound`` (3/n) of all such pictures, with 95 %
    confidence.
    """

    network: str
    pictures: int
    silent_bound: float
    layers: tuple[LayerSurvey, ...]
    accuracy: float | None
    judged: int
    confusions: tuple[Confusion, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return asdict(self)


def survey(measurements: Measurements, network: Network) -> Survey:
    """Return the dead, rare, saturated and doubled units of what was measured, and which classes are confused.

    >>> survey(convscope.measure(network, "photos/"), network).layers[3].dead
    (11,)
    """
    accuracy, judged, confusions = _classes(measurements, network)
    count = len(measurements.pictures)
    layers = tuple(_layer(measurements, network, name) for name in measurements.layers)
    return Survey(network.name, count, min(1.0, 3 / count), layers, accuracy, judged, confusions)


def _layer(measurements: Measurements, network: Network, name: str) -> LayerSurvey:
    highest, means = (measurements.values(name, by) for by in ("max", "mean"))
    lowest = measurements.lowest(name)
    pictures, positions = measurements.firing(name)
    top, rectified = highest.max(axis=0), bool(np.nanmin(lowest) >= 0)
    dead = top <= 0 if rectified else top == lowest
    sometimes = np.median(positions) < ALWAYS
    answers = name in network.class_values[:1]  # probabilities are at their bound, as they should be
    sound = np.isfinite(means).all(axis=0) & np.isfinite(top)
    reach = np.maximum(np.abs(top), np.abs(lowest))
    twins, twin_pairs = _twins(means, _filters(network, name, len(top)), sound & ~dead & (not answers))
    return LayerSurvey(
        name,
        len(top),
        _numbers(dead),
        _numbers((pictures < RARE) & ~dead & rectified),
        _numbers((positions > ALWAYS) & rectified & sometimes),
        _numbers(_saturated(highest, means, lowest) & ~dead & (not answers)),
        _numbers(sound & (reach > HALF_MOST)),
        _numbers(sound & ~dead & (reach < HALF_LEAST)),
        _numbers(~sound),
        twins,
        twin_pairs,
        effective_rank(means[:, sound]),
        float(np.nanmin(lowest)),
        float(np.nanmax(top)),
        {
            channel: replace(one, label=class_words(one.label, network.labels))
            for channel, one in measurements.names(name).items()
        },
    )


def _numbers(which: NDArray[np.bool_]) -> tuple[int, ...]:
    return tuple(int(index) for index in np.flatnonzero(which))


def _saturated(
    highest: NDArray[np.float32], means: NDArray[np.float32], lowest: NDArray[np.float32]
) -> NDArray[np.bool_]:
    """Return which channels stay within 2 % of a bound: a value that several channels reach, and none passes."""
    at_a_bound = np.zeros(means.shape[1], bool)
    for bound, reached in ((highest.max(), highest.max(axis=0)), (lowest.min(), lowest)):
        near = _AT_BOUND * (highest.max() - lowest.min())
        # Above a rectified layer there is no bound; below it zero is one, which "dead" says better.
        if bound and (np.abs(reached - bound) <= near / 20).sum() >= max(2, 0.1 * len(reached)):
            at_a_bound |= (np.abs(means - bound) <= near).mean(axis=0) > ALWAYS
    return at_a_bound


def effective_rank(means: NDArray[Any]) -> float:
    """Return how many directions (pictures, channels) fill: e to the entropy of its singular values' shares.

    >>> round(effective_rank(np.eye(5)), 6)  # five pictures, their mean taken away, leave four
    4.0
    """
    centered = means - means.mean(axis=0, dtype=np.float64)
    sizes = np.linalg.svd(centered, compute_uv=False) if centered.size else np.zeros(0)
    shares = sizes[sizes > sizes.max(initial=0) * 1e-12] / max(sizes.sum(), 1e-300)
    return float(np.exp(-(shares * np.log(shares)).sum())) if len(shares) else 0.0


def _filters(network: Network, layer: str, channels: int) -> NDArray[np.float64] | None:
    """Return the layer's filters as (channels, weights), of length 1; None where they are not one a channel."""
    for step in network.graph.written_by(layer):
        key = step.parameters.get("weight")
        if key is None:
            continue
        weight = network.parameters[key].detach().float().cpu().numpy().astype(np.float64)
        if weight.ndim >= 2 and len(weight) == channels and step.kind in ("convolution", "dense"):
            flat: NDArray[np.float64] = weight.reshape(channels, -1)
            lengths: NDArray[np.float64] = np.linalg.norm(flat, axis=1, keepdims=True)
            return np.divide(flat, np.maximum(lengths, 1e-300))
    return None


def _twins(
    means: NDArray[np.float32], filters: NDArray[np.float64] | None, awake: NDArray[np.bool_]
) -> tuple[tuple[Twins, ...], int]:
    """Return the pairs that are nearly one, most alike first, twenty at most; and how many there are."""
    units = np.flatnonzero(awake & (means.std(axis=0) > 0))
    if len(units) < 2 or len(means) < 3:
        return (), 0
    alike: NDArray[np.float64] = np.corrcoef(means[:, units].astype(np.float64), rowvar=False)
    cosine = np.full_like(alike, np.nan) if filters is None else filters[units] @ filters[units].T
    nearest = np.fmax(alike, cosine)
    rows, columns = np.nonzero(np.triu(nearest >= ALIKE, 1))
    order = np.lexsort((columns, rows, -nearest[rows, columns]))[:_MOST_TWINS]
    twins = tuple(
        Twins(
            (int(units[rows[at]]), int(units[columns[at]])),
            float(alike[rows[at], columns[at]]),
            None if filters is None else float(cosine[rows[at], columns[at]]),
        )
        for at in order
    )
    return twins, len(rows)


def _classes(measurements: Measurements, network: Network) -> tuple[float | None, int, tuple[Confusion, ...]]:
    """Return the accuracy, on how many pictures, and the confusions; None where no class is known."""
    layer = next((name for name in network.class_values if name in measurements.layers), None)
    classes = {label: class_of(label, network) for label in {*measurements.labels}}
    wanted = [classes[label] for label in measurements.labels]
    judged = [row for row, one in enumerate(wanted) if one is not None]
    if layer is None or not judged:
        return None, 0, ()
    scores = measurements.values(layer, "mean")
    predicted = scores.argmax(axis=1)
    wrong = [row for row in judged if predicted[row] != wanted[row]]
    pairs = Counter((int(wanted[row] or 0), int(predicted[row])) for row in wrong)
    confusions = []
    for (true, prediction), count in pairs.items():
        rows = [row for row in wrong if (wanted[row], predicted[row]) == (true, prediction)]
        row = max(rows, key=lambda row: (scores[row, prediction], -row))
        index = int(measurements.pictures[row])
        picture = measurements.manifest.pictures[index]
        surest = Example(picture.path, float(scores[row, prediction]), (0, 0), None, index, picture.label)
        confusions.append(
            Confusion(network.class_label(true), network.class_label(prediction), count, surest)
        )
    confusions.sort(key=lambda one: (-one.count, -one.surest.value, one.surest.index))
    return 1 - len(wrong) / len(judged), len(judged), tuple(confusions)


def class_of(label: str | None, network: Network) -> int | None:
    """Return the class that a picture's label means: one of the network's labels, or a number; None for another.

    Classes may be called numbers ("1", "10", "100" ... in the order of folders): the name counts then.
    """
    count: int = network.class_count or 0
    if label is None or not count:
        return None
    if label in (labels := network.labels or ()):
        return labels.index(label) if labels.count(label) == 1 else None
    if label.isdecimal():
        return int(label) if int(label) < count else None
    try:
        return find_label(network.labels or (), label)
    except UnknownLayer:
        return None


def in_words(survey: Survey) -> list[str]:
    """Return the survey's findings, one line each, the gravest first."""
    lines = []
    for what, words in _FINDINGS:
        counts = {
            one.layer: one.twin_pairs if what == "twins" else len(getattr(one, what)) for one in survey.layers
        }
        layers = sorted((item for item in counts.items() if item[1]), key=lambda item: -item[1])
        if layers:
            layer_words = ", ".join(f"{layer} ({count:,})" for layer, count in layers[:3])
            total = sum(counts.values())
            lines.append(f"{words}: {total:,}, in {layer_words}{', ...' if len(layers) > 3 else ''}")
    return lines


_FINDINGS = (
    ("broken", "units answering NaN or infinity"),
    ("overflow", "units too large for half precision"),
    ("dead", "units dead"),
    ("saturated", "units saturated"),
    ("rare", "units firing on under 1% of the pictures"),
    ("always", "units firing at over 99% of the positions"),
    ("twins", "pairs of units that are nearly the same"),
    ("underflow", "units so weak that half precision loses digits"),
)
