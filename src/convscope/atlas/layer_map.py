"""A layer as a map: units that answer to the same photographs lie side by side, each in a cell of a square.

Van der Maaten and Hinton, *Visualizing data using t-SNE* (2008), by scikit-learn. How far neighbors on the map are
neighbors in truth is its trustworthiness, 1 at best (Venna and Kaski, *Neighborhood preservation in nonlinear
projection methods*, 2001), worked out for the cells.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment  # type: ignore[import-untyped]

from convscope.errors import InputError
from convscope.measuring.measurements import Measurements

_FEWEST = 6  # units: fewer have no neighborhoods
_NEIGHBORS = 5


@dataclass(frozen=True)
class LayerMap:
    """``cells`` has each unit's cell, row by row of a square of ``side``; -1 for one that never changes.

    ``trustworthiness`` is None where there are too few units to tell.
    """

    side: int
    cells: tuple[int, ...]
    trustworthiness: float | None

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return {"side": self.side, "cells": list(self.cells), "trustworthiness": self.trustworthiness}


def require_maps() -> None:
    """Raise InputError where scikit-learn is not installed."""
    try:
        import sklearn  # noqa: F401
    except ImportError as error:
        raise InputError("maps need scikit-learn: pip install 'convscope[maps]'") from error


def layer_map(measurements: Measurements, layer: str) -> LayerMap:
    """Return the map of a layer that was measured, by the correlation of its units' means over the photographs."""
    return map_of(measurements.values(layer, "mean").astype(np.float64))


def map_of(answers: NDArray[np.float64]) -> LayerMap:
    """Return the map of (pictures, units); the same every time."""
    from sklearn.manifold import TSNE, trustworthiness

    awake = np.flatnonzero(np.isfinite(answers).all(0) & (np.ptp(answers, axis=0) > 0))
    cells, side = np.full(answers.shape[1], -1), ceil(sqrt(len(awake)))
    if len(awake) < _FEWEST or len(answers) < 3:
        cells[awake] = np.arange(len(awake))
        return LayerMap(side, tuple(cells.tolist()), None)
    distances = np.clip(1 - np.corrcoef(answers[:, awake], rowvar=False), 0, 2)
    np.fill_diagonal(distances, 0)
    perplexity = min(30.0, (len(awake) - 1) / 3)
    places = TSNE(metric="precomputed", init="random", perplexity=perplexity, random_state=0).fit_transform(
        distances
    )
    cells[awake] = _cells(places, side)
    rows_columns = np.stack(np.divmod(cells[awake], side), axis=1).astype(np.float64)
    neighbors = min(_NEIGHBORS, (len(awake) - 1) // 2)
    trust = trustworthiness(distances, rows_columns, n_neighbors=neighbors, metric="precomputed")
    return LayerMap(side, tuple(cells.tolist()), round(float(trust), 3))


def _cells(places: NDArray[Any], side: int) -> NDArray[np.int64]:
    """Return a cell of its own for each place, all together as near as can be."""
    low, high = places.min(0), places.max(0)
    scaled = (places - low) / np.maximum(high - low, 1e-12) * (side - 1)
    grid = np.stack(np.divmod(np.arange(side * side), side), axis=1)
    costs = ((scaled[:, None] - grid[None]) ** 2).sum(2)
    cells: NDArray[np.int64] = linear_sum_assignment(costs)[1]
    return cells
