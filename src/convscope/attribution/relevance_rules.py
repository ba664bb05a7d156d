"""How a layer's relevance is shared out to what it read: the rules of layer-wise relevance propagation.

Bach et al., *On pixel-wise explanations for non-linear classifier decisions by layer-wise relevance propagation*
(2015); Montavon et al., *Layer-wise relevance propagation: an overview* (2019). Each rule takes a `LinearLayer`, what
it read and the relevance of what it answered, and returns the relevance of what it read. Relevance goes where it came
from: to each number by its share in the sum, of which the rules take different parts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeAlias

import torch
from torch import Tensor

from convscope.network.operations.data_gradient import DataGradient, prepare_data_gradient
from convscope.network.operations.fused import (
    FastConvolution,
    fused_convolution,
    prepare_convolution,
    prepare_fastest,
)
from convscope.network.operations.vector_jacobian import vector_jacobian
from convscope.network.operations.winograd import WinogradConvolution

EPSILON = 1e-6
_KEPT = 2  # what is laid out of a layer: a rule needs two at most
Function: TypeAlias = Callable[[Tensor, Tensor, "Tensor | None"], Tensor]


@dataclass(frozen=True, eq=False)
class LinearLayer:
    """A convolution or a fully-connected layer, with its batch normalization worked in: function, weight and bias.

    ``filters_first``: the weight's first axis are the outputs, the second all inputs. ``low`` and ``high`` are the
    darkest and the brightest input, where the layer reads the picture. ``window`` is how a convolution moves that can
    be packed, ``packed`` the parts that were last.
    """

    function: Function
    weight: Tensor
    bias: Tensor | None
    filters_first: bool = False
    low: Tensor | None = None
    high: Tensor | None = None
    window: Mapping[str, Any] | None = None
    packed: dict[str, PackedParts | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Part:
    """A part of what a layer sums up: some of its inputs by some of its weights, which have a `name`, if any."""

    input: Tensor
    weight: Callable[[], Tensor]
    bias: Callable[[], Tensor | None]
    name: str = ""
    never_below_0: bool = False


@dataclass(frozen=True)
class PackedParts:
    """One convolution of all parts, one behind the other as channels, and its gradient; laid out once for all pictures.

    ``least`` is the smallest sum, where it already is a divisor.
    """

    convolution: FastConvolution
    gradient: DataGradient
    least: float | None

    def divisors(self, input: Tensor) -> Tensor:
        """Return the sums, moved away from 0."""
        sums = fused_convolution(input, self.convolution)
        if self.least is None:
            return stabilized(sums)
        # What Winograd's convolution makes of 0 may lie on either side of it.
        return sums.clamp_(min=self.least) if isinstance(self.convolution, WinogradConvolution) else sums


Rule: TypeAlias = Callable[[LinearLayer, Tensor, Tensor], Tensor]
"""From a layer, what it read and the relevance of its answers to the relevance of what it read."""


def stabilized(values: Tensor) -> Tensor:
    """Return numbers moved away from 0 by a millionth: divisors."""
    return values.new_tensor(EPSILON).copysign(values).add_(values)


def epsilon(layer: LinearLayer, input: Tensor, relevance: Tensor) -> Tensor:
    """Share out by everything that was summed up, of both signs."""
    part = Part(input, lambda: layer.weight, lambda: layer.bias, "all")
    return _shared(layer, [part], relevance)


def z_plus(layer: LinearLayer, input: Tensor, relevance: Tensor) -> Tensor:
    """Share out by what was added, never by what was taken away."""
    return _shared(layer, _parts(layer, input, 1), relevance)


def alpha2_beta1(layer: LinearLayer, input: Tensor, relevance: Tensor) -> Tensor:
    """Share out twice by what was added, less once by what was taken away."""
    gained = _shared(layer, _parts(layer, input, 1), 2 * relevance)
    return gained - _shared(layer, _parts(layer, input, -1), relevance)


def gamma(layer: LinearLayer, input: Tensor, relevance: Tensor, more: float = 0.25) -> Tensor:
    """Share out by everything, with a quarter more for what went the way of the sum's own sign."""
    answer = layer.function(input, layer.weight, layer.bias)
    up, down = relevance * (answer > 0), relevance * (answer < 0)
    shares = _shared(layer, _parts(layer, input, 1, more), up)
    return shares + _shared(layer, _parts(layer, input, -1, more), down) if bool(down.any()) else shares


def flat(layer: LinearLayer, input: Tensor, relevance: Tensor) -> Tensor:
    """Share out evenly over all that was read, whatever it was."""
    part = Part(torch.ones_like(input), lambda: torch.ones_like(layer.weight), _none, "ones", True)
    return _shared(layer, [part], relevance)


def z_box(layer: LinearLayer, input: Tensor, relevance: Tensor) -> Tensor:
    """Share out by how far each pixel is from the darkest and the brightest that is possible."""
    assert layer.low is not None and layer.high is not None
    weight, bias = layer.weight, layer.bias
    parts = [
        Part(input, lambda: weight, lambda: bias),
        Part(-layer.low, lambda: weight.clamp(min=0), lambda: _clamped(bias, 1, -1)),
        Part(-layer.high, lambda: weight.clamp(max=0), lambda: _clamped(bias, -1, -1)),
    ]
    return _shared(layer, parts, relevance)


