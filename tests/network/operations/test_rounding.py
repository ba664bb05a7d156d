"""Halves away from 0, beside exact decimal arithmetic."""

from decimal import ROUND_HALF_UP, Decimal

import numpy as np
import torch

from convscope.network.operations.rounding import half_away


def test_what_is_just_below_a_half_stays_below() -> None:
    halves = np.float32([0.5, 1.5, 2.5, 3.5, 1000.5, 8388607.5])
    numbers = np.concatenate(
        [halves, np.nextafter(halves, 0), np.nextafter(halves, np.float32(np.inf)), [8388609]]
    )
    numbers = np.float32(np.concatenate([numbers, -numbers, [0, 0.3, -0.3]]))
    exact = [float(Decimal(float(number)).quantize(Decimal(1), ROUND_HALF_UP)) for number in numbers]
    assert half_away(torch.from_numpy(numbers)).tolist() == exact


def test_what_is_not_finite_stays_so() -> None:
    ends = torch.tensor([float("inf"), float("-inf"), float("nan")])
    assert torch.equal(half_away(ends)[:2], ends[:2])
    assert half_away(ends)[2].isnan()
