"""Films: frames kept as PNGs in a folder, and made into a GIF, an animated WebP or AVIF, or an MP4."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, features

from convscope.errors import PictureError
from convscope.files import written_whole

Frame = NDArray[np.uint8]
"""(height, width, 3 or 4)."""
_SAVED_BY_PILLOW = {".gif": "GIF", ".webp": "WEBP", ".avif": "AVIF"}
_NAMES = "frame-[0-9][0-9][0-9][0-9][0-9].png"
FILMS = (*_SAVED_BY_PILLOW, ".mp4")


class Frames:
    """A film's frames in a folder, ``frame-00001.png`` and so on: what a killed run goes on from.

    >>> frames = Frames("frames")
    >>> frames.keep(1, np.zeros((8, 8, 3), np.uint8))
    >>> frames.count()
    1
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder).expanduser()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise PictureError(f"cannot make the folder {self.folder}: {error.strerror or error}") from error

    def path(self, index: int) -> Path:
        """Return where a frame is kept; the first is 1."""
        return self.folder / f"frame-{index:05}.png"

    def keep(self, index: int, frame: Frame) -> None:
        """Write a frame, whole or not at all."""
        try:
            with written_whole(self.path(index)) as partial:
                Image.fromarray(frame).save(partial, "PNG", compress_level=3)
        except OSError as error:
            raise PictureError(f"cannot write {self.path(index)}: {error.strerror or error}") from error

    def read(self, index: int) -> Frame:
        """Return a frame that was kept."""
        try:
            with Image.open(self.path(index), formats=("PNG",)) as image:
                return np.array(image)
        except (OSError, SyntaxError, ValueError) as error:
            raise PictureError(
                f"{self.path(index)} cannot be read: delete it, and it is made again"
            ) from error

    def count(self) -> int:
        """Return how many frames there are from the first without a gap."""
        index = 0
        while self.path(index + 1).is_file():
            index += 1
        return index

    def paths(self) -> list[Path]:
        """Return where the frames are, in order."""
        return sorted(self.folder.glob(_NAMES))

    def forget(self) -> None:
        """Remove the frames, and the folder when nothing else is in it."""
        for path in self.paths():
            path.unlink()
        if not any(self.folder.iterdir()):
            self.folder.rmdir()


def require_film(path: str | os.PathLike[str]) -> Path:
    """Return a film's path; PictureError when nothing here can write such a film, before any time is spent."""
    path = Path(path).expanduser()
    suffix = path.suffix.lower()
    if suffix not in FILMS:
        raise PictureError(f"cannot make {path}: its ending says no film; possible: {', '.join(FILMS)}")
    if suffix == ".mp4" and find_spec("av") is None:
        raise PictureError(f"{path} needs PyAV: pip install av; or make a .gif or .webp, or keep the frames")
    if suffix == ".avif" and not features.check("avif"):
        raise PictureError(f"this Pillow writes no AVIF: update it, or make {path.with_suffix('.webp')}")
    return path


def write_film(path: str | os.PathLike[str], frames: Sequence[Path], rate: float) -> Path:
    """Make a film of pictures of one size, `rate` of them a second, and return its path.

    GIF has 256 colors a frame and at most 50 frames a second; the last frame stays a second. The file appears whole or
    not at all.
    """
    path = require_film(path)
    if not frames:
        raise PictureError(f"{path} has no frames")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(path) as partial:
            if path.suffix.lower() == ".mp4":
                _write_mp4(partial, frames, rate)
            else:
                _write_by_pillow(partial, frames, rate, _SAVED_BY_PILLOW[path.suffix.lower()])
    except OSError as error:
        raise PictureError(f"cannot write {path}: {error.strerror or error}") from error
    return path


def _write_by_pillow(path: Path, frames: Sequence[Path], rate: float, form: str) -> None:
    lasting = [max(20, round(1000 / rate))] * (len(frames) - 1) + [1000]
    options: dict[str, Any] = {"quality": 80} if form in ("WEBP", "AVIF") else {}
    first, *_ = _images(frames[:1])
    first.save(
        path,
        form,
        save_all=True,
        append_images=_images(frames[1:]),
        duration=lasting if len(frames) > 1 else lasting[0],
        loop=0,
        **options,
    )


def _images(paths: Sequence[Path]) -> Iterator[Image.Image]:
    for path in paths:
        with Image.open(path, formats=("PNG",)) as image:
            yield image.copy()


def _write_mp4(path: Path, frames: Sequence[Path], rate: float) -> None:
    import av  # type: ignore[import-not-found,unused-ignore]

    with av.open(str(path), "w", format="mp4") as container:
        stream = None
        for image in _images(frames):
            even = image.convert("RGB").crop((0, 0, image.width // 2 * 2, image.height // 2 * 2))
            if stream is None:
                stream = container.add_stream("libx264", rate=round(rate))
                stream.width, stream.height, stream.pix_fmt = even.width, even.height, "yuv420p"
                stream.options = {"crf": "18"}
            container.mux(stream.encode(av.VideoFrame.from_image(even)))
        if stream is not None:
            container.mux(stream.encode())
