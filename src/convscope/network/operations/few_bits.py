"""What networks trained for a few bits do to numbers: rounded to what those bits can say, and floats all the same.

Rounding has no slope, so the gradient is taken as if there were none, and none where it is cut off (Hubara et al.,
*Binarized Neural Networks*, 2016).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from convscope.errors import InputError
from convscope.network.operations.registry import operation
from convscope.network.operations.rounding import half_away

ROUNDINGS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "ROUND": torch.round,
    "HALF_EVEN": torch.round,
    "CEIL": torch.ceil,
    "FLOOR": torch.floor,
    "UP": lambda values: values.sign() * values.abs().ceil(),
    "DOWN": torch.trunc,
    "HALF_UP": half_away,
    "HALF_DOWN": lambda values: values.sign() * (values.abs() - 0.5).ceil(),
    "SIGN": lambda values: torch.where(values >= 0, 1.0, -1.0).to(values.dtype),
}
"""QONNX's names for how a number between two whole ones is rounded; UP and DOWN are from 0 and to it."""


@operation(pointwise=True, relevance="passed")
def round_to_bits(
    input: Tensor,
    *,
    scale: Tensor,
    zero: Tensor | None = None,
    low: float,
    high: float,
    rounding: str = "ROUND",
) -> Tensor:
    """Return the nearest numbers that whole ones from `low` to `high` stand for: ``(whole - zero) scale``.

    `scale` and `zero` are spread over the input as in a sum. Rounding to a "SIGN" gives -1 and 1.
    """
    codes = input / scale if zero is None else input / scale + zero
    rounded = _straight_through(codes.clamp(low, high), rounding)
    return (rounded if zero is None else rounded - zero) * scale


@operation(pointwise=True, relevance="passed")
def round_to_digits(
    input: Tensor,
    *,
    scale: Tensor,
    digits: int,
    smallest: int,
    largest: float,
    rounding: str = "ROUND",
) -> Tensor:
    """Return the nearest floats that have so many binary `digits` behind the first, up to `largest`, times the scale.

    Below two to the power of `smallest` the steps stay as they are there.
    """
    numbers = input / scale
    exponent = torch.frexp(numbers)[1].to(numbers.dtype) - 1
    step = torch.exp2(exponent.clamp(min=smallest) - digits)
    return (_straight_through(numbers / step, rounding) * step).clamp(-largest, largest) * scale


def _straight_through(values: Tensor, rounding: str) -> Tensor:
    if rounding not in ROUNDINGS:
        raise InputError(f"numbers are rounded by {', '.join(ROUNDINGS)}, not {rounding!r}")
    through = torch.where(
        values.isfinite(), values - values.detach(), 0.0
    )  # infinite less infinite is no number
    return ROUNDINGS[rounding](values).detach() + through
