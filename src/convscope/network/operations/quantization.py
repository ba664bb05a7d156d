"""What eight bits do to numbers: rounded and cut off to whole ones, and scaled back; everything stays a float.

Rounding has no slope, so the gradient is taken as if there were none (straight through: Bengio et al., 2013).
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from convscope.errors import InputError
from convscope.network.operations.checks import axis_index, dimensions
from convscope.network.operations.code_numbers import quotient
from convscope.network.operations.registry import operation
from convscope.network.operations.rounding import half_away


@operation(pointwise=True, relevance="passed")
def quantize(
    input: Tensor,
    *,
    scale: Tensor,
    zero: Tensor | None = None,
    step: Tensor | None = None,
    axis: int = 1,
    low: int = 0,
    high: int = 255,
    type: str = "",
    saturate: bool = True,
) -> Tensor:
    """Return the whole numbers from `low` to `high` that stand for the input: ``round(x / scale) + zero``.

    With a `type` they are that small float's numbers instead, as `round_to_type` has them.

    `scale` and `zero` are single numbers, or one for each entry of the axis; so is `step`, which is there where the
    input is a sum of products of whole numbers: what 1 stands for in it. Processors round that whole sum, times
    ``step / scale``; a sum of fractions falls to the other side of a half now and then, and what is behind it with it.
    """
    steps = input / _spread(scale, input, axis)
    if type:
        return round_to_type(steps, type=type, saturate=saturate)
    exact = steps
    if step is not None:
        exact = (input / _spread(step, input, axis)).round() * _spread(step / scale, input, axis)
    rounded = steps + (exact.round() - steps).detach()
    return (rounded if zero is None else rounded + _spread(zero, input, axis)).clamp(low, high)


@operation(relevance="passed")
def dequantize(input: Tensor, *, scale: Tensor, zero: Tensor | None = None, axis: int = 1) -> Tensor:
    """Return what whole numbers stand for: ``(x - zero) scale``."""
    centered = input if zero is None else input - _spread(zero, input, axis)
    return centered * _spread(scale, input, axis)


def _spread(factor: Tensor, input: Tensor, axis: int) -> Tensor:
    if factor.numel() == 1:
        return factor.reshape(())
    at = axis_index(axis, input)
    if factor.dim() == input.dim() > 1 and factor.shape[at]:
        # Blocks of an axis share a scale.
        block = -(-input.shape[at] // factor.shape[at])
        return factor.repeat_interleave(block, at).narrow(at, 0, input.shape[at])
    if factor.dim() != 1 or factor.numel() != input.shape[at]:
        raise InputError(
            f"{dimensions(factor.shape)} scales do not lie along axis {axis} of {dimensions(input.shape)}"
        )
    return torch.reshape(factor, [-1 if index == at else 1 for index in range(input.dim())])


@operation(relevance="passed")
def dynamic_quantize(input: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return codes from 0 to 255 for the range that the input's own numbers have, their scale and their zero point."""
    high, low = input.amax().clamp(min=0), input.amin().clamp(max=0)
    scale = ((high - low) / 255).detach()
    divisor = torch.where(scale == 0, 1.0, scale)
    zero = (-low / divisor).round().clamp(0, 255).detach()
    return quantize(input, scale=divisor, zero=zero), scale, zero


@operation(relevance="passed")
def round_to_steps(
    input: Tensor,
    *limits: Tensor,
    bits: int,
    narrow: bool = False,
    minimum: float = 0.0,
    maximum: float = 0.0,
) -> Tensor:
    """Return the nearest of the evenly spaced numbers from `minimum` to `maximum` that have codes, 0 being one.

    What TensorFlow's training for eight bits puts between layers (Jacob et al., 2018): both ends are moved a little.
    `narrow`: there is one code less. Two further inputs give the limits instead, each one number or one for each entry
    of the last axis; where they are the same number but 0, there are no steps, and NaN comes out as it does there.
    """
    low, high = limits if limits else (input.new_tensor(minimum), input.new_tensor(maximum))
    first, last = int(narrow), 2**bits - 1
    if last <= first or (not limits and not minimum < maximum):
        raise InputError(f"there are no {last - first} steps from {minimum} to {maximum}")
    low, high = low.to(input), high.to(input)
    step, to_one = (high - low) / (last - first), quotient(last - first, high - low)
    zero = half_away(torch.nan_to_num(first - low / step)).clamp(first, last)
    lowest, highest = (first - zero) * step, (last - zero) * step
    inside = torch.maximum(torch.minimum(input, highest), lowest) - lowest
    # Only where both limits are single inputs does TensorFlow divide; the last bit decides between two steps.
    codes = inside / step if limits and not low.dim() else inside * to_one
    codes = codes - (0.5 - lowest * to_one).floor()
    rounded = (codes + ((codes + 0.5).floor() - codes).detach()) * step
    return torch.where((low == 0) & (high == 0), torch.zeros_like(rounded), rounded)


