"""The film of a job on the page: its frames while it runs, at last one animated WebP with the picture's recipe."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from tempfile import TemporaryDirectory

from convscope.jobs import AnyResumable, PictureJob
from convscope.pictures.picture import Picture
from convscope.presentation.animation import Frames, write_film

MOST_FRAMES = 120  # of longer jobs every second, third ... step is one
RATE = 10.0  # frames a second
_LOOK = 0.05  # seconds that the worker waits at a time while a film is written


class Film:
    """The frames of one job, on disk until `close`.

    >>> film = Film()
    >>> film.keep(job, step)
    """

    def __init__(self) -> None:
        self._folder = TemporaryDirectory(prefix="convscope-film-")
        self._frames = Frames(Path(self._folder.name) / "frames")
        self._steps: list[int] = []

    def keep(self, job: PictureJob[AnyResumable], step: AnyResumable, *, last: bool) -> None:
        """Keep what a step shows: the first, the last, and so many between that a film of all stays small."""
        if last or not self._steps or step.index >= self._steps[-1] + -(-step.of // MOST_FRAMES):
            self._steps.append(step.index)
            self._frames.keep(len(self._steps), job.frame(step))

    @property
    def words(self) -> str:
        """What it shows."""
        first, last = self._steps[0], self._steps[-1]
        return f"A film of the steps {first} to {last}, {len(self._steps)} frames."

    def written(self, picture: Picture) -> Iterator[bytes | None]:
        """Yield None while the film is being written, then its bytes; the recipe of its last picture is in it."""
        path = Path(self._folder.name) / "film.webp"
        with ThreadPoolExecutor(1) as pool:
            writing = pool.submit(write_film, path, self._frames.paths(), RATE, picture)
            while not writing.done():
                yield None
                wait([writing], _LOOK)
            writing.result()
        yield path.read_bytes()

    def close(self) -> None:
        """Remove the frames."""
        self._folder.cleanup()
