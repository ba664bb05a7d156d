"""Transforms against scipy, picture by picture, and against each other."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import affine_transform

from canvases import generators, pictures
from convscope.errors import InputError
from convscope.optimization.settings import Transform
from convscope.optimization.transforms import (
    Crop,
    Flip,
    Geometric,
    Jitter,
    Noise,
    OverNoise,
    Pad,
    Rotate,
    Scale,
    Together,
)

LUCID = (Pad(12), Jitter(8), Scale((0.9, 0.96, 1.1)), Rotate((-10.0, -3.0, 0.0, 7.0)), Jitter(4))
ALL: list[Transform] = [
    Pad(3),
    Pad(3, mode="reflect"),
    Jitter(4),
    Scale((0.8, 1.3)),
    Rotate((-30.0, 20.0)),
    Crop((7, 9), 0.5),
    Flip(),
    Noise(0.1),
    Noise(uniform=0.2),
    OverNoise(),
    Together(LUCID),
]


@pytest.mark.parametrize("transform", ALL, ids=repr)
def test_a_picture_alone_is_moved_as_in_a_batch(transform: Transform) -> None:
    some = pictures(3, 3, (24, 20)).float()
    together = transform(some, generators(5, 6, 7))
    for index in range(3):
        assert (transform(some[index : index + 1], generators(5 + index)) == together[index]).all()
    again = transform(some[:1].expand(12, -1, -1, -1), generators(*range(12)))
    still = isinstance(transform, Pad)
    assert (len({one.numpy().tobytes() for one in again}) > 1) != still


@pytest.mark.parametrize("transform", ALL, ids=repr)
def test_gradients_are_those_of_finite_differences(transform: Transform) -> None:
    some = pictures(2, 2, (13, 12)).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda values: transform(values, generators(0, 1)), (some,), fast_mode=True
    )


def scipys(picture: np.ndarray, part: Geometric, seed: int, fill: float) -> np.ndarray:
    """Return one channel (H, W), moved by scipy."""
    matrix, size = part.place(picture.shape, generators(seed)[0])  # type: ignore[arg-type]
    rule = matrix[[1, 0]][:, [1, 0, 2]]  # rows first
    bordered = np.pad(picture, 1, constant_values=fill)  # else scipy does not fade into what lies outside
    return affine_transform(bordered, rule[:, :2], rule[:, 2] + 1, size, order=1, cval=fill)


@pytest.mark.parametrize(
    "part", [Pad(3), Jitter(4), Scale((0.8, 1.3)), Rotate((-30.0, 20.0)), Crop((9, 14), 0.6)], ids=repr
)
def test_pixels_come_from_where_scipy_takes_them(part: Geometric) -> None:
    some = pictures(3, 2, (24, 20))
    found = Together((part,), fill=0.25)(some, generators(1, 2, 3)).numpy()
    for index, seed in enumerate((1, 2, 3)):
        for channel in range(2):
            expected = scipys(some[index, channel].numpy(), part, seed, 0.25)
            assert np.abs(found[index, channel] - expected).max() < 1e-5


@pytest.mark.parametrize("parts", [(Pad(3), Jitter(4)), (Pad(2), Jitter(1), Jitter(3))], ids=repr)
def test_shifts_by_whole_pixels_are_the_same_together(parts: Sequence[Transform]) -> None:
    some = pictures(3, 2, (17, 20))
    moved, chance = some, generators(1, 2, 3)
    for part in parts:
        moved = part(moved, chance)
    found = Together(parts)(some, generators(1, 2, 3))  # type: ignore[arg-type]
    assert found.shape == moved.shape and (found - moved).abs().max() < 1e-5


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.integers(48, 70), st.integers(48, 70))
def test_moved_together_is_moved_in_turn_but_for_blur(seed: int, height: int, width: int) -> None:
    rows, columns = np.mgrid[:height, :width] / 10
    smooth = torch.from_numpy(0.5 + 0.1 * np.sin(rows) * np.cos(columns))[None, None]
    moved, chance = smooth, generators(seed)
    for part in LUCID:
        moved = part(moved, chance)
    found = Together(LUCID)(smooth, generators(seed))
    assert found.shape == moved.shape == (1, 1, height + 12, width + 12)
    inside = slice(20, -20)
    assert (found - moved)[..., inside, inside].abs().max() < 2e-3


def test_a_turn_is_against_the_clock_and_a_zoom_enlarges() -> None:
    arrow = torch.zeros(1, 1, 9, 9)
    arrow[..., 4, 6] = 1.0  # right of the center
    turned = Rotate((90.0,), fill=0.0)(arrow, generators(0))
    assert torch.allclose(turned[..., 2, 4], torch.ones(1, 1), atol=1e-5) and turned.sum() < 1.001
    zoomed = Scale((2.0,), fill=0.0)(arrow, generators(0))
    assert torch.allclose(zoomed[..., 4, 8], torch.ones(1, 1), atol=1e-5)


def test_half_of_the_pictures_are_mirrored() -> None:
    some = pictures(1, 3, (4, 5)).expand(400, -1, -1, -1)
    found = Flip()(some, generators(*range(400)))
    mirrored = (found == some.flip(3)).flatten(1).all(1)
    assert (mirrored | (found == some).flatten(1).all(1)).all()
    assert 160 < mirrored.sum() < 240


def test_noise_has_its_deviation_and_range() -> None:
    flat = torch.zeros(4, 3, 60, 60)
    normal = Noise(0.2)(flat, generators(0, 1, 2, 3))
    assert normal.std().item() == pytest.approx(0.2, rel=0.02) and abs(normal.mean().item()) < 0.01
    uniform = Noise(uniform=0.2)(flat, generators(0, 1, 2, 3))
    assert -0.1 <= uniform.min() < -0.099 and 0.099 < uniform.max() <= 0.1


def test_crops_are_where_maco_takes_them() -> None:
    """Boxes about half as large as the picture, around its center, with a share of 0.05 at least."""
    part = Crop((11, 11), 0.5)
    places = [part.place((101, 101), generator) for generator in generators(*range(500))]
    assert all(size == (11, 11) for _, size in places)
    matrices = np.stack([matrix for matrix, _ in places])
    shares = matrices[:, 0, 0] * 10 / 100
    centers = (matrices[:, :2, 2] + matrices[:, 0, 0, None] * 5) / 100
    assert shares.mean() == pytest.approx(0.5, abs=0.01)
    assert shares.std() == pytest.approx(0.05, abs=0.005)
    assert centers.mean(0) == pytest.approx(0.5, abs=0.03)
    assert centers.std(0) == pytest.approx(0.15, abs=0.015)
    smallest = min(Crop((11, 11), 0.0).place((101, 101), one)[0][0, 0] for one in generators(*range(99)))
    assert smallest == pytest.approx(0.5)


def test_what_is_opaque_stays_and_what_is_not_is_noise() -> None:
    picture = torch.full((1, 4, 32, 32), 0.3)
    picture[:, 3, :16], picture[:, 3, 16:] = 1.0, 0.0
    found = OverNoise()(picture, generators(0))
    assert found.shape == (1, 3, 32, 32)
    assert (found[:, :, :16] == 0.3).all() and found[:, :, 16:].std() > 0.02


def test_a_jitter_larger_than_the_picture_is_refused() -> None:
    with pytest.raises(InputError, match="a jitter of 9 pixels leaves nothing of 9 x 20 pixels"):
        Jitter(9)(torch.zeros(1, 3, 9, 20), generators(0))
