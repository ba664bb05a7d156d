"""A picture that makes a unit answer, and where in it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Example:
    """A real picture and what a unit answers to it.

    ``value`` is the unit's maximum or mean over its positions; ``position`` (row, column) in the layer's grid is where
    its maximum is; ``box`` (left, top, right, bottom) is what that position sees of the network's input, in its pixels,
    the last two excluded: None where the network's graph does not say. What gates (squeeze and excitation) and
    attention see besides, the whole picture, is left out. ``index`` is the picture's number in the list.
    """

    path: str
    value: float
    position: tuple[int, int]
    box: tuple[int, int, int, int] | None
    index: int
    label: str | None = None