def _shared(layer: LinearLayer, parts: list[Part], relevance: Tensor) -> Tensor:
    """Return what each number gets: its share in the sum of the parts."""
    if (packed := _packed(layer, parts, relevance)) is not None:
        input = torch.cat([part.input for part in parts], 1) if len(parts) > 1 else parts[0].input
        divisors = packed.divisors(input)
        gradient = packed.gradient(torch.div(relevance, divisors, out=divisors), input.shape[2:])
        # In place: on large maps new memory costs more than the arithmetic.
        shares = list(gradient.mul_(input).chunk(len(parts), 1))
    else:
        with torch.enable_grad():
            inputs = [part.input.detach().requires_grad_() for part in parts]
            sums = [
                layer.function(input, part.weight(), part.bias())
                for input, part in zip(inputs, parts, strict=True)
            ]
            total = sum(sums[1:], sums[0])
            gradients = vector_jacobian([total], inputs, [relevance / stabilized(total.detach())])
        shares = [
            gradient.mul_(input.detach())
            for input, gradient in zip(inputs, gradients, strict=True)
            if gradient is not None
        ]
    return sum(shares[1:], shares[0])


def _packed(layer: LinearLayer, parts: list[Part], relevance: Tensor) -> PackedParts | None:
    """Return parts whose filters are laid out, as they are for all pictures to come; None where they cannot be."""
    one_behind_the_other = layer.filters_first or len(parts) == 1
    if layer.window is None or not one_behind_the_other or not all(part.name for part in parts):
        return None
    name = ", ".join(part.name for part in parts)
    if name not in layer.packed:
        while len(layer.packed) >= _KEPT:
            layer.packed.pop(next(iter(layer.packed)))
        layer.packed[name] = _pack(layer.window, parts, relevance)
    return layer.packed[name]


def _pack(window: Mapping[str, Any], parts: list[Part], relevance: Tensor) -> PackedParts | None:
    biases = [bias for part in parts if (bias := part.bias()) is not None]
    weight, bias = (
        torch.cat([part.weight() for part in parts], 1),
        sum(biases[1:], biases[0]) if biases else None,
    )
    batch, channels, *size = parts[0].input.shape
    shape, least = (batch, len(parts) * channels, *size), None
    if all(part.never_below_0 for part in parts):
        least = EPSILON
        bias = weight.new_full(weight.shape[:1], least) if bias is None else bias + least
        # All that is added is of one sign: nothing cancels out, and the faster way's error stays as small as it is.
        convolution = prepare_fastest(weight, bias, shape, **window)
    else:
        convolution = prepare_convolution(weight, bias, shape, **window)
    gradient = prepare_data_gradient(weight, relevance.shape, **window)
    return PackedParts(convolution, gradient, least) if convolution and gradient else None


def _parts(layer: LinearLayer, input: Tensor, sign: int, more: float | None = None) -> list[Part]:
    """Return the parts of the sum that have a sign, or everything with `more` of those: of inputs above and below 0."""
    weight, bias = (
        partial(_part_of_sign, layer.weight, sign, more),
        partial(_clamped, layer.bias, sign, 1, more),
    )
    name = f"{sign:+d} {more}"
    adds = sign > 0 and more is None
    if float(input.amin()) >= 0:
        return [Part(input, weight, bias, name, adds)]
    below = partial(_part_of_sign, layer.weight, -sign, more)
    return [
        Part(input.clamp(min=0), weight, bias, name, adds),
        Part(input.clamp(max=0), below, _none, f"{-sign:+d} {more} below", adds),
    ]


def _none() -> None:
    """Return no bias."""


def _part_of_sign(weight: Tensor, sign: int, more: float | None) -> Tensor:
    part = weight.clamp(min=0) if sign > 0 else weight.clamp(max=0)
    return part if more is None else weight + more * part


def _clamped(bias: Tensor | None, sign: int, factor: int, more: float | None = None) -> Tensor | None:
    return None if bias is None else factor * _part_of_sign(bias, sign, more)


@dataclass(frozen=True)
class Composite:
    """Which rule for which layers: convolutions, ``dense`` ones, and the ``first``, that read the picture, if any."""

    convolution: Rule
    dense: Rule = epsilon
    first: Rule | None = None


COMPOSITES: Mapping[str, Composite] = {
    "epsilon_plus": Composite(z_plus),
    "epsilon_plus_flat": Composite(z_plus, first=flat),
    "epsilon_gamma_box": Composite(gamma, first=z_box),
    "epsilon_alpha2_beta1": Composite(alpha2_beta1),
    "epsilon_alpha2_beta1_flat": Composite(alpha2_beta1, first=flat),
    "epsilon": Composite(epsilon),
    "z_plus": Composite(z_plus, dense=z_plus),
    "gamma": Composite(gamma, dense=gamma),
}
