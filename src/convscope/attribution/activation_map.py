"""What all class activation maps share: a layer's answers, the score's gradient for them, and the map made of both.

The layer is the last one with positions that every path goes through, unless one is given; of a detector, the last of
each branch that the number comes from. Gradients go to the layer,
never to the pixels: only the tail of the network behind it runs twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol, TypeAlias, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate
from typing_extensions import Unpack

from convscope.address import Address
from convscope.attribution.attribution import Attribution
from convscope.attribution.method import attribution_method
from convscope.attribution.panels import COARSE, PanelKeywords
from convscope.attribution.target import AttributionTarget, TargetLike, TargetTerm, best_class, target_of
from convscope.attribution.target_check import require_finite
from convscope.errors import InputError
from convscope.looking.main_line import (
    last_maps,
    last_maps_of_branches,
    main_line,
    maps_before,
)
from convscope.network.engine.memory import shortage_in_words
from convscope.network.network import Network
from convscope.network.operations import kind_of
from convscope.network.outputs import token_grid
from convscope.network.tail import Tail
from convscope.network.tokens import token_grids
from convscope.pictures.photograph import InputLike

LayerLike: TypeAlias = "str | Sequence[str] | None"
"""A layer's name, several, or None for the last one with positions that every path goes through."""


@dataclass(frozen=True, eq=False)
class TargetAtLayer:
    """A target seen from a layer before it: what the layer answers and the tail behind it.

    ``beside`` is another target of the same layers, that is looked at next: one tail computes the channels of both.
    """

    target: AttributionTarget
    layer: str
    beside: AttributionTarget | None = None
    shared_tail: Tail | None = None

    def seen_beside(self) -> TargetAtLayer:
        """Return the target beside, seen from the same layer, through the same tail."""
        assert self.beside is not None
        return TargetAtLayer(self.beside, self.layer, self.target, self.tail)

    @cached_property
    def tail(self) -> Tail:
        """The network from the layer to the target's layers, of which only the channels that count are computed."""
        if self.shared_tail is not None:
            return self.shared_tail
        target = self.target
        channels = {
            layer: channels_of_layer
            for layer in target.layers
            if (channels_of_layer := self._channels_of(layer))
        }
        return Tail(
            target.network, target.input, self.layer, target.layers, channels=channels, known=target.known
        )

    def _channels_of(self, layer: str) -> list[int]:
        """Return the channels of a layer that the target is made of; none where it is of all."""
        terms = (*self.target.terms, *(self.beside.terms if self.beside else ()))
        channels = [term.address.channel for term in terms if term.address.layer == layer]
        return [] if None in channels else sorted({int(channel or 0) for channel in channels})

    @cached_property
    def _narrow(self) -> AttributionTarget:
        """The same target, of the channels that the tail computes."""
        terms = []
        for term in self.target.terms:
            address = term.address
            if address.channel is not None:
                channels = self._channels_of(address.layer)
                address = (
                    replace(address, channel=channels.index(int(address.channel))) if channels else address
                )
            terms.append(replace(term, address=address))
        return replace(self.target, terms=tuple(terms))

    def number(self, answers: Tensor) -> Tensor:
        """Return the target's number for each of a batch of the layer's answers, (N,); gradients flow to them."""
        return self._narrow.number(self.tail.run(answers))

    def number_from(self, value: str, answers: Tensor) -> Tensor:
        """Return the number for each of a batch of answers of a value that every way behind the layer goes through."""
        return self._narrow.number(self.tail.run_from(value, answers))

    @cached_property
    def grid(self) -> tuple[int, int] | None:
        """Rows and columns of the places that the layer's tokens are, where it answers with tokens."""
        if self.layer not in token_grids(self.target.network):
            return None
        return token_grid(self.target.size, self.tail.answer.shape[3 - self.channel_axis])

    @cached_property
    def channel_axis(self) -> int:
        """The axis of `tail.answer` that its channels are on, or the numbers of its tokens."""
        tokens_first = self.layer in token_grids(self.target.network)
        return 2 if tokens_first and not self.target.network.graph.channels_last else 1

    def _at_places(self, values: Tensor) -> Tensor:
        """Return the layer's numbers as (channels, height, width): of tokens, those that have a place."""
        if self.grid is None:
            return values[0]
        rows, columns = self.grid
        return values.movedim(self.channel_axis, 1)[0, :, -rows * columns :].reshape(-1, rows, columns)

    def by_channel(self, values: Tensor) -> Tensor:
        """Return the layer's numbers as (channels, positions), tokens without a place among them."""
        channels = values.movedim(self.channel_axis, 1)[0]
        return channels.reshape(len(channels), -1)  # a layer without places has one number each

    @cached_property
    def answers(self) -> Tensor:
        """What the layer answers to the picture: (channels, height, width)."""
        return self._at_places(self.tail.answer.detach())

    @cached_property
    def _score_and_gradients(self) -> tuple[float, Tensor]:
        answers = self.tail.answer.detach().requires_grad_()
        with shortage_in_words(), torch.enable_grad():
            numbers = self.number(answers)
            require_finite(self.target, numbers, self.target.input)
            number = numbers.sum()
            gradient = None
            if number.requires_grad:  # else the layer is of another branch than the box
                (gradient,) = torch.autograd.grad(number, answers, allow_unused=True)
        return float(number.detach()), torch.zeros_like(answers) if gradient is None else gradient

    @property
    def whole_gradients(self) -> Tensor:
        """The number's gradient for what the layer answers, in the shape of `tail.answer`."""
        return self._score_and_gradients[1]

    @property
    def gradients(self) -> Tensor:
        """The number's gradient for what the layer answers: (channels, height, width)."""
        return self._at_places(self.whole_gradients)

    @property
    def reads_tokens(self) -> Tensor:
        """Which of the layer's tokens the number depends on: (tokens,)."""
        return self.by_channel(self.whole_gradients).any(0)

    @property
    def score(self) -> float:
        """The target's number for the picture."""
        return self._score_and_gradients[0]

    @cached_property
    def is_affine(self) -> bool:
        """Whether what lies behind only adds and weighs: the number is then a sum over positions and a constant."""
        return all(
            kind_of(operation.kind).affine and not operation.attributes.get("of_batch")
            for operation in self.tail.operations
        ) and all(term.address.channel is not None for term in self.target.terms)

    @cached_property
    def constant(self) -> float:
        """The number where the layer answers nothing: for an affine tail, the bias."""
        with torch.enable_grad():  # runs what the gradient's run was prepared for
            nothing = torch.zeros_like(self.tail.answer).requires_grad_()
            return float(self.number(nothing).detach())


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
    raw = [kind.map_of(place) for place in places]
    maps = [enlarged(one.clamp(min=0), target.size) for one in raw]
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


