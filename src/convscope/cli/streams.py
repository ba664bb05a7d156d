"""stdout and stderr that do not bring a command down: closed, on a full disk, or a pipe that nobody reads.

What is said beside the work (stderr) may get lost, and the work goes on. Results (stdout) may not: a line says why they
cannot be written. A pipe that is closed early (``convscope layers NETWORK | head -1``) ends the command silently, as
everywhere.
"""

from __future__ import annotations

import errno
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from convscope.errors import PictureError


class _Stream:
    """A stream that is like another but for what happens when it cannot be written to."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class _Notes(_Stream):
    def write(self, text: str) -> int:
        with suppress(OSError, ValueError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            self._stream.flush()


class _Results(_Stream):
    def write(self, text: str) -> int:
        with _failure_in_words():
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with _failure_in_words():
            self._stream.flush()


class _Closed:
    """What stands for a stream that was closed before Python began."""

    encoding, errors = "utf-8", "replace"

    def write(self, _: str) -> int:
        raise OSError(errno.EBADF, "it is closed")

    def flush(self) -> None:
        """There is nothing to flush."""

    def isatty(self) -> bool:
        return False


@contextmanager
def lasting_streams() -> Iterator[None]:
    """Let stdout and stderr be such in this block."""
    before = sys.stdout, sys.stderr
    ours = _Results(before[0] or _Closed()), _Notes(before[1] or _Closed())
    sys.stdout, sys.stderr = ours
    try:
        yield
    finally:
        if sys.stdout is ours[0]:  # else somebody has put there what bears a broken pipe at the end of Python
            sys.stdout = before[0]
        sys.stderr = before[1]


@contextmanager
def _failure_in_words() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno == errno.EPIPE:
            raise
        raise PictureError(f"cannot write to stdout: {error.strerror or error}") from error
