"""Halves away from 0, beside exact decimal arithmetic; halves to even, beside NumPy's float32."""

from decimal import ROUND_HALF_UP, Decimal

import numpy as np
import pytest
import torch

from convscope.network.operations.ranges import round_by_largest
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


@pytest.mark.parametrize(
    ("largest", "between", "code"),
    [(2.4026875495910645, 0.047297000885009766, 2), (0.5095847249031067, 0.022068634629249573, 6)],
)
def test_numbers_between_two_codes_of_keras_go_to_the_even_one(
    largest: float, between: float, code: int
) -> None:
    # Keras divides 127 by the largest; times the inverse of that, the first is 3 and the second 5.
    row = np.float32([largest, between])
    scale = np.divide(np.float32(127), np.abs(row).max() + np.float32(1e-7))
    assert np.round(row * scale).tolist() == [127, code]
    found = round_by_largest(torch.from_numpy(row)[None])[0].numpy() * scale
    np.testing.assert_allclose(found, [127, code], rtol=1e-5)