def branch_layers(target: AttributionTarget) -> list[str]:
    """Return the last layers with positions of a detector's branches that the number depends on; else none."""
    if len(target.layers) > 1:
        return []
    branches = last_maps_of_branches(target.network, target.layers[0])
    # A branch's own numbers are asked: its layer may lead to the other branches too.
    layers = [
        layer for value, layer in branches.items() if TargetAtLayer(target, value).whole_gradients.any()
    ]
    return list(dict.fromkeys(layers))


def chosen_layer(target: AttributionTarget) -> str:
    """Return the layer for a target where none is given; InputError where there is none."""
    layer = _last_tokens(target) or last_maps(target.network, target.layers)
    if layer is not None:
        return layer
    pixels = "use a method for pixels, as saliency or occlusion"
    maps = maps_before(target.network, target.layers)
    if not maps:
        raise InputError(f"no layer with rows and columns lies between the picture and {target}: {pixels}")
    raise InputError(
        f"no layer with rows and columns that every path goes through lies before {target}: name one, as {maps[-1]!r}, "
        f"or {pixels}"
    )


def _last_tokens(target: AttributionTarget) -> str | None:
    """Return the last layer of tokens with a place that the number depends on: behind it, only the class's are read."""
    tokens = token_grids(target.network)
    line = main_line(target.network, target.layers) if tokens else []
    layers = [name for name in line if name in tokens and name not in target.layers]
    return next(
        (name for name in reversed(layers) if bool(TargetAtLayer(target, name).gradients.any())), None
    )


def checked_layer(target: AttributionTarget, layer: str) -> str:
    """Return a layer's own name; InputError for one without positions, UnknownLayer for none."""
    network, address = target.network, target.network.resolve(layer)
    if address.channel is not None:
        raise InputError(
            f"{layer!r} is a unit: a class activation map is made of a whole layer, {address.layer!r}"
        )
    if address.layer in token_grids(network) and address.layer not in target.layers:
        return address.layer
    if address.layer in network.graph.inputs:
        raise InputError(
            f"{layer!r} is the picture itself: use a method for pixels, as saliency or occlusion"
        )
    shape = network.shape_channels_first(address.layer)
    if shape is not None and (len(shape) != 4 or shape[2] * shape[3] == 1):
        hint = last_maps(network, target.layers)
        near = f"; the last that has them is {hint!r}" if hint else ": use a method for pixels, as saliency"
        raise InputError(f"{layer!r} answers {tuple(shape[1:])}, without rows and columns{near}")
    if address.layer in target.layers:
        raise InputError(f"{layer!r} is what is explained: choose a layer before it")
    return address.layer


def enlarged(values: Tensor, size: tuple[int, int]) -> NDArray[np.float64]:
    """Return a map of a layer's positions at the input's size, bilinear."""
    return numbers(interpolate(values[None, None].double(), size, mode="bilinear", align_corners=False)[0, 0])


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
