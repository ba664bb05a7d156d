"""What a large picture will take, said before the start, and the tile that fits a given memory.

The loop is run on a small picture, the network on tensors without numbers, and what both make and let go is placed as
the C library would place it (`memory_probe`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil

from convscope.errors import InputError
from convscope.pictures.resizing import Size

TILES = (2048, 1536, 1024, 768, 512, 384, 256, 192, 128, 96, 64)
_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


@dataclass(frozen=True)
class MemoryPlan:
    """How a picture of one size is computed, in one piece or in tiles, and the bytes the process takes then."""

    size: Size
    whole: int
    tile: int | None = None
    tiled: int | None = None

    @property
    def needed(self) -> int:
        """The bytes that will be taken."""
        return self.whole if self.tiled is None else self.tiled

    def __str__(self) -> str:
        height, width = self.size
        words = f"{width} x {height}: {_in_words(self.whole)} in one piece"
        return words if self.tiled is None else f"{words}, {_in_words(self.tiled)} in tiles of {self.tile}"


def memory_plan(
    needed: Callable[[int | None], int], size: Size, memory: int | None = None, tile: int | None = None
) -> MemoryPlan:
    """Return the plan for a picture of `size`, within `memory` bytes where that is given.

    `needed` says the bytes for a tile, or for one piece (None); `tile` is one that was asked for.

    >>> print(dream.plan(bytes_of("900MB")))
    1024 x 1024: 1.3 GB in one piece, 900 MB in tiles of 512

    InputError when no tile fits, with what the smallest would take.
    """
    whole = needed(None)
    if tile is not None:
        plan = MemoryPlan(size, whole, tile, needed(tile))
        if memory is not None and plan.needed > memory:
            raise InputError(
                f"{_in_words(memory)} is too little. {plan}: use smaller tiles or a smaller picture"
            )
        return plan
    if memory is None or whole <= memory:
        return MemoryPlan(size, whole)
    plans = list[MemoryPlan]()
    for one in (one for one in TILES if one < max(size)):
        try:
            plans.append(MemoryPlan(size, whole, one, needed(one)))
        except InputError as error:
            raise InputError(
                f"{_in_words(memory)} is too little. {MemoryPlan(size, whole)}, and {error}"
            ) from error
        if plans[-1].needed <= memory:
            return plans[-1]
    least = min(plans, key=lambda plan: plan.needed, default=MemoryPlan(size, whole))
    raise InputError(
        f"{_in_words(memory)} is too little. {least}: give at least {_in_words(least.needed, up=True)}, "
        "a smaller picture or earlier layers"
    )


def bytes_of(text: str) -> int:
    """Return the bytes that a person writes as ``2GB``, ``512 MB`` or ``1.5G``; a gigabyte is a thousand megabytes.

    >>> bytes_of("2GB")
    2000000000
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?\s*", text, re.IGNORECASE)
    if match is None or not float(match[1]):
        raise InputError(f"{text!r} is no amount of memory: write 2GB or 512MB")
    return int(float(match[1]) * _UNITS[match[2].upper()])


def _in_words(count: int, *, up: bool = False) -> str:
    rounded = ceil if up else round
    if count >= 999_500_000:
        return f"{rounded(count / 1e8) / 10:.1f} GB"
    return f"{max(1, rounded(count / 1e6))} MB"