@operation(pointwise=True)
def wrap(input: Tensor, *, bits: int, signed: bool) -> Tensor:
    """Return numbers as a whole type of so few bits keeps them, cut off: what is too large comes around again."""
    count, low = 2**bits, -(2 ** (bits - 1)) if signed else 0
    wide = (
        input.trunc() if bits <= 16 else input.trunc().double()
    )  # floats of 24 bits would lose the last ones on the way
    return (torch.remainder(wide - low, float(count)) + low).to(input.dtype)


@operation
def combine_bits(
    input: Tensor,
    *others: Tensor,
    manner: Literal["and", "or", "xor", "not", "shift_left", "shift_right"],
    bits: int,
    signed: bool,
) -> Tensor:
    """Return whole numbers of so many bits combined bit by bit, or moved by so many; it has no gradient."""
    first, second = input.long(), others[0].long() if others else torch.zeros_like(input).long()
    match manner:
        case "and":
            bits_of_both = first & second
        case "or":
            bits_of_both = first | second
        case "xor":
            bits_of_both = first ^ second
        case "not":
            bits_of_both = ~first
        case "shift_left":
            bits_of_both = torch.where(second < bits, first << second.clamp(max=62), 0)
        case "shift_right":
            bits_of_both = first >> second.clamp(max=62)
    return (
        wrap(bits_of_both, bits=bits, signed=signed).to(input.dtype)
        if bits < 63
        else bits_of_both.to(input.dtype)
    )


@operation(pointwise=True, relevance="passed")
def round_to_type(input: Tensor, *, type: str, saturate: bool = True) -> Tensor:
    """Return the nearest numbers that a small float type has ("float8_e4m3fn", "float4_e2m1fn" ...).

    What is too large becomes the largest there is, or without `saturate` infinite or no number, as the type has it. The
    gradient is taken as if nothing were rounded.
    """
    if type in ("float16", "bfloat16"):
        return input.to(getattr(torch, type)).to(input.dtype)
    if type not in _SMALL_FLOATS:
        raise InputError(f"types to round to are float16, {', '.join(_SMALL_FLOATS)}, not {type!r}")
    largest, mantissa, smallest, beyond = _SMALL_FLOATS[type]
    exponent = torch.frexp(input)[1].clamp(min=smallest)
    step = torch.exp2((exponent - 1 - mantissa).to(input.dtype))
    rounded = (input / step).round() * step
    over = rounded.abs() > largest
    rounded = torch.where(over, torch.sign(input) * (largest if saturate else beyond), rounded)
    if not saturate and beyond != beyond:
        rounded = torch.where(over | input.isinf(), beyond, rounded)
    if type == "float4_e2m1fn":  # it has nothing for what is no number
        rounded = rounded.nan_to_num(0.0)
    through = torch.where(input.isfinite(), input - input.detach(), 0.0)
    return rounded.detach() + through


# The largest number, the bits of the mantissa, the exponent below which steps stay as they are, and what lies beyond.
_SMALL_FLOATS: dict[str, tuple[float, int, int, float]] = {
    "float8_e4m3fn": (448.0, 3, -5, float("nan")),
    "float8_e4m3fnuz": (240.0, 3, -6, float("nan")),
    "float8_e5m2": (57344.0, 2, -13, float("inf")),
    "float8_e5m2fnuz": (57344.0, 2, -14, float("nan")),
    "float4_e2m1fn": (6.0, 1, 1, 6.0),
}
