"""What numbers become codes and codes numbers by, as TensorFlow's kernels compute it, to the last bit.

They have two ways (tensorflow/core/kernels/quantization_utils.h, 2015-): one in single precision for whole tensors
(`numbers_of`, `codes_of`), one in double precision for a number at a time (`decode`, `encode`). In a range that is even
around 0 the last bit of a quotient decides which code 0 has, so that each op needs its own.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from convscope.network.operations.rounding import half_away

SUM_BITS = 32
"""Sums are codes of so many bits, with a sign."""
_BEYOND_SINGLE = 2.0**31 - 128
"""The largest number below 2**31 that single precision has."""


def code_limits(bits: int, signed: bool) -> tuple[int, int]:
    """Return the lowest and the highest code of so many bits.

    >>> code_limits(8, True), code_limits(8, False)
    ((-128, 127), (0, 255))
    """
    return (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)


def straight_through(values: Tensor, rounded: Callable[[Tensor], Tensor]) -> Tensor:
    """Return rounded numbers whose gradient is that of the numbers themselves."""
    return values + (rounded(values) - values).detach()


def quotient(number: float, by: Tensor) -> Tensor:
    """Return the nearest quotient; torch takes a number times 1/`by`, and misses what lies between two codes."""
    return torch.full_like(by, number) / by


def numbers_of(codes: Tensor, low: Tensor, high: Tensor, bits: int, signed: bool) -> Tensor:
    """Return the numbers that codes stand for, by a step in single precision; 0 has to have a code."""
    first, last = code_limits(bits, signed)
    low, high = low.float(), high.float()
    step = ((high - low).double() / (last - first)).float()
    begin = torch.where(high == low, low, half_away(torch.nan_to_num(low / step)) * step)
    return (begin - first * step).to(codes) + codes * step.to(codes)


def codes_of(numbers: Tensor, low: Tensor, high: Tensor, bits: int, signed: bool) -> Tensor:
    """Return the codes that stand for numbers, by a factor in single precision."""
    first, last = code_limits(bits, signed)
    low, width = low.float(), (high.float() - low.float()).double()
    factor = torch.where(width == 0, torch.zeros_like(width), quotient(last - first, width)).float()
    shift = (half_away(low * factor) - first).to(numbers)
    codes = straight_through(numbers * factor.to(numbers), half_away) - shift
    return codes.clamp(first, min(last, _BEYOND_SINGLE))


def decode(codes: Tensor, low: Tensor, high: Tensor, bits: int, signed: bool) -> Tensor:
    """Return the numbers that codes stand for, computed in double precision."""
    step = _range(low, high, bits) / 2.0**bits
    rounded = step.to(codes)
    least = (half_away(torch.nan_to_num(low / rounded)) * rounded).double()  # 0 has to have a code
    numbers = least + (codes.double() - code_limits(bits, signed)[0]) * step
    return torch.where(low == high, low.to(codes), numbers.to(codes))


def encode(values: Tensor, low: Tensor, high: Tensor, bits: int, signed: bool) -> Tensor:
    """Return the codes that stand for numbers, computed in double precision."""
    return code_of(values, low, high, bits, signed).clamp(*code_limits(bits, signed)).to(values)


def code_of(values: Tensor, low: Tensor, high: Tensor, bits: int, signed: bool) -> Tensor:
    """Return the codes of numbers, which may lie beyond those there are."""
    width = _range(low, high, bits)
    factor = torch.where(width == 0, torch.zeros_like(width), quotient(2.0**bits, width))
    first = code_limits(bits, signed)[0]
    return straight_through(values.double() * factor, half_away) - half_away(low.double() * factor) + first


def _range(low: Tensor, high: Tensor, bits: int) -> Tensor:
    """Return how far all codes reach, in TensorFlow's very order: an even range's 0 lies right between two codes."""
    return (high - low).double() * (2.0**bits / (2.0**bits - 1))
