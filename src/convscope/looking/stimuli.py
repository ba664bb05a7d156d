"""Drawn stimuli whose every property is known: gratings, plain colors, disks with and without a surround, arcs.

What physiologists show to neurons (Hubel and Wiesel, *Receptive fields ... in the cat's visual cortex*, 1962), drawn on
mid gray around the point that a neuron looks at. Edges are smoothed over one pixel.
"""

from __future__ import annotations

import colorsys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

GRAY = 0.5
ORIENTATIONS = tuple(range(0, 180, 15))
"""Degrees of a grating's stripes: 0 is horizontal, 90 vertical, 45 rises to the right."""
PERIODS = (3, 4, 6, 9, 13, 19, 28, 42)
"""Pixels from one stripe to the next of the same kind."""
HUES = tuple(range(0, 360, 30))
"""Degrees of the color circle: 0 is red, 120 green, 240 blue, all as bright as they go."""
RADII = (1, 2, 3, 5, 8, 12, 18, 27, 40)
"""Pixels."""
CURVATURES = (0, 1 / 40, 1 / 27, 1 / 18, 1 / 12, 1 / 8, 1 / 5)
"""One over an arc's radius in pixels; 0 is a straight line."""
CONTRASTS = {
    "light on gray": (1.0, GRAY),
    "dark on gray": (0.0, GRAY),
    "light on dark": (1.0, 0.0),
    "dark on light": (0.0, 1.0),
}
"""Disk and surround, black 0 to white 1. A surround is a ring as wide as the disk, on gray."""
_PHASES = (0, 90, 180, 270)
_SIDES = tuple(range(0, 360, 30))  # degrees: where an arc's center lies
_HALF_A_LINE = 1.0  # pixels

Size = tuple[int, int]
Pixels = NDArray[np.float32]
Plane = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Stimulus:
    """One drawn picture: its `family`, and its `place` in the family's table; several may share a place.

    A place is (orientation, period), (hue,), (contrast, radius) or (curvature,), as indices of the tables above. What
    shares one differs in what does not matter there: a grating's phase, the side an arc bends to, a line's brightness.
    """

    family: str
    place: tuple[int, ...]
    pixels: Pixels


FAMILIES = {
    "grating": (len(ORIENTATIONS), len(PERIODS)),
    "hue": (len(HUES),),
    "disk": (len(CONTRASTS), len(RADII)),
    "arc": (len(CURVATURES),),
}
"""Family to the shape of its table."""


def stimuli(size: Size, center: tuple[float, float]) -> Iterator[Stimulus]:
    """Yield all stimuli as RGB pictures (height, width, 3) in 0..1, drawn around a center (row, column).

    The first is plain gray, of the family "gray".

    >>> next(stimuli((32, 32), (15.5, 15.5))).family
    'gray'
    """
    rows = (np.arange(size[0]) - center[0])[:, None]
    columns = (np.arange(size[1]) - center[1])[None, :]
    yield Stimulus("gray", (), _colored(np.full(size, GRAY)))
    for place in np.ndindex(*FAMILIES["grating"]):
        angle, period = np.radians(ORIENTATIONS[place[0]]), PERIODS[place[1]]
        across = rows * np.cos(angle) + columns * np.sin(angle)
        for phase in _PHASES:
            wave = np.cos(2 * np.pi * across / period + np.radians(phase))
            yield Stimulus("grating", place, _colored(GRAY + wave / 2))
    for index, hue in enumerate(HUES):
        color = np.array(colorsys.hsv_to_rgb(hue / 360, 1, 1), np.float32)
        yield Stimulus("hue", (index,), np.broadcast_to(color, (*size, 3)).copy())
    distance = np.hypot(rows, columns)
    for place in np.ndindex(*FAMILIES["disk"]):
        disk, surround = list(CONTRASTS.values())[place[0]]
        radius = RADII[place[1]]
        values = _within(distance, 2 * radius) * (surround - GRAY) + GRAY
        yield Stimulus("disk", place, _colored(values + _within(distance, radius) * (disk - values)))
    for index, curvature in enumerate(CURVATURES):
        for side in _SIDES:
            line = _within(_from_arc(rows, columns, curvature, np.radians(side)), _HALF_A_LINE)
            for brightness in (1.0, 0.0):
                yield Stimulus("arc", (index,), _colored(GRAY + line * (brightness - GRAY)))


def _colored(values: Plane) -> Pixels:
    return np.repeat(values[:, :, None], 3, axis=2).astype(np.float32)


def _within(distance: Plane, radius: float) -> Plane:
    """Return 1 inside a radius and 0 outside, smoothed over the pixel on its edge."""
    inside: Plane = np.clip(radius + 0.5 - distance, 0, 1)
    return inside


def _from_arc(rows: Plane, columns: Plane, curvature: float, side: float) -> Plane:
    """Return each pixel's distance from a line through the center, or from a circle through it that lies to a side."""
    if not curvature:
        distance: Plane = np.abs(rows * np.sin(side) + columns * np.cos(side))
        return distance
    radius = 1 / curvature
    to_center: Plane = np.hypot(rows - radius * np.sin(side), columns - radius * np.cos(side))
    return abs(to_center - radius)
