"""libtiff, which Pillow reads TIFFs with, writes a line to the process's stderr for each part of a damaged file.

Nothing in Pillow turns that off, so libtiff itself is asked to, for as long as a file is read; what the process has as
stderr, and what anybody else writes there, stays as it is.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from itertools import count
from threading import Lock
from typing import Any

_SETTERS = ("TIFFSetErrorHandler", "TIFFSetWarningHandler")  # each returns the handler before
_lock = Lock()
_reading: set[int] = set()  # who reads: libtiff has one handler for all threads
_before: list[Any] = []
_numbers = count()


@contextmanager
def libtiff_silent() -> Iterator[None]:
    """Keep libtiff from stderr in this block; of several threads' blocks, the last gives it its handlers back."""
    reader = next(_numbers)
    with _lock:
        if not _reading:
            _before[:] = [setter(None) for setter in _setters()]
        _reading.add(reader)
    try:
        yield
    finally:
        with _lock:
            _reading.remove(reader)
            if not _reading:
                for setter, handler in zip(_setters(), _before, strict=True):
                    setter(handler)


@cache
def _setters() -> tuple[Callable[[Any], Any], ...]:
    """Return what sets libtiff's handlers, found through Pillow's own module; nothing where it is built in unseen."""
    from PIL import _imaging

    try:
        library = ctypes.PyDLL(_imaging.__file__)
        setters = tuple(getattr(library, name) for name in _SETTERS)
    except (OSError, AttributeError):
        return ()
    for setter in setters:
        setter.argtypes, setter.restype = [ctypes.c_void_p], ctypes.c_void_p
    return setters
