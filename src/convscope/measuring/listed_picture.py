"""A picture of a list, not yet read: its name, where it lies, and what it was called a picture of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from convscope.errors import PictureError
from convscope.files import sha256_of
from convscope.pictures.decoding import photograph_endings


@dataclass(frozen=True)
class ListedPicture:
    """A picture of a list: ``name`` within its source, ``path`` for people, ``label`` where its class is known.

    ``size`` in bytes and ``changed`` (nanoseconds) are the file's, or its archive's; ``read`` gives what
    `read_picture` reads; ``source`` is the folder or file it was listed from, None for what a program gave.
    """

    name: str
    path: str
    size: int
    changed: int
    label: str | None = None
    source: Path | None = None
    read: Callable[[], Any] = field(default=lambda: None, compare=False, repr=False)

    def touched(self) -> int:
        """Return when its file, or its archive, came to its place or was written last (nanoseconds): no date says it.

        0 for what a program gave, and for what is gone.
        """
        for place in (self.path, self.source):  # a member of an archive is no file
            with suppress(OSError, TypeError, ValueError):
                return Path(place).stat().st_ctime_ns  # type: ignore[arg-type]
        return 0

    def content_sha256(self) -> str:
        """Return the hash of its bytes; an empty text for what a program gave, whose name has one, or what is gone."""
        try:
            content = self.read()
            if isinstance(content, Path):
                return sha256_of(content) if content.is_file() else ""  # a device never ends
        except (PictureError, OSError):
            return ""
        return sha256(content).hexdigest() if isinstance(content, bytes) else ""


def is_picture(name: Path) -> bool:
    """Whether a name is a picture's: by its ending, and not hidden (``.thumbs``, macOS' ``._name.jpg``)."""
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in name.parts)
    return name.suffix.lower() in photograph_endings() and not hidden


def labels_by_folder(names: Sequence[Path]) -> list[str | None]:
    """Return each picture's first folder as its class; None for each where they lie in less than two."""
    first = [name.parts[0] if len(name.parts) > 1 else None for name in names]
    return first if len({*first} - {None}) > 1 else [None] * len(first)


def unchanged(path: Path, size: int, changed: int) -> Path:
    """Return a file that has the size and date that it was listed with; PictureError for another."""
    try:
        now = path.stat()
    except OSError as error:
        raise PictureError(f"{path} cannot be read: {error.strerror or error}") from error
    if (now.st_size, now.st_mtime_ns) != (size, changed):
        raise PictureError(f"{path} has changed since the measurement began")
    return path
