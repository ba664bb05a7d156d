"""Films read back by Pillow: as many frames, as long, the same pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, features

from convscope.errors import PictureError
from convscope.presentation import animation
from convscope.presentation.animation import Frames, require_film, write_film


@pytest.fixture
def frames(tmp_path: Path) -> Frames:
    found = Frames(tmp_path / "frames")
    for index in range(1, 5):
        found.keep(index, np.full((20, 30, 3), 50 * index, np.uint8))
    return found


def test_frames_are_counted_to_the_first_gap(frames: Frames) -> None:
    assert frames.count() == 4
    assert np.array_equal(frames.read(2), np.full((20, 30, 3), 100))
    frames.path(3).unlink()
    assert frames.count() == 2


def test_only_frames_are_forgotten(frames: Frames) -> None:
    (frames.folder / "mine.txt").write_text("keep")
    frames.forget()
    assert [path.name for path in frames.folder.iterdir()] == ["mine.txt"]
    (frames.folder / "mine.txt").unlink()
    frames.forget()
    assert not frames.folder.exists()


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".avif"])
def test_a_film_holds_its_frames(frames: Frames, tmp_path: Path, suffix: str) -> None:
    if suffix == ".avif" and not features.check("avif"):
        pytest.skip("this Pillow writes no AVIF")
    path = write_film(tmp_path / f"film{suffix}", frames.paths(), 10)
    with Image.open(path) as film:
        assert (film.size, film.n_frames) == ((30, 20), 4)  # type: ignore[attr-defined]
        for index in range(4):
            film.seek(index)
            film.load()
            assert film.info["duration"] == (1000 if index == 3 else 100)
            assert np.abs(np.asarray(film.convert("RGB")).astype(int) - 50 * (index + 1)).max() <= 4


def test_mp4_needs_pyav(frames: Frames, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(animation, "find_spec", lambda name: None)
    with pytest.raises(PictureError, match=r"needs PyAV: pip install av"):
        require_film(tmp_path / "film.mp4")


def test_mp4_is_read_back(frames: Frames, tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    path = write_film(tmp_path / "film.mp4", frames.paths(), 10)
    with av.open(str(path)) as container:
        found = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert [frame.shape for frame in found] == [(20, 30, 3)] * 4
    assert np.abs(found[1].astype(int) - 100).max() <= 4


def test_other_endings_and_no_frames_are_answered(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match=r"says no film; possible: .gif, .webp, .avif, .mp4"):
        require_film(tmp_path / "film.mov")
    with pytest.raises(PictureError, match=r"has no frames"):
        write_film(tmp_path / "film.gif", [], 10)
