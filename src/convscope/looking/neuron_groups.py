"""Channels that answer together: a layer's answer as a few groups, each a map of places and a share of every channel.

A non-negative matrix factorization (Lee and Seung 1999), as neurons are grouped in "The building blocks of
interpretability" (Olah et al. 2018).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convscope.errors import InputError

MOST_ROUNDS = 200
_SETTLED = 1e-5  # of the error: a round that changes less is the last


@dataclass(frozen=True, eq=False)
class NeuronGroups:
    """Groups of channels, the strongest first: ``maps[g] * channels[g][:, None, None]``, summed, is about the answer.

    - ``maps``: (groups, height, width), how strongly a group answers where.
    - ``channels``: (groups, channels), how much of each channel a group has; its length is 1.
    - ``explained``: the share of the answer's square that they leave no rest of, 0..1.
    """

    maps: NDArray[np.float64]
    channels: NDArray[np.float64]
    explained: float


def neuron_groups(values: NDArray[np.floating[Any]], count: int) -> NeuronGroups:
    """Return what a layer answers, (channels, height, width), as groups of channels that answer at the same places.

    What is below zero counts as zero. There are fewer groups where the answer holds no more. The same values always
    give the same groups. InputError for fewer than one, and for a layer without places or
    with a single channel.
    """
    if values.ndim != 3 or values[0].size < 2:
        raise InputError("channels are grouped by the places where they answer, and this layer has none")
    if len(values) < 2:
        raise InputError("channels are grouped with one another, and this layer has only one")
    if count < 1:
        raise InputError(f"there is at least 1 group, not {count}")
    flat = np.nan_to_num(values.reshape(len(values), -1).T.astype(np.float64), posinf=0.0).clip(0)
    places, channels = _factors(flat, min(count, min(flat.shape) - 1))
    lengths = np.linalg.norm(channels, axis=1)
    strength = np.linalg.norm(places, axis=0) * lengths
    order = [index for index in np.argsort(-strength, kind="stable") if strength[index] > 0]
    rest, whole = np.linalg.norm(flat - places @ channels) ** 2, np.linalg.norm(flat) ** 2
    return NeuronGroups(
        (places * lengths).T[order].reshape(-1, *values.shape[1:]),
        channels[order] / lengths[order, None],
        float(1 - rest / whole) if whole else 1.0,
    )


def _factors(values: NDArray[np.float64], count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return non-negative (rows, count) and (count, columns) whose product is close to the values.

    Each column in turn is put where the error is least (HALS; Cichocki and Phan 2009).
    """
    rows, columns = _beginning(values, count)
    before = np.inf
    for _ in range(MOST_ROUNDS):
        _improve(rows, values @ columns.T, columns @ columns.T)
        _improve(columns.T, values.T @ rows, rows.T @ rows)
        error = float(np.linalg.norm(values - rows @ columns))
        if before - error <= _SETTLED * error:
            break
        before = error
    return rows, columns


def _improve(factor: NDArray[np.float64], fit: NDArray[np.float64], gram: NDArray[np.float64]) -> None:
    for index in range(factor.shape[1]):
        if gram[index, index] > 0:
            step = (fit[:, index] - factor @ gram[:, index]) / gram[index, index]
            factor[:, index] = np.maximum(factor[:, index] + step, 0)


def _beginning(values: NDArray[np.float64], count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return what to start from: of each singular pair the heavier side (Boutsidis and Gallopoulos 2008)."""
    rows, columns = np.zeros((len(values), count)), np.zeros((count, values.shape[1]))
    if not values.any():
        return rows, columns
    from scipy.sparse.linalg import svds  # type: ignore[import-untyped]

    left, sizes, right = svds(values, count, v0=np.ones(min(values.shape)))
    for index, size in enumerate(sizes):
        sides = [((sign * left[:, index]).clip(0), (sign * right[index]).clip(0)) for sign in (1.0, -1.0)]
        row, column = max(sides, key=lambda side: float(np.linalg.norm(side[0]) * np.linalg.norm(side[1])))
        rows[:, index], columns[index] = row * np.sqrt(size), column * np.sqrt(size)
    return rows, columns
