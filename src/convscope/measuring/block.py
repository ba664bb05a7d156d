"""A block: what the units of all layers answered to 64 pictures in a row, as a file that appears whole.

The same pictures give the same bytes, in whatever run and process: so a measurement goes on after a kill, and its
blocks may come from many machines.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from convscope.errors import NetworkFileError, PictureError
from convscope.files import parsed_json, saved
from convscope.formats.json_types import Each, require
from convscope.measuring.plan import MeasuredLayer
from convscope.measuring.summary import Summary

_FACTS = "convscope"
_OF_PICTURES = ("broken", "contents")
_TYPES = {"max": "F32", "mean": "F32", "position": "I32", "fires": "I64", "lowest": "F32"}


@dataclass(frozen=True, eq=False)
class Block:
    """``layers`` in the plan's order, for the ``pictures`` (their numbers in the list) that could be read.

    ``broken`` says of the others why not. ``contents`` are the hashes of the bytes of those that could.
    """

    pictures: NDArray[np.int64]
    layers: tuple[Summary, ...]
    broken: Mapping[int, str]
    contents: Mapping[int, str]

    def save(self, path: Path) -> None:
        """Write the file, whole or not at all; PictureError where the disk takes no more."""
        arrays: dict[str, NDArray[Any]] = {"pictures": self.pictures}
        for index, layer in enumerate(self.layers):
            arrays |= {f"{index}.{item.name}": getattr(layer, item.name) for item in fields(layer)}
        # One key: several are written in any order.
        told = {"broken": self.broken, "contents": self.contents}
        metadata = {_FACTS: json.dumps(told, sort_keys=True)}
        kept = "What was measured before is kept, and the same command goes on"
        with saved(path, SafetensorError, then=kept) as partial:
            save_file(
                {name: np.ascontiguousarray(array) for name, array in arrays.items()}, partial, metadata
            )


class BlockFacts(NamedTuple):
    """The numbers of a block's pictures, what is said of those that could not be read, and the hashes of the others."""

    pictures: NDArray[np.int64]
    broken: Mapping[int, str]
    contents: Mapping[int, str]


@dataclass(frozen=True)
class BlockFile:
    """A block on disk: read a little at a time."""

    path: Path

    def fits(self, layers: Sequence[MeasuredLayer]) -> bool:
        """Whether it is a whole block of a measurement of these layers."""
        try:
            with _open_block(self.path) as file:
                _facts_of_pictures(file)
                pictures = file.get_slice("pictures")
                count = pictures.get_shape()
                if pictures.get_dtype() != "I64":
                    return False
                for index, layer in enumerate(layers):
                    for item in fields(Summary):
                        numbers = file.get_slice(f"{index}.{item.name}")
                        expected = (
                            [layer.channels] if item.name in ("fires", "lowest") else [*count, layer.channels]
                        )
                        if (numbers.get_shape(), numbers.get_dtype()) != (expected, _TYPES[item.name]):
                            return False
        except (PictureError, SafetensorError, LookupError, ValueError):
            return False
        return True

    def facts(self) -> BlockFacts:
        """Return all but the numbers of the layers."""
        with _open_block(self.path) as file:
            return BlockFacts(file.get_tensor("pictures"), **_facts_of_pictures(file))

    def read(self, layer: int, what: str, channels: Sequence[int] | slice = slice(None)) -> NDArray[Any]:
        """Return ``max``, ``mean``, ``position``, ``fires`` or ``lowest`` of a layer, or of some of its channels."""
        with _open_block(self.path) as file:
            numbers: NDArray[Any] = file.get_tensor(f"{layer}.{what}")
        return numbers[..., channels]


def _facts_of_pictures(file: Any) -> dict[str, dict[int, str]]:
    """Return what is said of single pictures, by what it is; NetworkFileError where that is none of it."""
    try:
        facts = parsed_json((file.metadata() or {}).get(_FACTS, "null"))
    except ValueError as error:
        raise NetworkFileError(f"its facts are no JSON: {error}") from error
    require(facts, dict.fromkeys(_OF_PICTURES, Each(str)), "its facts")
    if wrong := [index for what in _OF_PICTURES for index in facts[what] if not index.isdecimal()]:
        raise NetworkFileError(f"its facts tell of picture {wrong[0]!r}, which is no number")
    return {what: {int(index): text for index, text in facts[what].items()} for what in _OF_PICTURES}


@contextmanager
def _open_block(path: Path) -> Iterator[Any]:
    """Open a block's file; PictureError for one that is damaged."""
    try:
        with safe_open(path, "np") as file:
            yield file
    except (OSError, SafetensorError, NetworkFileError) as error:
        raise PictureError(
            f"{path} is no whole block of a measurement ({error}): remove it, and measure again"
        ) from error
