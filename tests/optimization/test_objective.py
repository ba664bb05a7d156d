"""An objective: its algebra is that of numbers, and its words say what it is."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from convscope.errors import InputError
from convscope.optimization.objective import Objective
from convscope.optimization.objectives import channel

VALUES = {
    "a:0": torch.linspace(-1, 1, 12, dtype=torch.float64).view(2, 1, 2, 3),
    "b:1": torch.linspace(2, 3, 12, dtype=torch.float64).view(2, 1, 2, 3),
}
A, B = channel("a", 0), channel("b", 1)
NUMBERS = st.floats(-100, 100).filter(lambda number: abs(number) > 1e-3)


def same(first: Objective, second: Objective) -> bool:
    return torch.allclose(first.score(VALUES), second.score(VALUES), rtol=1e-12, atol=1e-12)


@given(NUMBERS, NUMBERS)
def test_algebra_is_that_of_numbers(x: float, y: float) -> None:
    assert same(A + B, B + A)
    assert same(A - B, A + -B)
    assert same(x * A + x * B, x * (A + B))
    assert same((A / x) * x, A)
    assert same(x + A - x, A)
    assert same(x - A, -(A - x))
    assert same(x / B, 1 / (B / x))
    assert same(A * (x + y), x * A + A * y)
    assert same(A * B / B, A)
    assert same(sum([A, B, A]), 2 * A + B)  # type: ignore[arg-type]


def test_weights_do_not_compound_and_operands_stay_as_they_were() -> None:
    # Xplique multiplied earlier terms by later weights, and its * and - changed their operands.
    before, words = A.score(VALUES), A.description
    combined = 2 * A + 3 * B - 5 * A
    assert torch.allclose(combined.score(VALUES), -3 * before + 3 * B.score(VALUES))
    assert torch.equal(A.score(VALUES), before)
    assert A.description == words
    with pytest.raises(AttributeError):
        A.description = "other"  # type: ignore[misc]


def test_objectives_say_what_they_are() -> None:
    assert (A - 0.5 * B).description == "a:0 - 0.5 × b:1"
    assert (2 * (A - B)).description == "2 × (a:0 - b:1)"
    assert (A - (B - A)).description == "a:0 - (b:1 - a:0)"
    assert (A / (A * B)).description == "a:0 / (a:0 × b:1)"
    assert (-(A + B)).description == "-(a:0 + b:1)"
    assert repr(A) == "Objective('a:0')"
    assert (A - A + B).targets == ("a:0", "b:1")


def test_only_numbers_and_objectives_combine() -> None:
    with pytest.raises(InputError, match="not str"):
        A + "a"  # type: ignore[operator]
