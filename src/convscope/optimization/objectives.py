"""What a picture can be made to do to a network, by name: a channel, a class, a direction, another picture's answers.

After Olah et al., *Feature Visualization* (2017), and lucid's objectives: https://github.com/tensorflow/lucid.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor

from convscope.address import Address, position_text
from convscope.errors import InputError, by_name
from convscope.network.axes import require_position
from convscope.network.box_rows import require_one_quantity
from convscope.network.class_head import holds_probabilities
from convscope.network.network import Network
from convscope.network.tokens import token_in_words
from convscope.optimization.objective import Objective, Values

Measure = Literal["mean_square", "mean", "sum", "l1", "l2"]


def channel(layer: str, index: int) -> Objective:
    """A channel, averaged over its positions: the texture or object a unit looks for.

    >>> convscope.feature_visualization(network, objectives.channel("mixed4a", 42), size=48, steps=4)
    """
    address = f"{layer}:{index}"
    return Objective((address,), address, lambda values: values[address].flatten(1).mean(1))


def neuron(layer: str, index: int, position: tuple[int, ...] | None = None) -> Objective:
    """One neuron of a channel, at (row, column) of the layer's grid, or in its center: one copy of the feature.

    >>> objectives.neuron("mixed4a", 42, (3, 5))
    Objective('mixed4a:42@3,5')
    """
    if position is not None:
        address = f"{layer}:{index}{position_text(position)}"
        return Objective((address,), address, lambda values: values[address].flatten(1).mean(1))
    address = f"{layer}:{index}"
    return Objective(
        (address,), f"{address} at the center", lambda values: _at(address, values[address], None).mean(1)
    )


def class_score(
    network: Network, label: str | int, kind: Literal["logit", "probability"] = "logit"
) -> Objective:
    """A class, by its label or number: its logit, which is what it looks like, or its probability.

    A probability also grows when the other classes shrink, and gives nearly no gradient where it is near 0 or 1.

    >>> objectives.class_score(network, "espresso")
    Objective('espresso (logit)')

    UnknownLayer for a class that is not there; InputError for the probability of a network that has none.
    """
    output = network.class_output
    index = network.resolve(f"{output}:{label}").channel
    words = network.class_label(int(index or 0))
    if kind == "probability" and not holds_probabilities(network.graph, output):
        raise InputError(
            f"{network.name} ends in {output!r}, which holds no probabilities: ask for the logit"
        )
    value = network.class_scores if kind == "logit" else output
    return channel(value, int(index or 0)).named(f"{words} ({kind})")


def unit(network: Network, address: str | Address) -> Objective:
    """What an address points at: a channel, a neuron, a class (its logit), or a whole layer.

    >>> objectives.unit(network, "prob:espresso")
    Objective('espresso (logit)')

    UnknownLayer for what is not there.
    """
    resolved = network.resolve(address)
    if resolved.channel is not None:
        require_one_quantity(network, resolved)
    if resolved.channel is None:
        return layer(resolved.layer)
    if resolved.layer in network.class_values[:1] and resolved.position is None:
        return class_score(network, int(resolved.channel))
    if resolved.position is not None:
        return neuron(resolved.layer, int(resolved.channel), resolved.position)
    objective = channel(resolved.layer, int(resolved.channel))
    return replace(objective, description=token_in_words(network, resolved) or objective.description)


def layer(name: str, measure: Measure = "mean_square") -> Objective:
    """A whole layer, whatever it answers made stronger: the deep dream's objective.

    "mean_square" is Mordvintsev et al.'s (2015), "l2" and "l1" are norms, "mean" and "sum" the plain ones.

    >>> objectives.layer("mixed4a")
    Objective('mixed4a, mean square')
    """
    measures: dict[str, Callable[[Tensor], Tensor]] = {
        "mean_square": lambda value: value.square().mean(1),
        "mean": lambda value: value.mean(1),
        "sum": lambda value: value.sum(1),
        "l1": lambda value: value.abs().sum(1),
        "l2": lambda value: value.square().sum(1).sqrt(),
    }
    measured = by_name(measures, measure, "measure")
    words = f"{name}, {measure.replace('_', ' ')}"
    return Objective((name,), words, lambda values: measured(values[name].flatten(1)))


def direction(
    name: str,
    vector: Sequence[float] | Tensor,
    *,
    position: tuple[int, int] | Literal["center"] | None = None,
    covariance: Tensor | None = None,
    cosine_power: float = 0.0,
) -> Objective:
    """A direction in a layer's space of channels: the dot product with `vector`, one number a channel.

    Over all positions, or at one (row, column), or at the "center". `covariance` (channels, channels) of the layer's
    answers whitens the direction (the vector becomes its inverse times the vector), which takes away what all
    pictures share. With `cosine_power`, the dot product is multiplied by that power of the cosine between the two
    (at least 0.1), which asks for this direction and no other (Carter et al., *Activation Atlas*, 2019).

    >>> objectives.direction("mixed4a", torch.eye(352)[42] + torch.eye(352)[7], cosine_power=2)
    Objective(...)

    InputError for a vector of another length, as soon as it is painted.
    """
    target = torch.as_tensor(vector, dtype=torch.float32)
    if target.dim() != 1:
        raise InputError(f"a direction has one number a channel; found shape {tuple(target.shape)}")
    if covariance is not None:
        target = torch.linalg.solve(covariance.double(), target.double()).float()
    where = f" at {position[0]},{position[1]}" if isinstance(position, tuple) else f" at the {position}"

    def score(values: Values) -> Tensor:
        value = values[name]
        vectors = _maps(value) if position is None else _at(name, value, position)[..., None]
        if vectors.shape[1] != len(target):
            raise InputError(
                f"{name} has {vectors.shape[1]} channels, and the direction {len(target)} numbers"
            )
        return _dot(vectors.movedim(1, -1), target.to(vectors), cosine_power).flatten(1).mean(1)

    words = f"a{' whitened' if covariance is not None else ''} direction of {name}"
    return Objective((name,), words + ("" if position is None else where), score)


def _maps(value: Tensor) -> Tensor:
    """Return a layer's answer as (N, channels, positions)."""
    return value.flatten(2) if value.dim() > 2 else value[..., None]


