"""Arithmetic with codes, whole numbers that stand for a range from `low` to `high`; 0 always has a code of its own.

As TensorFlow's ``Quantized...`` ops do it (tensorflow/core/kernels/quantization_utils.h, 2015-): each result is within
one step of theirs. Everything stays a float here, and the gradient is taken as if nothing were rounded. Where a range
is measured on the way, each place depends on the whole map by it; receptive fields leave that out.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from convscope.network.operations.ranges import code_limits, straight_through
from convscope.network.operations.registry import operation
from convscope.network.operations.rounding import half_away
from convscope.network.operations.shape_rules import same_shape, single_number_shape, stretched_shape

_SUM_BITS = 32
_ROOM_OF_NORMALIZED = 2.0**20


@operation(sees="first", shape=stretched_shape)
def centered_codes(
    input: Tensor, low: Tensor, high: Tensor, *, bits: int = 8, signed: bool = False
) -> Tensor:
    """Return how far each code is from the one that stands for 0."""
    return input - _code_of(torch.zeros_like(low), low, high, bits, signed).to(input)


@operation(sees="first", shape=stretched_shape)
def clip_codes(
    input: Tensor,
    low: Tensor,
    high: Tensor,
    *limit: Tensor,
    bits: int = 8,
    signed: bool = False,
    most: float = 0.0,
) -> Tensor:
    """Return codes that stand for nothing below 0, nor above `most` (or the further input) where that is not 0."""
    first, last = code_limits(bits, signed)
    zero = _code_of(torch.zeros_like(low), low, high, bits, signed).clamp(first, last).to(input)
    if not limit and not most:
        return torch.maximum(input, zero)
    end = limit[0] if limit else torch.full_like(low, most)
    return torch.minimum(
        torch.maximum(input, zero), _code_of(end, low, high, bits, signed).clamp(first, last).to(input)
    )


@operation(sees="first", shape=stretched_shape)
def requantize(
    input: Tensor,
    low: Tensor,
    high: Tensor,
    least: Tensor,
    most: Tensor,
    *,
    bits: int = 8,
    signed: bool = False,
    bits_before: int = _SUM_BITS,
    signed_before: bool = True,
) -> Tensor:
    """Return codes of the range `low` to `high` as codes of the range `least` to `most`."""
    if bits_before < _SUM_BITS:
        return _encode(decode(input, low, high, bits_before, signed_before), least, most, bits, signed)
    first, last = code_limits(bits, signed)  # sums go by whole numbers there, and the range is not moved
    numbers = input * ((high - low) / 2.0**_SUM_BITS) + (low + high) / 2
    places = (numbers - least) * _codes_to_one(least, most, bits).to(input) + first
    return straight_through(places, lambda at: (at + 0.5).floor()).clamp(first, last)


@operation
def range_of_codes(
    input: Tensor, low: Tensor, high: Tensor, *, bits: int = _SUM_BITS, signed: bool = True
) -> tuple[Tensor, Tensor]:
    """Return the lowest and the highest number that a batch's codes stand for; 0 is among what lies between."""
    if input.is_meta:  # of many small steps torch would work out every shape
        return torch.empty_like(low), torch.empty_like(high)
    least, most = (decode(end, low, high, bits, signed) for end in (input.amin(), input.amax()))
    return least.clamp(max=0.0), most


@operation(shape=stretched_shape)
def product_end(
    low: Tensor,
    high: Tensor,
    other_low: Tensor,
    other_high: Tensor,
    *,
    bits: tuple[int, int] = (8, 8),
    signed: tuple[bool, bool] = (False, False),
    upper: bool = False,
    even: bool = False,
) -> Tensor:
    """Return one end of the range that products of centered codes of two ranges are codes of.

    `even`: codes with a sign go as far to both sides, so that there is one less.
    """
    step = _product_step((low, high), (other_low, other_high), bits, [even and sign for sign in signed])
    return step * float(code_limits(_SUM_BITS, True)[upper])


@operation(sees="first", shape=stretched_shape)
def products(
    input: Tensor,
    low: Tensor,
    high: Tensor,
    other_low: Tensor,
    other_high: Tensor,
    *,
    bits: tuple[int, int] = (8, 8),
    signed: tuple[bool, bool] = (False, False),
) -> Tensor:
    """Return the numbers that sums of products of codes of two even ranges stand for, along the last axis."""
    return input * _product_step((low, high), (other_low, other_high), bits, signed)


@operation(sees="first", shape=stretched_shape)
def product_codes(
    input: Tensor,
    low: Tensor,
    high: Tensor,
    other_low: Tensor,
    other_high: Tensor,
    *,
    bits: tuple[int, int] = (8, 8),
    signed: tuple[bool, bool] = (False, False),
) -> Tensor:
    """Return the sums of products of codes that stand for numbers: what `products` undoes."""
    step = _product_step((low, high), (other_low, other_high), bits, signed)
    return straight_through(input / step, torch.round)


@operation(sees="first", shape=stretched_shape)
def scaled_codes(input: Tensor, low: Tensor, high: Tensor, *, bits: int = 8, signed: bool = False) -> Tensor:
    """Return codes of a range whose larger end has the last code, and 0 the code 0."""
    first, last = code_limits(bits, signed)
    factor = last / torch.maximum(low.abs(), high.abs())
    return straight_through(input * factor, torch.round).clamp(first, last)


@operation(shape=single_number_shape)
def sum_end(
    low: Tensor, high: Tensor, other_low: Tensor, other_high: Tensor, *, room: int = 17, upper: bool = False
) -> Tensor:
    """Return one end of the range that sums of numbers of two ranges are coded in: 2**room times the widest end."""
    widest = torch.stack([end.reshape(()) for end in (-low, high, -other_low, other_high)]).amax()
    return widest * (2.0**room if upper else -(2.0**room))


