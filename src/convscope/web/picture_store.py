"""The pictures that viewers look at: found by the hash of their bytes, so that no address names a file."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import Any

from convscope.errors import PictureError
from convscope.pictures.photograph import Photograph, open_photograph

MOST_BYTES = (
    256 * 1024 * 1024
)  # of files, all pictures' together; the one that was not looked at for longest goes
MOST_DECODED = 64 * 1024 * 1024  # bytes of numbers: the others are read again when they are looked at
LARGEST = 24 * 1024 * 1024  # pixels of one picture that is sent to the page


class PictureStore:
    """Pictures by the first 16 letters of their hash. What was not looked at for long is forgotten.

    Of those that were sent, the files are kept, a twelfth to a hundredth of their numbers.

    >>> store = PictureStore()
    >>> store.add("coffee")
    '0c1f7bd2a9e86b5d'
    """

    def __init__(self) -> None:
        self._files: OrderedDict[str, bytes] = OrderedDict()
        self._decoded: OrderedDict[str, Photograph] = OrderedDict()
        self._kept: dict[str, Photograph] = {}  # pinned, and samples: they came as no bytes
        self._pinned: list[str] = []
        self._lock = Lock()

    def add(self, source: Any, *, pinned: bool = False) -> str:
        """Read a picture and return its key; PictureError for what is none. A `pinned` one is never forgotten."""
        photograph = open_photograph(source, maximum_pixels=LARGEST)
        key = photograph.sha256[:16]
        with self._lock:
            if pinned:
                self._pinned.append(key)
            if isinstance(source, bytes) and not pinned and key not in self._kept:
                self._files[key] = source
                self._use(key, photograph)
                self._forget()
            else:
                self._kept[key] = photograph
        return key

    def __getitem__(self, key: str) -> Photograph:
        with self._lock:
            photograph, file = self._kept.get(key) or self._decoded.get(key), self._files.get(key)
            if photograph is None and file is None:
                raise PictureError("that picture is no longer here: drop it on the page again")
        if photograph is None:
            photograph = open_photograph(file, maximum_pixels=LARGEST)
        with self._lock:
            if key in self._files:
                self._use(key, photograph)
        return photograph

    def pinned(self) -> list[str]:
        """Return the keys of the pictures that came with the command, in their order."""
        return list(dict.fromkeys(self._pinned))

    def _use(self, key: str, photograph: Photograph) -> None:
        """Keep a picture's numbers, as those that were looked at last."""
        self._decoded[key] = photograph
        for pictures in (self._decoded, self._files):
            pictures.move_to_end(key)
        size = sum(_size(one) for one in self._decoded.values())
        while size > MOST_DECODED and len(self._decoded) > 1:
            size -= _size(self._decoded.popitem(last=False)[1])

    def _forget(self) -> None:
        size = sum(map(len, self._files.values()))
        while size > MOST_BYTES and len(self._files) > 1:
            key, file = self._files.popitem(last=False)
            self._decoded.pop(key, None)
            size -= len(file)


def _size(photograph: Photograph) -> int:
    arrays = (photograph.pixels, photograph.opacity, photograph.bands)
    return sum(array.nbytes for array in arrays if array is not None)
