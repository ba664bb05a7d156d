"""Sums of what codes of two ranges stand for, codes themselves: 32 bits of a range that has room for them."""

from __future__ import annotations

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
)
from convscope.network.operations.registry import operation
from convscope.network.operations.shape_rules import single_number_shape, stretched_shape


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
    room: int = 14,
) -> Tensor:
    """Return codes, in the range of `sum_end`, of the sums of what two inputs' codes stand for.

    One more in an input's code is a whole number of codes more in the sum, except where the input is a single code.
    """
    ends = low, high, other_low, other_high
    least, most = sum_end(*ends, room=room), sum_end(*ends, room=room, upper=True)
    terms = [
        _term((input, low, high), (least, most), bits[0], signed[0], single=input.numel() == 1),
        _term(
            (other, other_low, other_high),
            (least, most),
            bits[1],
            signed[1],
            single=other.numel() == 1 and input.numel() > 1,
        ),
    ]
    return terms[0] + terms[1]


def _term(
    coded: tuple[Tensor, Tensor, Tensor],
    ends: tuple[Tensor, Tensor],
    bits: int,
    signed: bool,
    *,
    single: bool,
) -> Tensor:
    codes, low, high = coded
    if single:
        return encode(decode(codes, low, high, bits, signed), *ends, SUM_BITS, True)
    two = torch.arange(2, dtype=codes.dtype, device=codes.device)
    zeroth, first = code_of(decode(two, low, high, bits, signed), *ends, SUM_BITS, True)
    sums: Tensor = zeroth + codes.double() * (first - zeroth)
    return sums.clamp(*code_limits(SUM_BITS, True)).to(codes)


@operation(shape=stretched_shape)
def add_bias_codes(
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
    """Return codes, in the range of `sum_end`, of a layer's numbers and its bias.

    In single precision 0 is up to 256 codes beside 0 there, which TensorFlow's numbers have in them.
    """
    ends = low, high, other_low, other_high
    least, most = sum_end(*ends, room=room), sum_end(*ends, room=room, upper=True)
    first, second = (
        codes_of(numbers_of(codes, *of, bits[at], signed[at]), least, most, SUM_BITS, True)
        for at, (codes, of) in enumerate(((input, ends[:2]), (other, ends[2:])))
    )
    return first + (second + encode(torch.zeros_like(least), least, most, SUM_BITS, True))
