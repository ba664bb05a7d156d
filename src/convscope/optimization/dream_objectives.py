"""What dreams make stronger, beyond a layer's mean or mean square: the forms in which the sources wrote it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor

from convscope.errors import InputError
from convscope.optimization.objectives import Objective, Values, layer

DreamMeasure = Literal["mean", "mean_square", "maximum", "inner_mean_square"]


def dream_objective(layers: Mapping[str, float], measure: DreamMeasure) -> Objective:
    """The weighted sum of what several layers answer, each measured in the same way.

    >>> dream_objective({"mixed3a": 1.0, "mixed4b": 0.5}, "mean_square")
    Objective('mixed3a, mean square + 0.5 × mixed4b, mean square')
    """
    if not layers:
        raise InputError("a dream needs at least one layer")
    measured = [_measured(name, measure) for name in layers]
    terms = [
        term if weight == 1 else weight * term for weight, term in zip(layers.values(), measured, strict=True)
    ]
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total


def _measured(name: str, measure: DreamMeasure) -> Objective:
    if measure == "maximum":
        return channel_maximum(name)
    if measure == "inner_mean_square":
        return inner_mean_square(name)
    return layer(name, measure)


def channel_maximum(name: str) -> Objective:
    """The strongest channel of each position, averaged over positions (the lecture's "max")."""

    def score(values: Values) -> Tensor:
        return values[name].amax(1).flatten(1).mean(1)

    return Objective((name,), f"{name}, strongest channel of each position", score)


def inner_mean_square(name: str, border: int = 2) -> Objective:
    """The sum of squares without a border, by the size with it (Keras's examples): no edges, so no frame appears."""

    def score(values: Values) -> Tensor:
        value = values[name]
        if min(value.shape[2:]) <= 2 * border:
            raise InputError(
                f"{name} has {value.shape[2]} x {value.shape[3]} positions here, all of them border: "
                "use a larger picture or an earlier layer"
            )
        inner = value[:, :, border:-border, border:-border]
        return inner.square().flatten(1).sum(1) / value[0].numel()

    return Objective((name,), f"{name}, mean square inside a border of {border}", score)


def guided(name: str, guide: Tensor) -> Objective:
    """Each position becomes more like the one of the guide it already resembles most (Google, 2015).

    `guide` is what the layer answers to the guide picture, (1, channels, height, width).
    """
    features = guide.detach().flatten(2)[0]

    def score(values: Values) -> Tensor:
        found = values[name].flatten(2)
        match = torch.einsum("ncp,cq->npq", found, features.to(found))
        return match.amax(2).mean(1)

    return Objective((name,), f"{name}, guided", score)
