"""What is done to each number by itself."""

from __future__ import annotations

from math import log as natural_logarithm
from typing import Literal

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from convscope.errors import InputError
from convscope.network.operations.checks import axis_index, dimensions, require_filled
from convscope.network.operations.registry import operation
from convscope.network.operations.shape_rules import softmax_shape


@operation(pointwise=True, relevance="passed", activation=True)
def relu(input: Tensor, *, negative_slope: float = 0.0) -> Tensor:
    """Return positive numbers as they are, negative ones times `negative_slope`."""
    return F.leaky_relu(input, negative_slope) if negative_slope else F.relu(input)


@operation(relevance="passed", activation=True)
def prelu(input: Tensor, *, weight: Tensor) -> Tensor:
    """Return `relu` with a learned slope, one a channel or a single one for all (He et al., 2015)."""
    if weight.numel() != 1 and (input.dim() < 2 or weight.numel() != input.shape[1]):
        problem = f"the input is {dimensions(input.shape)}"
        raise InputError(f"prelu has slopes for {weight.numel()} channels, {problem}")
    return F.prelu(input, weight.reshape(-1))


@operation(pointwise=True, relevance="passed", activation=True)
def elu(input: Tensor, *, alpha: float = 1.0, scale: float = 1.0) -> Tensor:
    """Return ``scale x`` above 0 and ``scale alpha (e^x - 1)`` below (Clevert et al., 2015)."""
    return F.elu(input, alpha) if scale == 1 else scale * F.elu(input, alpha)


@operation(pointwise=True, relevance="passed", activation=True)
def swish(input: Tensor, *, beta: float = 1.0) -> Tensor:
    """Return ``x sigmoid(beta x)`` (Ramachandran et al., 2017)."""
    return input * torch.sigmoid(beta * input)


@operation(pointwise=True, part="probabilities", relevance="passed", activation=True)
def sigmoid(input: Tensor) -> Tensor:
    """Return ``1 / (1 + e^-x)``, between 0 and 1."""
    return torch.sigmoid(input)


@operation(pointwise=True, relevance="passed", activation=True)
def tanh(input: Tensor) -> Tensor:
    """Return the hyperbolic tangent, between -1 and 1."""
    return torch.tanh(input)


@operation(pointwise=True, relevance="passed")
def absolute(input: Tensor) -> Tensor:
    """Return each number without its sign."""
    return input.abs()


@operation(pointwise=True, relevance="passed")
def bnll(input: Tensor) -> Tensor:
    """Return ``log(1 + e^x)``, the binomial normal log likelihood: a smooth `relu`."""
    # Beyond 50 the two are equal in every precision; torch's own default of 20 is visible in float64.
    return F.softplus(input, threshold=50)


@operation(pointwise=True, relevance="passed", activation=True)
def clip(input: Tensor, *, minimum: float, maximum: float) -> Tensor:
    """Return each number, at least `minimum` and at most `maximum`."""
    return input.clamp(minimum, maximum)


@operation(pointwise=True, relevance="passed", activation=True)
def gelu(input: Tensor, *, approximate: Literal["none", "tanh"] = "none") -> Tensor:
    """Return ``x`` times the share of a normal distribution below it (Hendrycks and Gimpel, 2016)."""
    return F.gelu(input, approximate=approximate)


@operation(pointwise=True, relevance="passed", activation=True)
def selu(input: Tensor) -> Tensor:
    """Return ``1.0507 elu(x)`` with alpha 1.67326, which keeps mean 0 and variance 1 (Klambauer et al., 2017)."""
    return F.selu(input)


@operation(pointwise=True, relevance="passed", activation=True)
def mish(input: Tensor) -> Tensor:
    """Return ``x tanh(log(1 + e^x))`` (Misra, 2019)."""
    return F.mish(input)


@operation(pointwise=True, relevance="passed")
def softsign(input: Tensor) -> Tensor:
    """Return ``x / (1 + |x|)``, between -1 and 1."""
    return F.softsign(input)


@operation(pointwise=True, relevance="passed", activation=True)
def hard_sigmoid(input: Tensor, *, alpha: float = 1 / 6, beta: float = 0.5) -> Tensor:
    """Return ``alpha x + beta``, at least 0 and at most 1: a sigmoid out of straight lines."""
    return (alpha * input + beta).clamp(0, 1)


@operation(pointwise=True, relevance="passed", activation=True)
def hard_swish(input: Tensor) -> Tensor:
    """Return ``x hard_sigmoid(x)`` (Howard et al., *Searching for MobileNetV3*, 2019)."""
    return F.hardswish(input)


@operation(pointwise=True)
def erf(input: Tensor) -> Tensor:
    """Return the error function, of which `gelu` is made."""
    return torch.erf(input)


@operation(pointwise=True)
def sine(input: Tensor) -> Tensor:
    """Return the sine."""
    return torch.sin(input)


@operation(pointwise=True)
def cosine(input: Tensor) -> Tensor:
    """Return the cosine."""
    return torch.cos(input)


@operation(pointwise=True)
def round_off(input: Tensor, *, to: Literal["nearest", "floor", "ceil", "trunc"] = "nearest") -> Tensor:
    """Return whole numbers; of two equally near ones the even one. It has no gradient."""
    return {"nearest": torch.round, "floor": torch.floor, "ceil": torch.ceil, "trunc": torch.trunc}[to](input)


