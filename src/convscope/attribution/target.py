"""What is explained: a number that a network answers to one picture, and how it changes with every pixel."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from convscope.address import Address
from convscope.attribution.target_check import require_finite, require_input, require_terms, weight_of
from convscope.errors import InputError, UnknownLayer
from convscope.looking.answers import is_vector
from convscope.looking.main_line import last_maps
from convscope.network.axes import at_position, require_position
from convscope.network.engine.differentiable import Forward
from convscope.network.engine.memory import shortage_in_words
from convscope.network.given_input import center_of_ten, channels_last, input_of
from convscope.network.labels import find_label
from convscope.network.network import Network
from convscope.network.tokens import token_in_words
from convscope.pictures.photograph import InputLike
from convscope.presentation.wording import title_of

AT_ONCE = 8  # pictures that go through the network together
TargetLike: TypeAlias = "str | int | Address | Mapping[Any, float] | AttributionTarget | None"
"""A class by label or number, an address, ``"tabby - tiger cat"``, targets and their weights; None: the best class."""
_REGION = re.compile(r"(?P<rest>.+)@(?P<top>\d+):(?P<bottom>\d+),(?P<left>\d+):(?P<right>\d+)")
_DIFFERENCE = re.compile(r"\s([+-])\s")


@dataclass(frozen=True)
class TargetTerm:
    """One address of a target and its weight; ``region`` is (top, bottom, left, right), the rows and columns meant."""

    address: Address
    weight: float = 1.0
    region: tuple[int, int, int, int] | None = None

    def number(self, value: Tensor) -> Tensor:
        """Return the number in what its layer answered, channels first, for each of a batch: shape (N,).

        A neuron or a class is that number, a channel its mean over all positions (of the region, where there is one),
        a layer the sum over all positions of the strongest channel there.
        """
        if self.region is not None:
            top, bottom, left, right = self.region
            rows, columns = value.shape[2:] if value.dim() == 4 else (0, 0)
            if not (top < bottom <= rows and left < right <= columns):
                raise InputError(
                    f"{self} is no region of {self.address.layer}, which has {rows} rows and {columns} columns here: "
                    "give @top:bottom,left:right within them"
                )
            value = value[:, :, top:bottom, left:right]
        if self.address.channel is None:
            return value.amax(1).flatten(1).sum(1) if value.dim() > 2 else value.amax(1)
        value = value[:, int(self.address.channel)]
        if self.address.position is not None:
            require_position(self.address, *value.shape[1:])
            return at_position(value, self.address.position, 1)
        return value.flatten(1).mean(1) if value.dim() > 1 else value

    def __str__(self) -> str:
        if self.region is None:
            return str(self.address)
        top, bottom, left, right = self.region
        return f"{self.address}@{top}:{bottom},{left}:{right}"


@dataclass(frozen=True, eq=False)
class AttributionTarget:
    """A number of a network's answer to a picture: the weighted sum of its ``terms``, mostly a single one.

    ``input`` is the picture as the network expects it, a batch of one. ``known`` are values that were computed when the
    most probable class was found; ``picture_name`` is what to call the photograph.
    """

    network: Network
    input: Tensor = field(repr=False)
    terms: tuple[TargetTerm, ...]
    known: Mapping[str, Tensor] = field(default_factory=dict, repr=False)
    picture_name: str = ""

    @property
    def address(self) -> Address:
        """The address of the first term: what is explained, where that is a single thing."""
        return self.terms[0].address

    @cached_property
    def layers(self) -> tuple[str, ...]:
        """The layers whose answers the number is made of."""
        return tuple(dict.fromkeys(term.address.layer for term in self.terms))

    @cached_property
    def _forward(self) -> Forward:
        return self.network.forward_to(self.layers)

    def number(self, values: Mapping[str, Tensor]) -> Tensor:
        """Return the number in what the layers answered, channels first, for each of a batch: shape (N,)."""
        first, *others = (term.weight * term.number(values[term.address.layer]) for term in self.terms)
        return sum(others, first)

    def scores(self, inputs: Tensor) -> Tensor:
        """Return the number for each input of a batch, shape (N,); gradients flow to the inputs."""
        return self.number(self._forward(inputs))

    def answers(self, inputs: Tensor) -> Tensor:
        """Return what `scores` does, without gradients: the fastest way there."""
        with torch.no_grad():
            values = self.network.activations(inputs, *map(Address, self.layers))
        return self.number({name: self.network.channels_first(name, value) for name, value in values.items()})

    @cached_property
    def score(self) -> float:
        """The number for the picture itself."""
        score = self.answers(self.input)
        require_finite(self, score, self.input)
        return float(score)

    def gradients(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Return each input's number, (N,), and its gradient for that input, in the input's own shape.

        A few go through the network together, so memory does not grow with how many there are.
        """
        scores, gradients = zip(*map(self._gradients, torch.split(inputs, AT_ONCE)), strict=True)
        return torch.cat(scores), torch.cat(gradients)

    def _gradients(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        inputs = inputs.detach().requires_grad_()
        with shortage_in_words(), torch.enable_grad():
            scores = self.scores(inputs)
            require_finite(self, scores, inputs)
            if not scores.requires_grad:  # the target comes before anything that depends on the picture
                return scores, torch.zeros_like(inputs)
            (gradient,) = torch.autograd.grad(scores.sum(), inputs, allow_unused=True)
        return scores.detach(), torch.zeros_like(inputs) if gradient is None else gradient

    def gradient(self) -> Tensor:
        """Return the number's gradient for the picture, in the input's own shape."""
        return self.gradients(self.input)[1]

    @property
    def channels_last(self) -> bool:
        """Whether the input has its channels on the last axis."""
        return channels_last(self.network)

    @property
    def channel_axis(self) -> int:
        """The axis of the input that its channels are on: of a signal or a volume the shorter, first or last."""
        if self.input.dim() == 4:
            return 3 if self.channels_last else 1
        last = self.input.dim() - 1
        return last if self.input.shape[last] < self.input.shape[1] else 1

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the input, where it is a picture."""
        shape = tuple(self.input.shape)
        return (shape[1], shape[2]) if self.channels_last else (shape[2], shape[3])

    @property
    def places(self) -> tuple[int, ...]:
        """The sizes of the input's axes beside the channels: a picture's height and width, a signal's length."""
        axis = self.channel_axis
        return tuple(side for one, side in enumerate(self.input.shape) if one not in (0, axis))

    def on_each_color(self, map: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return a map of one number a place as `pixels` gives the input: the same number for each color."""
        return np.repeat(map[..., None], self.pixels(self.input).shape[-1], -1)

    def pixels(self, values: Tensor) -> NDArray[np.float64]:
        """Return values in the input's shape as (height, width, channels), colors in the order red, green, blue.

        Of a signal they are (positions, channels), of a volume (slices, rows, columns, channels).
        """
        spec = self.network.input_spec
        colors = values[0].detach().cpu().double().movedim(self.channel_axis - 1, -1)
        return (colors.flip(-1) if spec is not None and spec.channel_order == "BGR" else colors).numpy()

    @cached_property
    def seen(self) -> NDArray[np.float32] | None:
        """What is left of the picture when the network gets it, (height, width, 3) in 0..1; None of a bare tensor."""
        return None if self.network.input_spec is None else self.network.deprocess(self.input)

    def __str__(self) -> str:
        return _joined(self.terms, str)

    @property
    def words(self) -> str:
        """The number's name in a caption: "score" is a class's before the softmax, which makes it a probability."""
        return _joined(self.terms, self._words_of)

    @property
    def title(self) -> str:
        """What is explained, of which network and which photograph, for above a picture."""
        return title_of(_joined(self.terms, self._label_of), self.network, self.picture_name)

    def _label_of(self, term: TargetTerm) -> str:
        network, address = self.network, term.address
        if address.layer not in network.class_values or address.channel is None:
            return str(term)
        return network.class_label(int(address.channel))

    def _words_of(self, term: TargetTerm) -> str:
        network, address = self.network, term.address
        if address.channel is None:
            return f"the strongest channel of {address.layer} at each position"
        where = "" if term.region is None else ", averaged over that region"
        if address.layer in network.class_values:
            what = "probability" if address.layer != network.class_scores else "score"
            label = network.class_label(int(address.channel))
            name = label if label == f"class {address.channel}" else f"“{label}”"
            return f"the {what} of {name} ({term}){where}"
        if address.position is not None or where or is_vector(network.shape_channels_first(address.layer)):
            return f"{term}{where}"
        if token := token_in_words(network, address):
            return f"{token}, averaged"
        return f"{address}, averaged over its positions"


_signals_too: ContextVar[bool] = ContextVar("signals_too", default=False)
_shared: ContextVar[list[tuple[Network, object, TargetLike, AttributionTarget]] | None] = ContextVar(
    "shared", default=None
)


@contextmanager
def signals_too(possible: bool) -> Iterator[None]:
    """Within the block, what is explained may also be a signal, a volume or a film, given as a tensor."""
    token = _signals_too.set(possible)
    try:
        yield
    finally:
        _signals_too.reset(token)


@contextmanager
def shared_targets() -> Iterator[None]:
    """Within the block, the same target of this very picture is one AttributionTarget, measured once for many maps."""
    token = _shared.set([])
    try:
        yield
    finally:
        _shared.reset(token)


def target_of(network: Network, picture: InputLike, target: TargetLike = None) -> AttributionTarget:
    """Return what is to be explained of the answer to a picture: anything `read_picture` reads, or an input tensor.

    Without a target it is the score of the most probable class; a class's label or number alone is that class's score,
    before the softmax. ``"tabby - tiger cat"`` is the difference of two; ``prob:cat@3:9,0:5`` a region of a map. Of ten
    crops, the center one is looked at. UnknownLayer, with the closest names, for anything else.
    """
    shared = _shared.get()
    for of_network, of_picture, earlier, earlier_target in shared or ():
        if (
            of_network is network
            and of_picture is picture
            and type(earlier) is type(target)
            and earlier == target
        ):
            return earlier_target
    new = _new_target(network, picture, target)
    if shared is not None:
        shared.append((network, picture, target, new))
    return new


def _new_target(network: Network, picture: InputLike, target: TargetLike) -> AttributionTarget:
    name = str(getattr(picture, "name", "") or "") if not isinstance(picture, Tensor) else ""
    if isinstance(target, AttributionTarget):
        name = name or target.picture_name
        target = {**{str(term): term.weight for term in target.terms}}
    input = center_of_ten(network, input_of(network, picture))
    require_input(network, input, -1 if channels_last(network) else 1, signals=_signals_too.get())
    if target is None:
        best, answers = best_class(network, input)
        return AttributionTarget(
            network, input, (TargetTerm(Address(network.class_scores, best)),), answers, name
        )
    terms = tuple(_terms(network, target))
    explained = AttributionTarget(network, input, terms, picture_name=name)
    require_terms(network, terms, explained.size if input.dim() == 4 else (0, 0))
    return explained


def require_targets(network: Network, targets: Iterable[TargetLike]) -> None:
    """Raise UnknownLayer for the first target that is not there, before any work on the others."""
    for target in targets:
        tuple(_terms(network, target))


def in_rgb(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (height, width, channels) with three channels: what is not in color is averaged."""
    return values if values.shape[2] == 3 else np.repeat(values.mean(2, keepdims=True), 3, 2)


def best_class(network: Network, input: Tensor) -> tuple[int, dict[str, Tensor]]:
    """Return the number of the most probable class, and what else is likely to be asked for next, computed with it."""
    output = _class_output(network)
    layers = [Address(layer) for layer in (output, last_maps(network, [network.class_scores])) if layer]
    answers = network.activations(input, *layers)
    answer = network.channels_first(output, answers[output])
    means = (answer.flatten(2).mean(2) if answer.dim() > 2 else answer)[0]
    if not means.isfinite().all():
        raise InputError(
            f"{output!r} answers with NaN or infinity to this picture: {network.first_nonfinite(input)}; give the "
            "address of a layer before"
        )
    return int(means.argmax()), answers


def _class_output(network: Network) -> str:
    """Return where the classes are; of a network that has none, InputError with what else could be explained."""
    try:
        return network.class_output
    except InputError as error:
        address = f"{network.outputs[0].value}:0" if network.outputs else "conv1:0"
        raise InputError(f"{error}; or explain something else: give a target, as {address!r}") from error


def _joined(terms: tuple[TargetTerm, ...], words: Any) -> str:
    """Return the terms as they are written: ``a - b``, ``a + 0.5 b``."""
    text = ""
    for term in terms:
        sign = ("-" if term.weight < 0 else "") if not text else (" - " if term.weight < 0 else " + ")
        factor = "" if abs(term.weight) == 1 else f"{abs(term.weight):.3g} "
        text += f"{sign}{factor}{words(term)}"
    return text


def _terms(network: Network, target: TargetLike) -> Iterator[TargetTerm]:
    if isinstance(target, Mapping):
        for one, weight in target.items():
            for term in _terms(network, one):
                yield TargetTerm(term.address, term.weight * weight_of(one, weight), term.region)
        return
    if isinstance(target, (int, np.integer)) and not isinstance(target, bool):
        yield TargetTerm(network.resolve(Address(network.class_scores, int(target))))
        return
    if not isinstance(target, (str, Address)):
        raise InputError(
            f"a target is a class's label or number, or an address, not a {type(target).__name__}; several on one "
            "scale: compare_targets"
        )
    try:
        yield _term(network, target)
    except UnknownLayer:
        if isinstance(target, Address) or len(parts := _DIFFERENCE.split(target)) == 1:
            raise
        for sign, text in zip(["+", *parts[1::2]], parts[::2], strict=True):
            yield from _terms(network, {text.strip(): 1.0 if sign == "+" else -1.0})


def _term(network: Network, target: str | Address) -> TargetTerm:
    try:
        return TargetTerm(network.resolve(target))
    except UnknownLayer as unknown:
        if isinstance(target, Address):
            raise
        if region_match := _REGION.fullmatch(target):
            region = tuple(int(region_match[side]) for side in ("top", "bottom", "left", "right"))
            return TargetTerm(_term(network, region_match["rest"]).address, region=region)  # type: ignore[arg-type]
        if target.isdecimal():
            return TargetTerm(network.resolve(Address(network.class_scores, int(target))))
        if not network.labels:
            raise
        try:
            return TargetTerm(Address(network.class_scores, find_label(network.labels, target)))
        except UnknownLayer as neither:
            raise UnknownLayer(f"{unknown}; and {neither}") from neither
