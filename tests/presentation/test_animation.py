"""Films read back by Pillow: as many frames, as long, the same pixels."""

from __future__ import annotations

from fractions import Fraction
from importlib.util import find_spec
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


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".avif"])
@pytest.mark.parametrize("rate", [23.976, 30, 60])
def test_a_film_is_as_long_as_its_rate_says(tmp_path: Path, suffix: str, rate: float) -> None:
    """A GIF counts in hundredths of a second, at most 50 frames in one; what rounding takes comes back."""
    if suffix == ".avif" and not features.check("avif"):
        pytest.skip("this Pillow writes no AVIF")
    frames = Frames(tmp_path / "frames")
    for index in range(1, 32):
        frames.keep(index, np.full((8, 8, 3), 8 * index, np.uint8))
    found = list[float]()
    with Image.open(write_film(tmp_path / f"film{suffix}", frames.paths(), rate)) as film:
        for index in range(film.n_frames):  # type: ignore[attr-defined]
            film.seek(index)
            film.load()
            found.append(film.info["duration"])
    unit, shown = (10, min(rate, 50)) if suffix == ".gif" else (1, rate)
    assert len(found) == 31 and found[-1] == 1000
    assert sum(found[:-1]) == pytest.approx(30 * 1000 / shown, abs=unit / 2 + 1e-3)
    assert max(abs(one - 1000 / shown) for one in found[:-1]) <= unit


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".avif", ".mp4"])
def test_frames_of_several_sizes_are_no_film(frames: Frames, tmp_path: Path, suffix: str) -> None:
    if (suffix == ".avif" and not features.check("avif")) or (suffix == ".mp4" and not find_spec("av")):
        pytest.skip("nothing here writes this format")
    frames.keep(3, np.zeros((22, 30, 3), np.uint8))
    with pytest.raises(PictureError, match=r"frame-00003.png has 30 x 22 pixels and frame-00001.png 30 x 20"):
        write_film(tmp_path / f"film{suffix}", frames.paths(), 10)
    assert not (tmp_path / f"film{suffix}").exists()


def test_what_a_format_cannot_hold_is_answered(tmp_path: Path) -> None:
    frames = Frames(tmp_path / "frames")
    for index in (1, 2):
        frames.keep(index, np.full((2, 16500, 3), index, np.uint8))  # WebP ends at 16,383 pixels
    with pytest.raises(PictureError, match=r"cannot write .*film.webp: \w"):
        write_film(tmp_path / "film.webp", frames.paths(), 10)


