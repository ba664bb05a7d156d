"""The pictures that viewers look at: found by the hash of their bytes, so that no address names a file."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import Any

from convscope.errors import PictureError
from convscope.pictures.photograph import Photograph, open_photograph

MOST_BYTES = (
    512 * 1024 * 1024
)  # of pixels, all pictures' together; the one that was not looked at for longest goes
LARGEST = 24 * 1024 * 1024  # pixels of one picture that is sent to the page


class PictureStore:
    """Pictures by the first 16 letters of their hash. What was not looked at for long is forgotten.

    >>> store = PictureStore()
    >>> store.add("coffee")
    '0c1f7bd2a9e86b5d'
    """

    def __init__(self) -> None:
        self._pictures: OrderedDict[str, Photograph] = OrderedDict()
        self._pinned: list[str] = []
        self._lock = Lock()

    def add(self, source: Any, *, pinned: bool = False) -> str:
        """Read a picture and return its key; PictureError for what is none. A `pinned` one is never forgotten."""
        photograph = open_photograph(source, maximum_pixels=LARGEST)
        key = photograph.sha256[:16]
        with self._lock:
            self._pictures[key] = photograph
            self._pictures.move_to_end(key)
            if pinned:
                self._pinned.append(key)
            self._forget()
        return key

    def __getitem__(self, key: str) -> Photograph:
        with self._lock:
            photograph = self._pictures.get(key)
            if photograph is None:
                raise PictureError("that picture is no longer here: drop it on the page again")
            self._pictures.move_to_end(key)
            return photograph

    def pinned(self) -> list[str]:
        """Return the keys of the pictures that came with the command, in their order."""
        return list(dict.fromkeys(self._pinned))

    def _forget(self) -> None:
        size = sum(photograph.pixels.nbytes for photograph in self._pictures.values())
        for key in [key for key in self._pictures if key not in self._pinned][:-1]:
            if size <= MOST_BYTES:
                return
            size -= self._pictures.pop(key).pixels.nbytes
