"""Films: frames kept as PNGs in a folder, and made into a GIF, an animated WebP or AVIF, or an MP4."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from fractions import Fraction
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, features

from convscope.errors import PictureError
from convscope.files import destination, parsed_json, reason, saved, user_path, writing, written_whole
from convscope.pictures.numpy_file import read_numbers
from convscope.pictures.picture import Picture, on_white

Frame = NDArray[np.uint8]
"""(height, width, 3 or 4)."""
_SAVED_BY_PILLOW = {".gif": "GIF", ".webp": "WEBP", ".avif": "AVIF"}
_NAME = re.compile(r"frame-(\d{5}|[1-9]\d{5,})\.png")
_BT_709, _SRGB_CURVE, _STUDIO_RANGE = 1, 13, 1  # as ITU-T H.273 numbers them; the range as FFmpeg does
_RUN = ".run.json"  # beside the frames: whose they are
FILMS = (*_SAVED_BY_PILLOW, ".mp4")


class Frames:
    """A film's frames in a folder, ``frame-00001.png`` and so on: what a killed run goes on from.

    >>> frames = Frames("frames")
    >>> frames.keep(1, np.zeros((8, 8, 3), np.uint8))
    >>> frames.count()
    1
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = user_path(folder)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise PictureError(f"cannot make the folder {self.folder}: {reason(error)}") from error

    def begin(self, run: Mapping[str, Any], *, resume: bool) -> None:
        """Make the folder ready for a run's frames, and write down what the run is, as JSON data.

        PictureError where there are frames without `resume`, or with it those of another run.
        """
        now = json.loads(json.dumps(run))
        if self.paths():
            if not resume:
                raise PictureError(f"{self.folder} holds frames: go on with --resume, or delete them")
            if others := _differences(self._run(), now):
                raise PictureError(
                    f"the frames in {self.folder} are of another run ({others}): use another folder, or delete them"
                )
        with saved(self.folder / _RUN) as partial:
            partial.write_text(json.dumps(now, indent=2), encoding="utf-8")

    def _run(self) -> Mapping[str, Any]:
        try:
            run = parsed_json((self.folder / _RUN).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return run if isinstance(run, dict) else {}

    def path(self, index: int) -> Path:
        """Return where a frame is kept; the first is 1."""
        return self.folder / f"frame-{index:05}.png"

    def keep(self, index: int, frame: Frame, values: NDArray[np.float32] | None = None) -> None:
        """Write a frame, whole or not at all, after the `values` that it shows, which replace earlier frames'."""
        if values is not None:
            with saved(self._values(index)) as partial, partial.open("wb") as file:
                np.save(file, values)
        with saved(self.path(index)) as partial:
            Image.fromarray(frame).save(partial, "PNG", compress_level=3)
        self._values(index - 1).unlink(missing_ok=True)

    def values(self, index: int) -> NDArray[np.float32]:
        """Return the values that were kept with the last frame."""
        try:
            return read_numbers(self._values(index))
        except (OSError, ValueError) as error:
            raise PictureError(
                f"{self._values(index)} cannot be read, so the film cannot go on: delete its frames"
            ) from error

    def _values(self, index: int) -> Path:
        return self.folder / f".values-{index:05}.npy"

    def read(self, index: int) -> Frame:
        """Return a frame that was kept."""
        return np.array(_image(self.path(index)))

    def count(self) -> int:
        """Return how many frames there are from the first without a gap."""
        index = 0
        while self.path(index + 1).is_file():
            index += 1
        return index

    def paths(self, last: int | None = None) -> list[Path]:
        """Return where the frames are, in order; those up to `last`."""
        names = (_NAME.fullmatch(path.name) for path in self.folder.iterdir())
        numbers = sorted(int(name[1]) for name in names if name is not None)
        return [self.path(number) for number in numbers if last is None or number <= last]

    def forget(self) -> None:
        """Remove the frames, and the folder when nothing else is in it."""
        for path in (*self.paths(), *self.folder.glob(".values-*.npy"), self.folder / _RUN):
            path.unlink(missing_ok=True)
        if not any(self.folder.iterdir()):
            self.folder.rmdir()


def require_film(path: str | os.PathLike[str]) -> Path:
    """Return a film's path; PictureError when nothing here can write such a film, before any time is spent."""
    path = user_path(path)
    if path.is_dir():
        raise PictureError(f"{path} is a folder, and a film is a file: {path / 'film.webp'}, say")
    with writing(path):
        destination(path)
    suffix = path.suffix.lower()
    if suffix not in FILMS:
        raise PictureError(f"cannot make {path}: its ending says no film; possible: {', '.join(FILMS)}")
    if suffix == ".mp4" and find_spec("av") is None:
        raise PictureError(f"{path} needs PyAV: pip install av; or make a .gif or .webp, or keep the frames")
    if suffix == ".avif" and not features.check("avif"):
        raise PictureError(f"this Pillow writes no AVIF: update it, or make {path.with_suffix('.webp')}")
    return path


def write_film(
    path: str | os.PathLike[str], frames: Sequence[Path], rate: float, picture: Picture | None = None
) -> Path:
    """Make a film of pictures of one size, `rate` of them a second, and return its path.

    GIF has 256 colors a frame and at most 50 frames a second; but for MP4 the last frame stays a second. MP4 shows what
    is transparent on white, and its sizes are even: the last column or row stands twice where that adds one. WebP and
    AVIF carry the caption and the recipe of `picture`, what the film comes to. The file appears whole or not at all.
    PictureError when the pictures are no film, or it cannot be written.
    """
    path = require_film(path)
    if not frames:
        raise PictureError(f"{path} has no frames")
    _require_one_size(frames)
    with writing(path, ValueError, RuntimeError):  # what the encoders raise, each in its own way
        path.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(path) as partial:
            if path.suffix.lower() == ".mp4":
                _write_mp4(partial, frames, rate)
            else:
                form = _SAVED_BY_PILLOW[path.suffix.lower()]
                about = {} if picture is None or form == "GIF" else {"exif": picture.exif()}
                _write_by_pillow(partial, frames, rate, form, about)
    return path


def _require_one_size(frames: Sequence[Path]) -> None:
    first = _image(frames[0]).size
    for path in frames[1:]:
        with _open_frame(path) as image:
            if image.size != first:
                raise PictureError(
                    f"{path} has {image.width} x {image.height} pixels and {frames[0].name} {first[0]} x {first[1]}: "
                    "a film's frames are of one size"
                )


def _write_by_pillow(
    path: Path, frames: Sequence[Path], rate: float, form: str, about: Mapping[str, Any]
) -> None:
    lasting = [*_milliseconds(len(frames) - 1, rate, form), 1000]
    options: dict[str, Any] = {"quality": 80} if form in ("WEBP", "AVIF") else {}
    _image(frames[0]).save(
        path,
        form,
        save_all=True,
        append_images=map(_image, frames[1:]),
        duration=lasting if len(frames) > 1 else lasting[0],
        loop=0,
        **options,
        **about,
    )


def _milliseconds(count: int, rate: float, form: str) -> list[int]:
    """Return how long each frame stays, in whole units of the format; what rounding takes from one the next gets."""
    # Browsers show a GIF's frames of less than two hundredths for a tenth of a second.
    unit, rate = (10, min(rate, 50.0)) if form == "GIF" else (1, rate)
    ends = [round(index * 1000 / rate / unit) * unit for index in range(count + 1)]
    return [end - begin for begin, end in pairwise(ends)]


@contextmanager
def _open_frame(path: Path) -> Iterator[Image.Image]:
    try:
        with Image.open(path, formats=("PNG",)) as image:
            yield image
    except (OSError, SyntaxError, ValueError) as error:
        raise PictureError(f"{path} cannot be read: delete it, and it is made again") from error


def _image(path: Path) -> Image.Image:
    with _open_frame(path) as image:
        return image.copy()


def _differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Return in words what differs between two runs."""
    names = (name for name in {**before, **now} if before.get(name) != now.get(name))
    return ", ".join(f"{name} was {_short(before.get(name))}, is {_short(now.get(name))}" for name in names)


def _short(value: object) -> str:
    words = repr(value)
    return words if len(words) <= 50 else f"{words[:40]}…"


def _write_mp4(path: Path, frames: Sequence[Path], rate: float) -> None:
    import av  # type: ignore[import-not-found,unused-ignore]

    with av.open(str(path), "w", format="mp4") as container:
        stream = None
        for image in map(_image, frames):
            even = _of_even_size(on_white(image).convert("RGB"))
            if stream is None:
                stream = container.add_stream("libx264", rate=Fraction(rate).limit_denominator(1001))
                stream.width, stream.height, stream.pix_fmt = even.width, even.height, "yuv420p"
                stream.options = {"crf": "18"}
                _say_colors(stream.codec_context)
            frame = av.VideoFrame.from_image(even).reformat(format="yuv420p", dst_colorspace="ITU709")
            container.mux(stream.encode(frame))
        if stream is not None:
            container.mux(stream.encode())


def _of_even_size(image: Image.Image) -> Image.Image:
    """Return a picture whose last column and row stand twice where their number is odd: a chroma sample covers two."""
    pixels = np.asarray(image)
    return Image.fromarray(np.pad(pixels, ((0, image.height % 2), (0, image.width % 2), (0, 0)), mode="edge"))


def _say_colors(codec: Any) -> None:
    """Write into a film how its colors are meant; where nothing is said, players guess by its height."""
    codec.colorspace = codec.color_primaries = _BT_709
    codec.color_trc, codec.color_range = _SRGB_CURVE, _STUDIO_RANGE