def test_a_damaged_frame_is_named(frames: Frames, tmp_path: Path) -> None:
    whole = frames.path(2).read_bytes()
    for damaged in (b"", b"no picture", whole[: len(whole) // 2]):
        frames.path(2).write_bytes(damaged)
        with pytest.raises(PictureError, match=r"frame-00002.png cannot be read: delete it"):
            write_film(tmp_path / "film.webp", frames.paths(), 10)
        with pytest.raises(PictureError, match=r"frame-00002.png cannot be read: delete it"):
            frames.read(2)


def test_a_folder_belongs_to_one_run(frames: Frames) -> None:
    run = {"layers": {"conv1": 1.0}, "changes": {"steps": 3}, "channels": (3, 17)}
    with pytest.raises(PictureError, match="holds frames: go on with --resume, or delete them"):
        frames.begin(run, resume=False)
    with pytest.raises(PictureError, match=r"of another run \(layers was None, is {'conv1': 1.0}"):
        frames.begin(run, resume=True)
    (frames.folder / ".run.json").write_text("[]")
    with pytest.raises(PictureError, match="of another run"):
        frames.begin(run, resume=True)
    frames.forget()
    frames = Frames(frames.folder)
    frames.begin(run, resume=False)
    frames.keep(1, np.zeros((8, 8, 3), np.uint8))
    frames.begin(run, resume=True)
    with pytest.raises(PictureError, match=r"\(layers was {'conv1': 1.0}, is {'conv2': 1.0}\): use another"):
        frames.begin(run | {"layers": {"conv2": 1.0}}, resume=True)
    frames.forget()
    assert not frames.folder.exists()


def test_only_the_frames_of_a_run_are_its_film(frames: Frames) -> None:
    assert [path.name for path in frames.paths(2)] == ["frame-00001.png", "frame-00002.png"]
    assert frames.paths(9) == frames.paths()


def test_mp4_needs_pyav(frames: Frames, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(animation, "find_spec", lambda name: None)
    with pytest.raises(PictureError, match=r"needs PyAV: pip install av"):
        require_film(tmp_path / "film.mp4")


def test_mp4_is_read_back(frames: Frames, tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    path = write_film(tmp_path / "film.mp4", frames.paths(), 10)
    with av.open(str(path)) as container:
        assert container.streams.video[0].average_rate == 10
        found = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert [frame.shape for frame in found] == [(20, 30, 3)] * 4
    assert np.abs(found[1].astype(int) - 100).max() <= 4


def test_an_mp4_of_odd_sizes_loses_no_pixel_and_shows_what_is_transparent_on_white(tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    frames = Frames(tmp_path / "frames")
    gray = np.full((33, 31, 4), (90, 90, 90, 255), np.uint8)
    gray[:, -3:] = (20, 20, 20, 0)  # the last columns are transparent
    frames.keep(1, gray)
    with av.open(str(write_film(tmp_path / "film.mp4", frames.paths(), 10))) as container:
        (found,) = (frame.to_ndarray(format="rgb24") for frame in container.decode(video=0))
    assert found.shape == (34, 32, 3)
    assert np.abs(found[:, :26].astype(int) - 90).max() <= 6
    assert found[:, 29:].min() >= 245


def test_the_colors_of_an_mp4_are_those_that_it_says(tmp_path: Path) -> None:
    """BT.709's own formula, written out, finds them in the planes."""
    av = pytest.importorskip("av")
    frames, colors = Frames(tmp_path / "frames"), ((200, 40, 60), (30, 180, 70), (20, 60, 220))
    for index, color in enumerate(colors, 1):
        frames.keep(index, np.full((32, 32, 3), color, np.uint8))
    with av.open(str(write_film(tmp_path / "film.mp4", frames.paths(), 10))) as container:
        codec = container.streams.video[0].codec_context
        said = (codec.colorspace, codec.color_primaries, codec.color_trc, codec.color_range)
        planes = [frame.to_ndarray()[[8, 36, 44], 8].astype(float) for frame in container.decode(video=0)]
    assert said == (1, 1, 13, 1)
    for color, (luma, blue, red) in zip(colors, planes, strict=True):
        y, b, r = (luma - 16) / 219, (blue - 128) / 224 * 1.8556, (red - 128) / 224 * 1.5748
        found = np.array([y + r, y - (0.2126 * r + 0.0722 * b) / 0.7152, y + b]) * 255
        assert np.abs(found - color).max() <= 4, (color, found)


def test_mp4_keeps_a_rate_that_is_no_whole_number(frames: Frames, tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    path = write_film(tmp_path / "film.mp4", frames.paths(), 12.5)
    with av.open(str(path)) as container:
        assert container.streams.video[0].average_rate == Fraction(25, 2)


def test_other_endings_and_no_frames_are_answered(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match=r"says no film; possible: .gif, .webp, .avif, .mp4"):
        require_film(tmp_path / "film.mov")
    (tmp_path / "folder.gif").mkdir()
    with pytest.raises(PictureError, match=r"folder.gif is a folder, and a film is a file: .*film.webp, say"):
        require_film(tmp_path / "folder.gif")
    with pytest.raises(PictureError, match=r"has no frames"):
        write_film(tmp_path / "film.gif", [], 10)


def test_frames_follow_each_other_from_the_hundred_thousandth_on_too(tmp_path: Path) -> None:
    frames = Frames(tmp_path)
    for index in (100_000, 2, 99_999, 100_001):
        frames.path(index).touch()
    (tmp_path / "frame-00001 (copy).png").touch()
    assert frames.paths() == [frames.path(index) for index in (2, 99_999, 100_000, 100_001)]
    assert frames.paths(100_000) == frames.paths()[:3]
    frames.forget()
    assert [path.name for path in tmp_path.iterdir()] == ["frame-00001 (copy).png"]
