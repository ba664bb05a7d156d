"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from convscope.errors import NetworkFileError


def require_regular(path: str | os.PathLike[str]) -> None:
    """Raise NetworkFileError for what is no file to read: a device never ends, and a pipe waits for somebody."""
    try:
        mode = Path(path).stat().st_mode
    except FileNotFoundError:
        raise NetworkFileError(f"{os.fspath(path)} does not exist: give the path of a file.") from None
    except OSError as error:
        raise NetworkFileError(f"{os.fspath(path)} cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise NetworkFileError(f"{os.fspath(path)!r} is no file's name: {error}") from error
    if not stat.S_ISREG(mode):
        kind = next((words for test, words in _KINDS if test(mode)), "something else")
        raise NetworkFileError(f"{os.fspath(path)} is {kind}, not a file: give the path of a file.")


_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
)


@contextmanager
def written_whole(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a file beside `path` to write to: it takes its place when the block ends well, and vanishes when not.

    >>> with written_whole("page.html") as partial:
    ...     partial.write_text("<!doctype html>")
    """
    path = Path(path)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:40]}.")
    os.close(handle)
    partial = Path(name)
    try:
        yield partial
        mask = os.umask(0)
        os.umask(mask)
        partial.chmod(0o666 & ~mask)  # mkstemp's files are private; a saved one is an ordinary file
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
