"""What all class activation maps share: from a target seen from a layer to the map, its scale and its words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from typing_extensions import Unpack

from convscope.address import Address
from convscope.attribution.attribution import Attribution
from convscope.attribution.map_layers import branch_layers, checked_layer, chosen_layer
from convscope.attribution.method import attribution_method
from convscope.attribution.panels import COARSE, PanelKeywords
from convscope.attribution.stretching import stretched
from convscope.attribution.target import AttributionTarget, TargetLike, TargetTerm, best_class, target_of
from convscope.attribution.target_at_layer import TargetAtLayer
from convscope.network.network import Network
from convscope.pictures.photograph import InputLike

LayerLike: TypeAlias = "str | Sequence[str] | None"
"""A layer's name, several, or None for the last one with positions that every path goes through."""


MapOf: TypeAlias = Callable[[TargetAtLayer], Tensor]
"""From a target at a layer to the raw map, (height, width), of both signs."""


@dataclass(frozen=True)
class MapKind:
    """A way to make a class activation map: its name, the map, and what is said of it.

    ``in_scores``: the map is in units of the score, so that maps of two classes can be compared. ``adds_up``: it adds
    up to the score without its bias, where what follows only adds and weighs.
    """

    name: str
    map_of: MapOf
    how: str
    caution: str
    in_scores: bool = True
    adds_up: bool = False


class ActivationMapMethod(Protocol):
    """A method made of a map at a layer: `kind` is what it is made of, for methods that build on it."""

    kind: MapKind

    def __call__(
        self,
        network: Network,
        picture: InputLike,
        target: TargetLike = None,
        *,
        layer: LayerLike = None,
        **panels: Unpack[PanelKeywords],
    ) -> Attribution:
        """Return the map of a target at a layer, or at several."""
        ...


def activation_map_method(
    name: str, *, how: str, caution: str, in_scores: bool = True, adds_up: bool = False
) -> Callable[[MapOf], ActivationMapMethod]:
    """Mark the function from a target at a layer to its raw map: it becomes the method of its own name and docstring.

    >>> @activation_map_method("HiResCAM", how="each answer of {} times its gradient", caution=CAUTION)
    ... def hires_cam(place: TargetAtLayer) -> Tensor:
    ...     return (place.gradients * place.answers).sum(0)
    """

    def mark(map_of: MapOf) -> ActivationMapMethod:
        kind = MapKind(name, map_of, how, caution, in_scores, adds_up)

        def method(
            network: Network,
            picture: InputLike,
            target: TargetLike = None,
            *,
            layer: LayerLike = None,
            **panels: Unpack[PanelKeywords],
        ) -> Attribution:
            return activation_map(target_of(network, picture, target), layer, kind)

        for attribute in ("__name__", "__qualname__", "__doc__", "__module__"):
            setattr(method, attribute, getattr(map_of, attribute))
        marked = cast(ActivationMapMethod, attribution_method(method))
        marked.kind = kind
        return marked

    return mark


def activation_map(target: AttributionTarget, layer: LayerLike, kind: MapKind) -> Attribution:
    """Return a class activation map: raw values in the layer's rows and columns, the map at the input's size.

    What is negative speaks against the target: the map has 0 there. Several layers' maps are each brought to 0..1, and
    averaged.
    """
    likeliest = None
    if (
        kind.in_scores and not target.known and _is_class(target)
    ):  # what the scale needs is computed in the same run
        best, answers = best_class(target.network, target.input)
        target = replace(target, known=answers)
        if best != target.address.channel:
            likeliest = replace(target, terms=(TargetTerm(Address(target.network.class_scores, best)),))
    branches = [] if layer else branch_layers(target)
    layers = [layer] if isinstance(layer, str) else list(layer or branches or [chosen_layer(target)])
    beside = likeliest if len(layers) == 1 else None
    places = [TargetAtLayer(target, checked_layer(target, name), beside) for name in layers]
    raw = [kind.map_of(place).reshape(place.places) for place in places]
    maps = [enlarged(one.clamp(min=0), target.places) for one in raw]
    joined = maps[0] if len(maps) == 1 else np.mean([one / (one.max() or 1) for one in maps], axis=0)
    where = ", ".join(place.layer for place in places)
    default_layer = "" if layer else f". {_default_in_words(places, bool(branches))}"
    tokens = "".join(
        f". Its tokens are {one.grid[0]} × {one.grid[1]} places of the picture"
        for one in places[:1]
        if one.grid
    )
    average = ", each brought to 0..1 and averaged" if len(maps) > 1 else ""
    attribution = Attribution(
        target,
        kind.name,
        joined,
        numbers(raw[0]) if len(raw) == 1 else joined,
        f"{kind.how.format(where)}{tokens}{default_layer}{average}",
        kind.caution,
        lit="where the evidence lies",
        panels=COARSE,
    )
    if len(places) > 1:
        return attribution
    whole = places[0].score - places[0].constant if kind.adds_up and _adds_up(places[0]) else None
    changes = _scaled(attribution, kind, places[0])
    return replace(attribution, **changes, notes=tuple(_notes(raw[0], kind, places[0])), adds_up_to=whole)


