"""What a map is worth on its own picture, in one line for its caption; where that takes long, how to measure it."""

from __future__ import annotations

from math import atanh, sqrt, tanh

import numpy as np

from convscope.attribution.attribution import Attribution
from convscope.attribution.measures import CELLS, cell_losses, single_deletion
from convscope.attribution.target import AttributionTarget
from convscope.attribution.trust import blob, signed_map

_MOST = 60e9  # multiplications that a caption may take: about a second of GoogLeNet
_NOT_MEASURED = "What it is worth was not measured here (that takes long): convscope trust does"


def worth_in_words(attribution: Attribution) -> str:
    """Return the map's single deletion on this picture with its 95 % interval, and that of a blob in the middle.

    Of a map that is the same everywhere, or of no picture, nothing; for a large network, how to measure it.
    """
    if attribution.map.ndim != 2 or np.ptp(attribution.map) == 0:
        return ""
    if _multiplications(attribution.target) * CELLS**2 > _MOST:
        return _NOT_MEASURED
    losses = cell_losses(attribution.target)
    if np.ptp(losses) == 0 or not np.isfinite(losses).all():
        return "What it is worth cannot be told here: no part of the picture that is grayed alone changes anything"
    own, control = (
        single_deletion(map, losses) for map in (signed_map(attribution), blob(attribution.target))
    )
    low, high = interval(own, losses.size)
    return (
        f"Worth on this picture: {own:.2f} ({low:.2f} to {high:.2f} at 95 %), where a blob in the middle, made without "
        f"the network, has {control:.2f}: how its order of {CELLS} × {CELLS} parts goes with what is lost when each "
        "alone is gray (single deletion; 1 is best). One picture says little: convscope trust measures many"
    )


def interval(correlation: float, count: int) -> tuple[float, float]:
    """Return the 95 % interval of Spearman's correlation over so many pairs (Bonett and Wright, 2000)."""
    center = atanh(max(-0.9999, min(0.9999, correlation)))
    half = 1.96 * sqrt((1 + correlation**2 / 2) / (count - 3))
    return tanh(center - half), tanh(center + half)


def _multiplications(target: AttributionTarget) -> int:
    """Return how many a forward pass of the picture takes, about."""
    batches = [shape[0] for shape in target.network.graph.inputs.values() if shape]
    return sum(layer.multiply_adds for layer in target.network.layers.values()) // max(batches[:1] or [1])
