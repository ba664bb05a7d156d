"""What dreams make stronger: sums over a layer's positions, so that a picture can be dreamed in tiles.

Each source wrote the same thing, more of what a layer sees, in its own form.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from convscope.errors import InputError, by_name
from convscope.optimization.objective import Objective, Values

_MATCHES = 1 << 22  # compared at a time: 17 MB
Density: TypeAlias = Callable[[Tensor], Tensor]
"""What an address answers (N, channels, height, width), to what each position is worth, (N, height, width)."""
DreamMeasure = Literal["mean", "mean_square", "maximum", "inner_mean_square"]


def _mean(value: Tensor) -> Tensor:
    return value.mean(1)


def _mean_square(value: Tensor) -> Tensor:
    return value.square().mean(1)


def _maximum(value: Tensor) -> Tensor:
    return value.amax(1)


_MEASURES: Mapping[str, tuple[Density, int, str]] = {
    "mean": (_mean, 0, "mean"),
    "mean_square": (_mean_square, 0, "mean square"),
    "maximum": (_maximum, 0, "strongest channel of each position"),
    "inner_mean_square": (_mean_square, 2, "mean square inside a border of 2"),
}


@dataclass(frozen=True)
class DreamTerm:
    """One address of a dream: the average over positions of what its `density` is, times `weight`.

    Positions closer than `border` to an edge count as nothing (Keras's examples: no frame appears).
    """

    address: str
    density: Density
    words: str
    weight: float = 1.0
    border: int = 0

    def value(self, answer: Tensor) -> Tensor:
        """Return what the address's answer to whole pictures is worth, (N,)."""
        density = self.density(as_maps(answer))
        height, width = density.shape[1:]
        if min(height, width) <= 2 * self.border:
            raise InputError(
                f"{self.address} has {height} x {width} positions here, all of them border: use a larger picture or "
                "an earlier layer"
            )
        inside = density[:, self.border : height - self.border, self.border : width - self.border]
        return self.weight * inside.flatten(1).sum(1) / (height * width)


def dream_terms(
    layers: Mapping[str, float],
    measure: DreamMeasure,
    channels: Mapping[str, Sequence[int]] | None = None,
) -> tuple[DreamTerm, ...]:
    """Return a term an address, each measured in the same way; of those in `channels` only these channels count.

    >>> objective_of(dream_terms({"mixed3a": 1.0, "mixed4b": 0.5}, "mean_square"))
    Objective('mixed3a, mean square + 0.5 × mixed4b, mean square')
    """
    if not layers:
        raise InputError("a dream needs at least one layer")
    density, border, words = by_name(_MEASURES, measure, "measure")
    terms = [
        DreamTerm(address, density, f"{address}, {words}", weight, border)
        for address, weight in layers.items()
    ]
    return tuple(
        _of_channels(term, channels[term.address]) if channels and term.address in channels else term
        for term in terms
    )


def class_term(address: str, words: str, weight: float = 1.0) -> DreamTerm:
    """Return the term of a class: its logit or probability, averaged over positions where there are several."""
    return DreamTerm(address, _mean, words, weight)


def _of_channels(term: DreamTerm, channels: Sequence[int]) -> DreamTerm:
    numbers = torch.tensor(channels)
    list_of_channels = ", ".join(map(str, channels))
    return replace(
        term,
        density=lambda value: term.density(value.index_select(1, numbers.to(value.device))),
        words=f"{term.words} of {'channel' if len(channels) == 1 else 'channels'} {list_of_channels}",
    )


def as_maps(answer: Tensor) -> Tensor:
    """Return an answer with rows and columns: one of each where a layer has one number a channel."""
    if answer.dim() == 2:
        return answer[:, :, None, None]
    if answer.dim() != 4:
        raise InputError(f"a layer of shape {tuple(answer.shape)} has no maps to dream of: use another layer")
    return answer


def guided_term(address: str, guide: Tensor) -> DreamTerm:
    """Each position becomes more like the one of the guide it already resembles most (Google, 2015).

    `guide` is what the layer answers to the guide picture, (1, channels, height, width). Which position it resembles,
    by the largest dot product, does not change on the way of the gradient.
    """
    if guide.dim() != 4:
        raise InputError(
            f"a guide needs a layer with maps, and {address} answers it with {guide[0].numel()} numbers: use an "
            "earlier layer"
        )
    features = guide.detach().flatten(2)[0]

    def density(value: Tensor) -> Tensor:
        guide_features = features.to(value)
        with torch.no_grad():
            places = value.movedim(1, 3).flatten(0, 2)
            parts = torch.split(places, max(1, _MATCHES // guide_features.shape[1]))
            best = torch.cat([(part @ guide_features).argmax(1) for part in parts])
        match = guide_features.T[best].view(*value.movedim(1, 3).shape)
        return (value.movedim(1, 3) * match).sum(3)

    return DreamTerm(address, density, f"{address}, guided")


def objective_of(terms: tuple[DreamTerm, ...]) -> Objective:
    """Return the terms' sum as an objective."""

    def score(values: Values) -> Tensor:
        return torch.stack([term.value(values[term.address]) for term in terms]).sum(0)

    words = " + ".join(
        term.words if term.weight == 1 else f"{term.weight:g} × {term.words}" for term in terms
    )
    return Objective(tuple(dict.fromkeys(term.address for term in terms)), words, score)
