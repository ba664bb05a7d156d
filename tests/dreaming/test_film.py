"""Films: curves in seconds, motion against what it says, and the same frames after a break."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from convscope.dreaming.deep_dream import Dream, dream_of
from convscope.dreaming.film import Curve, Motion, default_seconds, film_frames, frame_seconds
from convscope.errors import InputError, PictureError
from convscope.presentation.animation import Frames
from planted import planted_network


def blob(row: float, column: float, size: tuple[int, int] = (61, 81), width: float = 3.0) -> torch.Tensor:
    """A soft white spot on black."""
    rows, columns = torch.meshgrid(*(torch.arange(float(side)) for side in size), indexing="ij")
    spot = (-((rows - row) ** 2 + (columns - column) ** 2) / (2 * width**2)).exp()
    return spot.expand(1, 3, *size)


def place(picture: torch.Tensor) -> tuple[float, float]:
    """Where a spot is."""
    spot = picture[0, 0].double()
    rows, columns = (torch.arange(side).double() for side in spot.shape)
    return float((spot.sum(1) @ rows) / spot.sum()), float((spot.sum(0) @ columns) / spot.sum())


def test_curves() -> None:
    assert Curve.read("1.5").at(100) == 1.5
    curve = Curve.read("4:2, 0:1")
    assert [curve.at(second) for second in (-1, 0, 1, 4, 9)] == [1, 1, 1.25, 2, 2]
    for wrong in ("fast", "0:1,2", "1:2:3"):
        with pytest.raises(InputError, match=re.escape(f"{wrong!r} is no curve: give a number (1.5)")):
            Curve.read(wrong)


@pytest.mark.parametrize("rate", [5.0, 10.0])
def test_a_second_moves_as_far_at_any_rate(rate: float) -> None:
    """From the middle (30, 40): a zoom of 2 doubles distances, a turn to the left raises what is right."""
    cases = [
        (Motion(zoom=Curve.read("2")), (30, 50), (30, 60)),
        (Motion(rotation=Curve.read("90")), (30, 55), (15, 40)),
        (Motion(right=Curve.read("0.25")), (30, 30), (30, 50.25)),
        (Motion(down=Curve.read("-0.2")), (40, 40), (27.8, 40)),
    ]
    for motion, begin, end in cases:
        picture = blob(*begin)
        for frame in range(int(rate)):
            picture = motion.moved(picture, frame / rate, rate)
        assert place(picture) == pytest.approx(end, abs=0.3)


def test_a_zoom_is_a_factor() -> None:
    with pytest.raises(InputError, match="a factor above 0, not -1"):
        Motion(zoom=Curve.read("-1")).moved(blob(3, 3), 0, 10)


def small(size: int = 48) -> Dream:
    changes = {"octaves": 1, "steps": 1, "rate": 0.05}
    return dream_of(planted_network(), None, "conv2", size=size, changes=changes)


NOISE = np.random.default_rng(0).random((48, 48, 3)).astype(np.float32)
MOTION = Motion(zoom=Curve.read("0:1, 1:3"), rotation=Curve.read("20"))


@pytest.mark.parametrize("preset", ["default", "cadl-simplest"])
def test_a_broken_film_goes_on_with_the_same_frames(tmp_path: Path, preset: str) -> None:
    def small() -> Dream:
        changes = {"octaves": 1, "steps": 1, "rate": 0.05}
        return dream_of(planted_network(), NOISE, "conv2", preset=preset, size=48, changes=changes)

    whole, parts = Frames(tmp_path / "whole"), Frames(tmp_path / "parts")
    assert list(film_frames(small(), MOTION, whole, seconds=1, rate=6)) == [(n, 6) for n in range(1, 7)]
    for index, _ in film_frames(small(), MOTION, parts, seconds=1, rate=6):
        if index == 3:
            break
    assert next(film_frames(small(), MOTION, parts, seconds=1, rate=6)) == (4, 6)
    list(film_frames(small(), MOTION, parts, seconds=1, rate=6))
    for index in range(1, 7):
        assert whole.path(index).read_bytes() == parts.path(index).read_bytes()
    assert len({path.read_bytes() for path in whole.paths()}) == 6


@pytest.mark.parametrize("preset", ["tf-multiscale", "tf-laplacian", "tf2"])
def test_a_dream_that_ends_in_another_size_is_a_film_too(tmp_path: Path, preset: str) -> None:
    """Every frame starts in the size the dream starts in, and ends in the one it ends in."""
    picture = None if preset != "tf2" else np.random.default_rng(0).random((64, 64, 3)).astype(np.float32)
    changes = {"steps": 1, "jitter": 0}
    dream = dream_of(planted_network(), picture, "conv2", preset=preset, size=64, changes=changes)
    frames = Frames(tmp_path)
    list(film_frames(dream, MOTION, frames, seconds=1, rate=3))
    side = 64 if preset == "tf2" else 124
    assert [frames.read(index).shape for index in (1, 2, 3)] == [(side, side, 3)] * 3


def test_a_dream_without_a_range_goes_on_from_its_values(tmp_path: Path) -> None:
    """Two frames of two steps, which do not move, are one dream of four: no frame is taken from what is shown."""
    noise = np.random.default_rng(0).random((40, 40, 3)).astype(np.float32)

    def dream(steps: int) -> Dream:
        changes = {"steps": steps}
        return dream_of(planted_network(), noise, "conv2", preset="cadl-simplest", changes=changes)

    frames = Frames(tmp_path)
    for index, _ in film_frames(dream(2), Motion(), frames, seconds=1, rate=2):
        assert [path.name for path in tmp_path.glob(".values*")] == [f".values-{index:05}.npy"]
    (last,) = deque(dream(4).steps(), maxlen=1)
    assert np.abs(frames.values(2) - last.values.numpy()).max() < 1e-3
    assert np.array_equal(frames.read(2), dream(4).frame(last))
    (tmp_path / ".values-00002.npy").write_bytes(b"")
    with pytest.raises(PictureError, match=r"values-00002.npy cannot be read, so the film cannot go on"):
        list(film_frames(dream(2), Motion(), frames, seconds=2, rate=2))
    frames.forget()
    assert not tmp_path.exists()


def test_frames_of_another_film_are_not_gone_on_with(tmp_path: Path) -> None:
    frames = Frames(tmp_path)
    next(film_frames(small(40), MOTION, frames, seconds=1, rate=6))
    with pytest.raises(InputError, match="are 40 x 40 pixels, this film is 48 x 48: use another folder"):
        list(film_frames(small(48), MOTION, frames, seconds=1, rate=6))


def test_a_film_s_work_is_the_steps_of_all_sizes_and_its_default_ends_in_five_minutes() -> None:
    dream = dream_of(planted_network(), None, "conv2", size=64, octaves=2, octave_scale=1.5, steps=4)
    *_, last = (first, second, *_) = list(dream.steps())
    assert [step.octave[0] for step in (first, last)] == [1, 2]
    pixels = [step.values.shape[2] * step.values.shape[3] for step in (first, last)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            Dream, "steps", lambda _: iter([replace(first, seconds=9.0), replace(second, seconds=2.0)])
        )
        assert frame_seconds(dream) == pytest.approx(2.0 * 4 * sum(pixels) / pixels[0])
    assert default_seconds(3.0, 25) == 4.0  # 100 frames of 3 seconds
    assert (default_seconds(0.01, 25), default_seconds(60.0, 25)) == (10.0, 1.0)