def _at(name: str, value: Tensor, position: tuple[int, int] | Literal["center"] | None) -> Tensor:
    """Return the channels (N, C) at a position of (N, C, H, W), the center by default."""
    if value.dim() < 4:
        return value.flatten(1)
    rows, columns = value.shape[2:]
    row, column = position if isinstance(position, tuple) else (rows // 2, columns // 2)
    require_position(Address(name, None, (row, column)), rows, columns)
    return value[:, :, row, column]


def _dot(first: Tensor, second: Tensor, cosine_power: float) -> Tensor:
    """Return the dot product over the last axis, times a power of the cosine."""
    dot = (first * second).sum(-1)
    if not cosine_power:
        return dot
    cosine = torch.nn.functional.cosine_similarity(first, second, dim=-1, eps=1e-6)
    return dot * cosine.clamp(min=0.1) ** cosine_power


def diversity(name: str) -> Objective:
    """How unlike each picture is to the others of the batch, in the correlations of a layer's channels.

    Minus the mean cosine between the picture's Gram matrix and the others'. Add it, with a weight, to what all of them
    show: ``4 * [channel(layer, 7) + 100 * diversity(layer)]`` makes four pictures of the different things one channel
    looks for.

    >>> wanted = 2 * [objectives.channel("mixed4a", 42) + 100 * objectives.diversity("mixed4a")]
    >>> len(convscope.feature_visualization(network, wanted, size=48, steps=4))
    2
    """

    def score(values: Values) -> Tensor:
        maps = _maps(values[name])
        if len(maps) < 2:
            raise InputError("diversity is between pictures: give the same objective several times")
        gram = torch.nn.functional.normalize((maps @ maps.mT).flatten(1), dim=1)
        similarity = gram @ gram.T
        return -(similarity.sum(1) - similarity.diagonal()) / (len(maps) - 1)

    return Objective((name,), f"diversity in {name}", score)


def alignment(name: str, decay: float = 2.0) -> Objective:
    """How alike neighboring pictures of the batch are in a layer, place by place: keeps an `interpolation` steady.

    Minus the mean square of the difference to each other picture, which counts `decay` times less for each picture that
    lies between.

    >>> objectives.alignment("mixed4a")
    Objective(...)
    """

    def score(values: Values) -> Tensor:
        maps = values[name].flatten(1)
        apart = (maps[:, None] - maps[None]).square().mean(2)
        steps = torch.arange(len(maps), device=maps.device)
        weight = decay ** -(steps[:, None] - steps[None]).abs().to(maps)
        return -(apart * weight).sum(1)

    return Objective((name,), f"alignment in {name}", score)


def interpolation(first: Objective, second: Objective) -> Objective:
    """From all of one objective, in the batch's first picture, to all of another in its last.

    >>> one, other = objectives.channel("mixed4a", 42), objectives.channel("mixed4a", 7)
    >>> len(convscope.feature_visualization(network, 3 * [objectives.interpolation(one, other)], size=48, steps=4))
    3
    """

    def score(values: Values) -> Tensor:
        start, end = first.score(values), second.score(values)
        share = torch.linspace(0, 1, len(start), dtype=start.dtype, device=start.device)
        return (1 - share) * start + share * end

    targets = tuple(dict.fromkeys(first.targets + second.targets))
    return Objective(targets, f"from {first.description} to {second.description}", score)


def like(name: str, answer: Tensor, *, what: str = "a picture") -> Objective:
    """A picture whose layer answers as `answer` (1, channels, ...) does: feature inversion.

    Minus the squared distance, in units of the answer's own square (Mahendran and Vedaldi, *Understanding deep image
    representations by inverting them*, 2015). 0 is perfect. `answer` has the channels second.

    >>> answer = network.activations(x, "mixed3a")["mixed3a"]
    >>> objectives.like("mixed3a", answer, what="coffee")
    Objective(...)
    """
    answer = answer.detach()

    def score(values: Values) -> Tensor:
        _require_same(name, values[name], answer)
        apart = (values[name] - answer).flatten(1).square().sum(1)
        return -apart / answer.square().sum().clamp(min=1e-12)

    return Objective((name,), f"{name} as in {what}", score)


def caricature(name: str, answer: Tensor, *, what: str = "a picture", cosine_power: float = 1.0) -> Objective:
    """A picture in which what a layer answers is exaggerated: the dot product with `answer`, place by place.

    Times a power of the cosine, so that it stays that answer (Carter et al., 2019).

    >>> answer = network.activations(x, "mixed3a")["mixed3a"]
    >>> objectives.caricature("mixed3a", answer, what="coffee")
    Objective(...)
    """
    answer = answer.detach()

    def score(values: Values) -> Tensor:
        _require_same(name, values[name], answer)
        first, second = (value.movedim(1, -1) for value in (values[name], answer))
        return _dot(first, second, cosine_power).flatten(1).mean(1)

    return Objective((name,), f"a caricature of {what} in {name}", score)


def _require_same(name: str, expected: Tensor, answer: Tensor) -> None:
    if expected.shape[1:] != answer.shape[1:]:
        raise InputError(
            f"{name} answers {tuple(expected.shape[1:])} to a picture of this size, and {tuple(answer.shape[1:])} is "
            "wanted: give the picture and the canvas the same size"
        )


def custom(targets: str | Sequence[str], score: Callable[..., Tensor], description: str = "") -> Objective:
    """Any function of what some addresses answer, one argument an address, which gives one number a picture, (N,).

    >>> objectives.custom(["mixed4a:1", "mixed4a:2"], lambda a, b: (a * b).flatten(1).mean(1), "1 and 2 at one place")
    Objective('1 and 2 at one place')
    """
    names = (targets,) if isinstance(targets, str) else tuple(targets)
    words = description or f"{getattr(score, '__name__', 'a function')} of {', '.join(names)}"
    return Objective(names, words, lambda values: score(*(values[name] for name in names)))