@operation(shape=stretched_shape)
def add_codes(
    input: Tensor,
    other: Tensor,
    low: Tensor,
    high: Tensor,
    other_low: Tensor,
    other_high: Tensor,
    *,
    bits: tuple[int, int] = (8, 8),
    signed: tuple[bool, bool] = (False, False),
    room: int = 17,
) -> Tensor:
    """Return codes, in the range of `sum_end`, of the sums of what two inputs' codes stand for."""
    ends = low, high, other_low, other_high
    least, most = sum_end(*ends, room=room), sum_end(*ends, room=room, upper=True)
    first = decode(input, low, high, bits[0], signed[0])
    second = decode(other, other_low, other_high, bits[1], signed[1])
    return _encode(first, least, most, _SUM_BITS, True) + _encode(second, least, most, _SUM_BITS, True)


@operation(shape=single_number_shape)
def joint_end(*ends: Tensor, signed: bool = False, upper: bool = False) -> Tensor:
    """Return one end of the range that takes several in: their lower ends come first, then their upper ends."""
    all_ends = torch.stack([end.reshape(()) for end in ends])
    half = len(ends) // 2
    least, most = all_ends[:half].amin(), all_ends[half:].amax()
    if signed:
        most = torch.maximum(least.abs(), most.abs())
        least = -most
    return most if upper else least


@operation(shape=same_shape)
def whole_codes(input: Tensor, *, down: bool = False) -> Tensor:
    """Return the nearest whole codes, or the next ones toward 0."""
    return straight_through(input, torch.trunc if down else half_away)


@operation
def normalize_codes(
    input: Tensor,
    low: Tensor,
    high: Tensor,
    *,
    epsilon: float = 1e-5,
    separation: float = 1e-3,
    limits: tuple[float, float] | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the codes of each channel (the last axis) with mean 0 and variance 1, and the range they are of.

    The range is the normalized numbers' own, or `limits`; at least `separation` wide.
    """
    step = _step(low, high, 8)
    centered = step * (input - input.mean((1, 2), keepdim=True))
    normalized = centered * (centered.square().mean((1, 2), keepdim=True) + epsilon).rsqrt()
    least, most = (
        (normalized.amin(), normalized.amax()) if limits is None else map(normalized.new_tensor, limits)
    )
    most = torch.where(most - least < separation, least + separation, most)
    return _encode(normalized, least, most, 8, False), least, most


@operation
def batch_norm_codes(
    input: Tensor, *numbers: Tensor, epsilon: float = 1e-3, scaled: bool = False
) -> tuple[Tensor, Tensor, Tensor]:
    """Return codes of 32 bits of batch-normalized codes, and their range.

    The range's ends come next, then codes and ends of mean, variance, shift and scale.
    """
    all_numbers = (input, *numbers)
    values, mean, variance, shift, scale = (
        decode(codes, low, high, 8, False)
        for codes, low, high in zip(all_numbers[::3], all_numbers[1::3], all_numbers[2::3], strict=True)
    )
    factor = (variance + epsilon).rsqrt() * (scale if scaled else 1.0)
    least = input.new_tensor(-_ROOM_OF_NORMALIZED)
    coded = [
        _encode(value, least, -least, _SUM_BITS, True) for value in (values, factor, shift - mean * factor)
    ]
    one = _encode(torch.ones_like(least), least, -least, _SUM_BITS, True)
    products = coded[0] * coded[1] / one
    return straight_through(products, torch.trunc) + coded[2], least, -least


def decode(codes: Tensor, low: Tensor, high: Tensor, bits: int, signed: bool) -> Tensor:
    """Return the numbers that codes stand for."""
    step = _range(low, high, bits) / 2.0**bits
    rounded = step.float()
    least = half_away(torch.nan_to_num(low.float() / rounded)).double() * rounded  # 0 has to have a code
    offset = least - code_limits(bits, signed)[0] * step  # of 32 bits it is half a code, as it is there
    return torch.where(low == high, low.to(codes), codes * step.to(codes) + offset.to(codes))


def _encode(values: Tensor, low: Tensor, high: Tensor, bits: int, signed: bool) -> Tensor:
    factor = _codes_to_one(low, high, bits)
    offset = (code_limits(bits, signed)[0] - half_away(low.double() * factor)).to(values)
    return (straight_through(values * factor.to(values), half_away) + offset).clamp(
        *code_limits(bits, signed)
    )


def _code_of(value: Tensor, low: Tensor, high: Tensor, bits: int, signed: bool) -> Tensor:
    """Return the code of a number, which may lie beyond those there are."""
    factor = _codes_to_one(low, high, bits)
    return (
        half_away(value.double() * factor) - half_away(low.double() * factor) + code_limits(bits, signed)[0]
    )


def _codes_to_one(low: Tensor, high: Tensor, bits: int) -> Tensor:
    width = _range(low, high, bits)
    return torch.where(width == 0, torch.zeros_like(width), 2.0**bits / width)


def _range(low: Tensor, high: Tensor, bits: int) -> Tensor:
    """Return how far all codes reach, in TensorFlow's very order: an even range's 0 lies right between two codes."""
    return (high - low).double() * (2.0**bits / (2.0**bits - 1))


def _product_step(
    ends: tuple[Tensor, Tensor],
    other_ends: tuple[Tensor, Tensor],
    bits: tuple[int, int],
    even: Sequence[bool],
) -> Tensor:
    """Return what one more in a product of codes of two ranges stands for."""
    return _step(*ends, bits[0], even[0]) * _step(*other_ends, bits[1], even[1])


def _step(low: Tensor, high: Tensor, bits: int, even: bool = False) -> Tensor:
    return (high - low) / (2.0**bits - 1 - even)
