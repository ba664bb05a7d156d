"""What is done to each number by itself."""

from __future__ import annotations

from math import log as natural_logarithm

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from convscope.errors import InputError
from convscope.network.operations.checks import axis_index, dimensions, require_filled
from convscope.network.operations.registry import operation


@operation
def relu(input: Tensor, *, negative_slope: float = 0.0) -> Tensor:
    """Return positive numbers as they are, negative ones times `negative_slope`."""
    return F.leaky_relu(input, negative_slope) if negative_slope else F.relu(input)


@operation
def prelu(input: Tensor, *, weight: Tensor) -> Tensor:
    """Return `relu` with a learned slope, one a channel or a single one for all (He et al., 2015)."""
    if weight.numel() != 1 and (input.dim() < 2 or weight.numel() != input.shape[1]):
        found = f"the input is {dimensions(input.shape)}"
        raise InputError(f"prelu has slopes for {weight.numel()} channels, {found}")
    return F.prelu(input, weight.reshape(-1))


@operation
def elu(input: Tensor, *, alpha: float = 1.0) -> Tensor:
    """Return positive numbers as they are, negative ones as ``alpha (e^x - 1)`` (Clevert et al., 2015)."""
    return F.elu(input, alpha)


@operation
def swish(input: Tensor, *, beta: float = 1.0) -> Tensor:
    """Return ``x sigmoid(beta x)`` (Ramachandran et al., 2017)."""
    return input * torch.sigmoid(beta * input)


@operation
def sigmoid(input: Tensor) -> Tensor:
    """Return ``1 / (1 + e^-x)``, between 0 and 1."""
    return torch.sigmoid(input)


@operation
def tanh(input: Tensor) -> Tensor:
    """Return the hyperbolic tangent, between -1 and 1."""
    return torch.tanh(input)


@operation
def absolute(input: Tensor) -> Tensor:
    """Return each number without its sign."""
    return input.abs()


@operation
def bnll(input: Tensor) -> Tensor:
    """Return ``log(1 + e^x)``, the binomial normal log likelihood: a smooth `relu`."""
    # Beyond 50 the two are equal in every precision; torch's own default of 20 is visible in float64.
    return F.softplus(input, threshold=50)


@operation
def clip(input: Tensor, *, minimum: float, maximum: float) -> Tensor:
    """Return each number, at least `minimum` and at most `maximum`."""
    return input.clamp(minimum, maximum)


@operation
def threshold(input: Tensor, *, threshold: float = 0.0) -> Tensor:
    """Return 1 where a number is above the threshold, 0 elsewhere; it has no gradient."""
    return (input > threshold).to(input.dtype)


@operation
def power(input: Tensor, *, power: float = 1.0, scale: float = 1.0, shift: float = 0.0) -> Tensor:
    """Return ``(shift + scale x) ^ power``."""
    base = shift + scale * input
    return base if power == 1 else base.pow(power)


@operation
def exp(input: Tensor, *, base: float | None = None, scale: float = 1.0, shift: float = 0.0) -> Tensor:
    """Return ``base ^ (shift + scale x)``; the base is e unless given."""
    slope = 1.0 if base is None else natural_logarithm(base)
    return torch.exp(slope * shift + slope * scale * input)


@operation
def log(input: Tensor, *, base: float | None = None, scale: float = 1.0, shift: float = 0.0) -> Tensor:
    """Return the logarithm of ``shift + scale x``; the base is e unless given."""
    logarithm = torch.log(shift + scale * input)
    return logarithm if base is None else logarithm / natural_logarithm(base)


@operation
def softmax(input: Tensor, *, axis: int = 1) -> Tensor:
    """Return probabilities: positive and summing to 1 along the axis."""
    require_filled(input, "softmax")
    return F.softmax(input, axis_index(axis, input))
