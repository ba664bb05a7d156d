"""Sizes that memory cannot hold, refused before anything is made of them, with the size that would fit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod

from convscope.errors import InputError
from convscope.network.engine.memory import BYTES_PER_NUMBER, machine_memory
from convscope.network.network import Network
from convscope.network.shapes import infer_shapes
from convscope.pictures.resizing import Size

_COPIES = 8  # of a picture while it is changed: itself, its gradient, moved, resized, shown
_BACK = 1.6  # of a network's values: all are kept for the way back, and the largest gradient beside them


def require_size_fits(what: str, size: Size, needed: Callable[[Size], int], remedy: str = "") -> None:
    """InputError where a picture of this (height, width) needs more memory than the machine has.

    `needed` says how many bytes a size takes. The error names the largest longer side that fits, and `remedy`, what
    else could be done.
    """
    memory, bytes_needed = machine_memory(), needed(size)
    if bytes_needed <= memory:
        return
    longer = _largest_that_fits(size, lambda one: needed(one) <= memory)
    height, width = size
    fits = f"a size of {longer:,} pixels would fit" if longer else "no size would fit"
    raise InputError(
        f"{what} of {width:,} x {height:,} pixels needs about {bytes_needed / 1e9:,.1f} GB of memory, and this machine "
        f"has {memory / 1e9:,.1f} GB: {fits}{remedy}"
    )


def in_windows() -> str:
    """Return the remedy for a picture that can be made a window at a time."""
    memory = f"{machine_memory() * 0.8 / 1e9:.0f}GB"
    return f", or compute it in windows: --tile 1024 or --memory {memory}, in Python tile=1024 or memory={memory!r}"


def picture_bytes(size: Size, channels: int = 3) -> int:
    """Return about how many bytes it takes to change a picture, the network apart."""
    return BYTES_PER_NUMBER * _COPIES * channels * prod(size)


def network_bytes(network: Network, layers: Sequence[str], size: Size) -> int:
    """Return about how many bytes a network takes on the way to some layers and back, in one piece.

    Where it does not accept the size, it is given its own.
    """
    shapes = network.input_shapes(size)
    try:
        value_shapes = infer_shapes(network.graph, shapes, layers)
    except InputError:
        value_shapes = network.shapes_at(network.picture_spec.size, layers)
    return int(
        _BACK * BYTES_PER_NUMBER * sum(prod(shape) for shape in value_shapes.values() if shape is not None)
    )


def _largest_that_fits(size: Size, fits: Callable[[Size], bool]) -> int:
    """Return the longer side of the largest picture of this shape that fits, in tens of pixels; 0 where none does."""
    low, high = 0, max(size) // 10
    while high - low > 1:
        middle = (low + high) // 2
        height, width = (max(1, side * middle * 10 // max(size)) for side in size)
        low, high = (middle, high) if fits((height, width)) else (low, middle)
    return low * 10
