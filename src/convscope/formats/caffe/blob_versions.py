"""What a net's blobs are called as values: a blob that layers write in place gets a version per writing.

``conv1`` is the last one, ``conv1@relu0`` the one that the layer relu0 wrote, ``conv1@relu0.2`` that of another layer
of the same name.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable

from convscope.errors import NetworkFileError, did_you_mean
from convscope.formats.caffe.message import Message


class BlobVersions:
    """The version each blob has now; `tops` are all that the net's layers will write, in their order."""

    def __init__(self, tops: Iterable[str]) -> None:
        self._writes_left = Counter(tops)
        self._current: dict[str, str] = {}
        self._written: set[str] = set()
        self.aliases: dict[str, str] = {}

    def __contains__(self, blob: str) -> bool:
        return blob in self._current

    def read(self, layer: Message, blob: str) -> str:
        """Return the value that a layer reads here; NetworkFileError where no layer before it makes that."""
        if blob in self._current:
            return self._current[blob]
        raise NetworkFileError(
            f"layer {layer.name!r} reads {blob!r}, which no layer before it makes."
            f"{did_you_mean(blob, self._current)}"
        )

    def write(self, layer: Message, blob: str) -> str:
        """Name the version of a blob that this layer writes."""
        if blob in self._current and (blob, blob) not in zip(layer.bottom, layer.top, strict=False):
            raise NetworkFileError(
                f"layer {layer.name!r} makes {blob!r}, which another layer already made: give it another name "
                "(a layer may write over a blob in place where it reads it)"
            )
        self._writes_left[blob] -= 1
        versioned = self._unused(f"{blob}@{layer.name or ''}")
        value = versioned if self._writes_left[blob] else blob
        if value == blob and blob in self._current:
            self.aliases[versioned] = blob
        self._current[blob] = value
        self._written.add(value)
        return value

    def _unused(self, name: str) -> str:
        """Return the name, with a number behind it where a layer of the same name has written the blob before."""
        taken = self._written | self.aliases.keys()
        if name not in taken:
            return name
        return next(numbered for count in itertools.count(2) if (numbered := f"{name}.{count}") not in taken)