@operation(pointwise=True)
def sign(input: Tensor) -> Tensor:
    """Return 1 for positive numbers, -1 for negative ones, 0 for 0; it has no gradient."""
    return torch.sign(input)


@operation(pointwise=True)
def threshold(input: Tensor, *, threshold: float = 0.0) -> Tensor:
    """Return 1 where a number is above the threshold, 0 elsewhere; it has no gradient."""
    return (input > threshold).to(input.dtype)


@operation(pointwise=True, relevance="passed")
def power(input: Tensor, *, power: float = 1.0, scale: float = 1.0, shift: float = 0.0) -> Tensor:
    """Return ``(shift + scale x) ^ power``."""
    base = shift + scale * input
    return base if power == 1 else base.pow(power)


@operation(pointwise=True)
def exp(input: Tensor, *, base: float | None = None, scale: float = 1.0, shift: float = 0.0) -> Tensor:
    """Return ``base ^ (shift + scale x)``; the base is e unless given."""
    slope = 1.0 if base is None else natural_logarithm(base)
    return torch.exp(slope * shift + slope * scale * input)


@operation(pointwise=True)
def log(input: Tensor, *, base: float | None = None, scale: float = 1.0, shift: float = 0.0) -> Tensor:
    """Return the logarithm of ``shift + scale x``; the base is e unless given."""
    logarithm = torch.log(shift + scale * input)
    return logarithm if base is None else logarithm / natural_logarithm(base)


@operation(shape=softmax_shape, part="probabilities", relevance="passed")
def softmax(input: Tensor, *, axis: int = 1, to_the_end: bool = False) -> Tensor:
    """Return probabilities: positive and summing to 1 along the axis, or over all axes from it `to_the_end`."""
    require_filled(input, "softmax")
    at = axis_index(axis, input)
    if to_the_end:
        return F.softmax(input.flatten(at), at).reshape(input.shape)
    return F.softmax(input, at)


@operation(shape=softmax_shape, part="log_probabilities", relevance="passed")
def log_softmax(input: Tensor, *, axis: int = 1, to_the_end: bool = False) -> Tensor:
    """Return the logarithm of what `softmax` gives."""
    require_filled(input, "softmax")
    at = axis_index(axis, input)
    if to_the_end:
        return F.log_softmax(input.flatten(at), at).reshape(input.shape)
    return F.log_softmax(input, at)


@operation(relevance="passed")
def sloped_relu(input: Tensor, *, slopes: Tensor) -> Tensor:
    """Return what is above 0 as it is and what is below times its slope; slopes of size 1 along an axis are shared."""
    return input.clamp(min=0) + slopes * input.clamp(max=0)


@operation(pointwise=True, relevance="passed")
def thresholded_relu(
    input: Tensor, *, threshold: float, negative_slope: float = 0.0, maximum: float | None = None
) -> Tensor:
    """Return what is above the threshold, at most `maximum`; below it, the distance to it times the slope (Keras)."""
    above = input * (input > threshold).to(input.dtype)
    above = above if maximum is None else above.clamp(0.0, maximum)
    return above - negative_slope * (threshold - input).clamp(min=0)


@operation(pointwise=True, relevance="passed")
def celu(input: Tensor, *, alpha: float = 1.0) -> Tensor:
    """Return ``x`` above 0 and ``alpha (e^(x / alpha) - 1)`` below (Barron, 2017)."""
    return F.celu(input, alpha)


@operation(pointwise=True, relevance="passed")
def shrink(input: Tensor, *, threshold: float = 0.5, shift: float = 0.0) -> Tensor:
    """Return each number moved by `shift` towards 0, and 0 for those within `threshold` of it."""
    return torch.where(input.abs() > threshold, input - shift * input.detach().sign(), 0.0)


@operation(pointwise=True)
def is_nan(input: Tensor) -> Tensor:
    """Return 1 for what is no number and 0 elsewhere; it has no gradient."""
    return input.isnan().to(input.dtype)


@operation(pointwise=True)
def is_infinite(input: Tensor, *, negative: bool = True, positive: bool = True) -> Tensor:
    """Return 1 for numbers that are infinite, of the signs asked for, and 0 elsewhere; it has no gradient."""
    return ((input.isneginf() & negative) | (input.isposinf() & positive)).to(input.dtype)


@operation(pointwise=True)
def is_finite(input: Tensor) -> Tensor:
    """Return 0 for what is infinite or no number and 1 elsewhere; it has no gradient."""
    return input.isfinite().to(input.dtype)


@operation(relevance="passed")
def dropout_mask(input: Tensor) -> tuple[Tensor, Tensor]:
    """Return the input and a mask of ones: what dropout does, and says that it did, outside training."""
    return input, torch.ones_like(input)


@operation(pointwise=True, relevance="passed")
def squareplus(input: Tensor, *, b: float = 4.0) -> Tensor:
    """Return ``(x + sqrt(x^2 + b)) / 2``, a smooth `relu` (Barron, 2021)."""
    return (input + (input.square() + b).sqrt()) / 2


@operation(pointwise=True, relevance="passed")
def sparse_plus(input: Tensor) -> Tensor:
    """Return 0 below -1, ``x`` above 1, and ``(x + 1)^2 / 4`` between (Keras)."""
    return torch.where(input >= 1, input, (input.clamp(-1, 1) + 1).square() / 4)


@operation(pointwise=True, relevance="passed")
def tanh_shrink(input: Tensor) -> Tensor:
    """Return ``x - tanh(x)``."""
    return input - torch.tanh(input)
