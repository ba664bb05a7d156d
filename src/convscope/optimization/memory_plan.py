"""What a large picture will take, said before the start, and the tile that fits a given memory."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from convscope.errors import InputError
from convscope.network.memory import BYTES_PER_NUMBER
from convscope.network.network import Network
from convscope.network.tape_memory import filter_bytes, tape_bytes
from convscope.optimization.octaves import Size
from convscope.optimization.tiling import tiling

TILES = (2048, 1536, 1024, 768, 512, 384, 256, 192, 128, 96, 64)
LOOP_PICTURES = (
    9  # of the whole picture at a time: values, gradient, both rolled, the step and what it is made of
)
WINDOW_PICTURES = 9  # of a window: as the network eats it, and on the way there and back
_FREED = 1.5  # the C library holds half as much again as is in use (measured at 256 to 1024 pixels)
_FREED_IN_TILES = 3.0  # windows of several sizes do not take each other's places
_STARTED = 35_000_000  # what torch's own machinery takes when it is used for the first time
_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


@dataclass(frozen=True)
class MemoryPlan:
    """How a picture of one size is computed, in one piece or in tiles, and the bytes that takes; both, to compare."""

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
    network: Network,
    layers: Sequence[str],
    size: Size,
    memory: int | None = None,
    *,
    tile: int | None = None,
    held: int = 0,
) -> MemoryPlan:
    """Return the plan for a picture of `size` up to these layers (values), within `memory` bytes where it is given.

    `tile` is one that was asked for. `held` are bytes held besides: an optimizer's state, the content's answers.

    >>> print(memory_plan(network, ["inception_4c/output"], (1024, 1024), bytes_of("900MB")))
    1024 x 1024: 1.1 GB in one piece, 810 MB in tiles of 384

    InputError when no tile fits, with what the smallest would take.
    """
    whole = needed_bytes(network, layers, size, held=held)
    if tile is not None:
        plan = MemoryPlan(size, whole, tile, needed_bytes(network, layers, size, tile, held=held))
        if memory is not None and plan.needed > memory:
            raise InputError(f"{plan}; {_in_words(memory)} is less: use smaller tiles or a smaller picture")
        return plan
    if memory is None or whole <= memory:
        return MemoryPlan(size, whole)
    plans = [
        MemoryPlan(size, whole, one, needed_bytes(network, layers, size, one, held=held))
        for one in TILES
        if one < max(size)
    ]
    fitting = next((plan for plan in plans if plan.needed <= memory), None)
    if fitting is None:
        least = min(plans, key=lambda plan: plan.needed, default=MemoryPlan(size, whole))
        raise InputError(
            f"{_in_words(memory)} is too little. {least}: give at least {_in_words(least.needed)}, "
            "a smaller picture or an earlier layer"
        )
    return fitting


def needed_bytes(
    network: Network, layers: Sequence[str], size: Size, tile: int | None = None, *, held: int = 0
) -> int:
    """Return about how many bytes a step takes for a picture of `size`, in one piece or in tiles."""
    window = size if tile is None else tiling(network, layers, size, tile).largest
    spec, graph = network.input_spec, network.graph
    if spec is None:
        raise InputError(f"{network.name} eats no pictures, so there is nothing to plan")
    first, *others = graph.inputs
    shape = (1, *window, spec.channels) if graph.channels_last else (1, spec.channels, *window)
    inputs = {first: shape, **{name: graph.inputs[name] for name in others}}
    pixel = BYTES_PER_NUMBER * spec.channels
    pictures = pixel * (LOOP_PICTURES * size[0] * size[1] + WINDOW_PICTURES * window[0] * window[1])
    kept = _FREED if tile is None else _FREED_IN_TILES
    tape = int(kept * tape_bytes(graph, layers, inputs))
    return _STARTED + filter_bytes(graph, layers) + pictures + tape + held


def bytes_of(text: str) -> int:
    """Return the bytes that a person writes as ``2GB``, ``512 MB`` or ``1.5G``; a gigabyte is a thousand megabytes.

    >>> bytes_of("2GB")
    2000000000
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?\s*", text, re.IGNORECASE)
    if found is None or not float(found[1]):
        raise InputError(f"{text!r} is no amount of memory: write 2GB or 512MB")
    return int(float(found[1]) * _UNITS[found[2].upper()])


def _in_words(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 999_500_000 else f"{max(1, round(count / 1e6))} MB"
