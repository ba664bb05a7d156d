"""Arithmetic with codes, whole numbers that stand for a range from `low` to `high`; 0 always has a code of its own.

As TensorFlow's ``Quantized...`` ops do it (tensorflow/core/kernels/quantization_utils.h, 2015-), each code is theirs.
Everything stays a float here, and the gradient is taken as if nothing were rounded. Where a range
is measured on the way, each place depends on the whole map by it; receptive fields leave that out.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from convscope.network.operations.code_numbers import (
    SUM_BITS,
    code_limits,
    code_of,
    codes_of,
    decode,
    encode,
    numbers_of,
    quotient,
    straight_through,
)
from convscope.network.operations.registry import operation
from convscope.network.operations.rounding import half_away
from convscope.network.operations.shape_rules import same_shape, single_number_shape, stretched_shape

_ROOM_OF_NORMALIZED = 2.0**20
_FRACTION = 2.0**16


@operation(sees="first", shape=stretched_shape)
def centered_codes(
    input: Tensor, low: Tensor, high: Tensor, *, bits: int = 8, signed: bool = False
) -> Tensor:
    """Return how far each code is from the one that stands for 0."""
    return input - code_of(torch.zeros_like(low), low, high, bits, signed).to(input)


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
    zero = code_of(torch.zeros_like(low), low, high, bits, signed).clamp(first, last).to(input)
    if not limit and not most:
        return torch.maximum(input, zero)
    end = limit[0] if limit else torch.full_like(low, most)
    return torch.minimum(
        torch.maximum(input, zero), code_of(end, low, high, bits, signed).clamp(first, last).to(input)
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
    bits_before: int = SUM_BITS,
    signed_before: bool = True,
) -> Tensor:
    """Return codes of the range `low` to `high` as codes of the range `least` to `most`."""
    if bits_before == SUM_BITS and (bits, signed) == (8, False):
        return _sums_to_codes(input, (low, high), (least, most))
    numbers = numbers_of(input, low, high, bits_before, signed_before)
    codes = codes_of(numbers, least, most, bits, signed)
    return torch.where((low == least) & (high == most), input, codes)


def _sums_to_codes(input: Tensor, ends: tuple[Tensor, Tensor], new_ends: tuple[Tensor, Tensor]) -> Tensor:
    """Return sums, codes of 32 bits, as codes of eight: by whole numbers whose last 16 bits are the fraction."""
    (low, high), (least, most) = ends, new_ends
    width, wanted = (high - low).double(), (most - least).double()
    flat = wanted == 0
    to_one = torch.where(flat, torch.zeros_like(wanted), quotient(255.0, wanted))
    middle = ((low + high) / 2.0 * to_one.to(low) * _FRACTION).double().trunc()
    factor = torch.where(flat, flat.double(), 255.0 * _FRACTION * width / wanted).trunc()
    begin = torch.where(flat, flat.double(), half_away(_FRACTION * (least.double() * 255.0) / wanted))
    moved = middle - begin + _FRACTION / 2
    places = input.double() * factor / 2.0**SUM_BITS
    whole = (
        input.detach().long() * factor.long()
    ) >> SUM_BITS  # of 64 bits, which a far narrower range overflows
    rounded = places + (whole - places).detach() + moved
    return straight_through(rounded / _FRACTION, torch.floor).clamp(0, 255).to(input)


@operation
def range_of_codes(
    input: Tensor, low: Tensor, high: Tensor, *, bits: int = SUM_BITS, signed: bool = True
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
    return step * float(code_limits(SUM_BITS, True)[upper])


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
    factor = quotient(last, torch.maximum(low.abs(), high.abs()))
    return straight_through(input * factor, torch.round).clamp(first, last)


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
    return codes_of(normalized, least, most, 8, False), least, most


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
        encode(value, least, -least, SUM_BITS, True) for value in (values, factor, shift - mean * factor)
    ]
    one = encode(torch.ones_like(least), least, -least, SUM_BITS, True)
    products = coded[0].double() * coded[1].double() / one.double()
    return straight_through(products, torch.trunc).to(input) + coded[2], least, -least


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