def _default_in_words(places: Sequence[TargetAtLayer], of_branches: bool) -> str:
    if of_branches and len(places) == 1:
        return "That is the last layer with positions of the branch that it comes from"
    if of_branches:
        return "Those are the last layers with positions of each branch that it comes from"
    if places[0].grid:
        return "That is the last layer of them that the answer depends on"
    return "That is the last layer with positions that every path goes through"


def enlarged(values: Tensor, size: Sequence[int]) -> NDArray[np.float64]:
    """Return a map of a layer's positions at the input's size, linear along each axis."""
    return numbers(stretched(values.double(), size))


def numbers(values: Tensor) -> NDArray[np.float64]:
    """Return a tensor's numbers in double precision."""
    return np.asarray(values.detach().cpu().double().numpy())


def _is_class(target: AttributionTarget) -> bool:
    term, *others = target.terms
    whole = term.region is None and term.address.position is None and term.address.channel is not None
    return not others and whole and term.address.layer in target.network.class_values[1:]


def _scaled(attribution: Attribution, kind: MapKind, place: TargetAtLayer) -> dict[str, Any]:
    """Return the number that is brightest for a class: the peak of the likeliest class's map, where that is higher.

    A class that the network does not see is then not painted as if it were there.
    """
    if place.beside is None:
        return {}
    peak = float(kind.map_of(place.seen_beside()).max())
    if peak <= float(attribution.map.max()):
        return {}
    return {
        "high": peak,
        "how": f"{attribution.how}. The brightest color is the peak of the map of {place.beside.words}: {peak:.3g}",
    }


def _adds_up(place: TargetAtLayer) -> bool:
    """Whether a map's positions are all that the number is made of, and a constant: of tokens, one may have none."""
    return place.is_affine and not place.grid


def _notes(raw: Tensor, kind: MapKind, place: TargetAtLayer) -> list[str]:
    if not bool((raw > 0).any()):
        return [_why_nothing(raw, place)]
    if not kind.in_scores or not _adds_up(place):
        return []
    total, expected = float(raw.double().sum()), place.score - place.constant
    residual = abs(total - expected)
    if residual > 1e-3 * max(abs(expected), float(raw.abs().sum()), 1e-6):
        return []
    return [
        f"With its negative part it adds up to the score without its bias, {expected:.4g}, but for {residual:.1g}"
    ]


def _why_nothing(raw: Tensor, place: TargetAtLayer) -> str:
    if not bool(place.answers.any()):
        return f"Nothing is lit: {place.layer} answers 0 everywhere to this picture"
    if place.grid and not bool(place.gradients.any()) and bool(place.whole_gradients.any()):
        return (
            f"Nothing is lit: behind {place.layer}, {place.target} is read from a token without a place, the class's; "
            "choose an earlier layer"
        )
    if not bool(place.gradients.any()):
        return (
            f"Nothing is lit: {place.target} does not change with what {place.layer} answers, as behind a ReLU that is "
            "off; choose an earlier layer, or the score before the ReLU"
        )
    least = float(raw.min())
    if least == 0:
        return f"Nothing is lit: no place of {place.layer} adds anything to it"
    return f"Nothing is lit: all that {place.layer} answers speaks against it, down to {least:.3g}"
