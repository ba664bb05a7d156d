"""Regularizers against numpy and scipy."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from canvases import pictures
from convscope.errors import InputError
from convscope.optimization.regularizers import (
    Blur,
    Clamp,
    Decay,
    Distance,
    NeighborDifference,
    OutOfRange,
    SmallContribution,
    SmallNorm,
    SmallValues,
    TotalVariation,
    Variation,
)
from convscope.optimization.settings import Penalty

SIZES = st.tuples(st.integers(2, 30), st.integers(2, 30))


def variation(picture: NDArray[np.float64], kind: Variation, beta: float) -> float:
    """Return the total variation of one picture (C, H, W), pixel by pixel."""
    total = 0.0
    for plane in picture:
        height, width = plane.shape
        for row in range(height):
            for column in range(width):
                right = plane[row, column + 1] - plane[row, column] if column + 1 < width else None
                down = plane[row + 1, column] - plane[row, column] if row + 1 < height else None
                if kind in ("anisotropic", "squared"):
                    power = 1 if kind == "anisotropic" else 2
                    total += sum(abs(step) ** power for step in (right, down) if step is not None)
                elif right is not None and down is not None:
                    exponent = 0.5 if kind == "isotropic" else beta / 2
                    total += (right**2 + down**2) ** exponent
    return total


@pytest.mark.parametrize("kind", ["anisotropic", "squared", "isotropic", "power"])
@settings(max_examples=15, deadline=None)
@given(st.tuples(st.integers(2, 9), st.integers(2, 9)), st.integers(0, 99), st.floats(1.0, 3.0))
def test_total_variation_is_its_definition(
    kind: Variation, size: tuple[int, int], seed: int, beta: float
) -> None:
    some = pictures(2, 3, size, seed)
    found = TotalVariation(0.5, kind, beta)(some)
    expected = [0.5 * variation(picture.numpy(), kind, beta) for picture in some]
    assert found.numpy() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    "penalty",
    [
        *(TotalVariation(0.7, kind) for kind in ("anisotropic", "squared", "isotropic", "power")),
        NeighborDifference(0.7),
        Distance(2.0, "l1"),
        Distance(2.0),
        OutOfRange(3.0, 0.3, 0.6),
    ],
    ids=repr,
)
def test_gradients_are_those_of_finite_differences(penalty: Penalty) -> None:
    assert torch.autograd.gradcheck(penalty, (pictures(2, 2, (5, 6)).requires_grad_(),))
    flat = torch.full((1, 3, 4, 4), 0.5, requires_grad=True)
    (gradient,) = torch.autograd.grad(penalty(flat).sum(), flat)
    assert gradient.isfinite().all()


def test_another_total_variation_is_refused() -> None:
    with pytest.raises(InputError, match="cannot be 'l7'"):
        TotalVariation(1.0, "l7")(torch.zeros(1, 1, 2, 2))  # type: ignore[arg-type]


def test_distances_and_range_are_numpys() -> None:
    some = pictures(2, 3, (5, 4)) * 2 - 0.5
    flat = some.numpy().reshape(2, -1)
    assert Distance(2.0, "l1")(some).numpy() == pytest.approx(2 * np.abs(flat - 0.5).sum(1))
    assert Distance(2.0, center=0.1)(some).numpy() == pytest.approx(
        2 * np.linalg.norm(flat - 0.1, axis=1), rel=1e-5
    )
    beyond = np.maximum(0, -flat) + np.maximum(0, flat - 1)
    assert OutOfRange(3.0)(some).numpy() == pytest.approx(3 * (beyond**2).mean(1))


@settings(max_examples=25, deadline=None)
@given(SIZES, st.sampled_from([0.3, 0.5, 1.0, 1.5, 4.0]), st.integers(0, 99))
def test_a_blur_is_scipys(size: tuple[int, int], radius: float, seed: int) -> None:
    some = pictures(2, 3, size, seed)
    found = Blur(radius)(some, some, 1).numpy()
    for picture, expected in zip(found, some.numpy(), strict=True):
        for plane, before in zip(picture, expected, strict=True):
            assert np.abs(plane - gaussian_filter(before, radius)).max() < 1e-12


def test_a_blur_is_for_the_first_of_every_few_steps() -> None:
    some = pictures(1, 1, (6, 6))
    blurred = [not (Blur(1.0, 4)(some, some, step) == some).all() for step in range(1, 10)]
    assert blurred == [True, False, False, False, True, False, False, False, True]


@settings(max_examples=40, deadline=None)
@given(SIZES, st.integers(0, 99), st.integers(0, 200).map(lambda half: half / 2), st.booleans())
def test_thresholds_are_numpys_percentiles(
    size: tuple[int, int], seed: int, percentile: float, rounded: bool
) -> None:
    some = pictures(2, 3, size, seed) - 0.5
    some = (some * 4).round() / 4 if rounded else some  # with ties
    gradient = pictures(2, 3, size, seed + 1) - 0.5
    for edit, measured in (
        (SmallValues(percentile), some.abs()),
        (SmallNorm(percentile), some.square().sum(1, keepdim=True).sqrt()),
        (SmallContribution(percentile), (some * gradient).sum(1, keepdim=True).abs()),
    ):
        found = edit(some, gradient, 1).numpy()
        for index, values in enumerate(measured.numpy()):
            small = values < np.percentile(values, percentile)
            assert (found[index] == np.where(small, 0, some[index].numpy())).all()


def test_decay_and_clamp() -> None:
    some = torch.tensor([-3.0, 0.5, 3.0]).view(1, 3, 1, 1)
    assert torch.allclose(Decay(0.25)(some, some, 1), some * 0.75)
    assert Clamp((-1.0, 0.0, 0.0), (1.0, 1.0, 2.0))(some, some, 1).flatten().tolist() == [-1.0, 0.5, 2.0]


def test_neighbor_differences_count_straight_pairs_a_third_and_diagonal_ones_a_twelfth() -> None:
    picture = np.random.default_rng(0).random((3, 5, 4))
    padded = np.pad(picture, ((0, 0), (1, 1), (1, 1)), "edge")
    center = padded[:, 1:-1, 1:-1]
    right, below = padded[:, 1:-1, 2:] - center, padded[:, 2:, 1:-1] - center
    falling = padded[:, 1:, 1:] - padded[:, :-1, :-1]
    rising = padded[:, 1:, :-1] - padded[:, :-1, 1:]
    straight, diagonal = (right**2).mean() + (below**2).mean(), (falling**2).mean() + (rising**2).mean()
    found = NeighborDifference(0.5)(torch.from_numpy(picture)[None])
    assert found.tolist() == pytest.approx([straight / 3 + diagonal / 12])
