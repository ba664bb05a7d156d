"""Whole numbers for a range, lowest to highest: TensorFlow's three modes, both ways; everything stays a float.

"MIN_COMBINED" lays the range's ends on the lowest and the highest code, "MIN_FIRST" moves it so that 0 is a code, and
"SCALED" has 0 at code 0 and no offset (the documentation of ``tf.quantization.quantize``). Rounding has no slope; the
gradient is taken as if there were none.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from convscope.errors import InputError
from convscope.network.operations.checks import axis_index
from convscope.network.operations.code_numbers import (
    SUM_BITS,
    code_limits,
    codes_of,
    numbers_of,
    quotient,
    straight_through,
)
from convscope.network.operations.registry import operation
from convscope.network.operations.rounding import half_away

Mode = Literal["MIN_COMBINED", "MIN_FIRST", "SCALED"]
MODES = ("MIN_COMBINED", "MIN_FIRST", "SCALED")


@operation(sees="first")
def quantize_range(
    input: Tensor,
    low: Tensor,
    high: Tensor,
    *,
    mode: Mode = "MIN_COMBINED",
    bits: int = 8,
    signed: bool = False,
    narrow: bool = False,
    axis: int | None = None,
    to_even: bool = False,
    widen: float = 0.01,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the codes that stand for the input, and the range that these are of.

    The range takes 0 in, and is made `widen` times the larger end (at least 1) wide. `low` and `high` are single
    numbers, or one for each entry of the axis.
    """
    first, last = code_limits(bits, signed)
    least = torch.clamp(low, max=0.0)
    room = torch.maximum(torch.maximum(low.abs(), high.abs()), torch.ones_like(low)) * widen
    most = torch.clamp(torch.maximum(high, least + room), min=0.0)
    if mode == "SCALED":
        first += narrow
        scale = _finest(first, last, least, most)
        least, most = (_flushed(quotient(end, scale)) for end in (first, last))
    a, b = _along(least, input, axis), _along(most, input, axis)
    if mode == "MIN_FIRST":
        return codes_of(input, a, b, bits, signed), least, most
    inside = torch.minimum(torch.maximum(input, a), b)
    if mode == "MIN_COMBINED":
        offset = (last - first + 1) / 2 if signed else 0.0
        places = (inside - a) * quotient(last - first, b - a) - offset
    else:
        places = inside * _along(scale, input, axis)
    codes = straight_through(places, _rounding(mode, signed, to_even))
    lowest, highest = code_limits(bits, signed)
    if (
        bits == SUM_BITS
    ):  # the highest is 2**31 in single precision, which has no code: it comes out as the lowest
        return torch.where(codes.float() >= highest, torch.full_like(codes, lowest), codes), least, most
    return codes.clamp(lowest, highest), least, most


@operation(sees="first")
def dequantize_range(
    codes: Tensor,
    low: Tensor,
    high: Tensor,
    *,
    mode: Mode = "MIN_COMBINED",
    bits: int = 8,
    signed: bool = False,
    narrow: bool = False,
    axis: int | None = None,
) -> Tensor:
    """Return the numbers that codes stand for, between `low` and `high`: what `quantize_range` undoes."""
    first, last = code_limits(bits, signed)
    a, b = _along(low, codes, axis), _along(high, codes, axis)
    if mode == "MIN_COMBINED":
        offset = (last - first + 1) / 2 if signed else 0.0
        return (codes + offset) * ((b - a) / (last - first)) + a
    if mode == "MIN_FIRST":
        return numbers_of(codes, a, b, bits, signed)
    if mode != "SCALED":
        raise InputError(f"a range is coded in one of the modes {', '.join(MODES)}, not {mode!r}")
    return codes * (torch.maximum(a / (first + narrow), b / last) if signed else b / last)


@operation
def round_to_range(
    input: Tensor,
    *limits: Tensor,
    bits: int = 8,
    signed: bool = True,
    narrow: bool = False,
    axis: int | None = None,
    to_even: bool = True,
) -> Tensor:
    """Return the input rounded to the numbers that codes of so many bits stand for, 0 at code 0.

    Two further inputs are the lowest and the highest number; without them they are the input's own, of the whole of it
    or of each entry of the axis.
    """
    first, last = code_limits(bits, signed)
    first += narrow and signed
    if limits:
        low, high = limits
    else:
        others = [at for at in range(input.dim()) if axis is None or at != axis_index(axis, input)]
        low, high = input.amin(others), input.amax(others)
    scale = _finest(first, last, low, high)
    places = input
    if limits:
        ends = [_along(end, input, axis) for end in (quotient(first, scale), quotient(last, scale))]
        places = torch.minimum(torch.maximum(input, ends[0]), ends[1])
    scale = _along(scale, input, axis)
    return straight_through(places * scale, torch.round if to_even else _half_up) / scale


@operation(sees="first")
def round_by_largest(input: Tensor, *, axis: int = -1, steps: int = 127) -> Tensor:
    """Return the input rounded, along an axis, to so many steps from 0 to its largest size there: Keras's int8."""
    largest = input.detach().abs().amax(axis_index(axis, input), keepdim=True)
    scale = quotient(steps, largest + 1e-7)
    return straight_through(input * scale, torch.round).clamp(-steps, steps) / scale


def _flushed(ends: Tensor) -> Tensor:
    """TensorFlow takes numbers with fewer bits than usual, as 1 over the largest one, for 0."""
    return torch.where(ends.abs() < torch.finfo(ends.dtype).tiny, torch.zeros_like(ends), ends)


def _rounding(mode: Mode, signed: bool, to_even: bool) -> Callable[[Tensor], Tensor]:
    """TensorFlow adds a half and cuts off where there is no sign: what is next to a half is one in single precision."""
    if mode == "MIN_COMBINED" and not signed:
        return _half_up
    return torch.round if to_even else half_away


def _half_up(values: Tensor) -> Tensor:
    return (values + 0.5).floor()


def _finest(first: int, last: int, low: Tensor, high: Tensor) -> Tensor:
    """Return how many codes there are to 1 when both ends of a range have one, and 0 is code 0."""
    endless = torch.full_like(low, torch.finfo(low.dtype).max)
    below = torch.where(first * low > 0, quotient(first, low), endless)
    above = torch.where(last * high > 0, quotient(last, high), endless)
    return torch.minimum(below, above)


def _along(ends: Tensor, input: Tensor, axis: int | None) -> Tensor:
    """Return one number, or one for each entry of the axis, so that it stretches to the input."""
    if ends.numel() == 1:
        return ends.reshape(())
    if axis is None or ends.numel() != input.shape[axis_index(axis, input)]:
        raise InputError(f"{ends.numel()} ranges do not lie along an axis of {tuple(input.shape)}")
    at = axis_index(axis, input)
    return torch.reshape(ends, [-1 if index == at else 1 for index in range(input.dim())])
