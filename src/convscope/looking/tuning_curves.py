"""A unit's tuning curves: how its answer changes with a grating's orientation and period, hue, size, surround, bend.

Found for the units of a network as physiologists find them for neurons; *Hubel and Wiesel* (1962) began it. No
photographs are needed, and what is drawn is known exactly.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from convscope.address import Address
from convscope.errors import InputError
from convscope.looking.stimuli import CONTRASTS, CURVATURES, HUES, ORIENTATIONS, PERIODS, RADII
from convscope.looking.tuning import Tuning, measure_tuning
from convscope.network.network import Network
from convscope.pictures.picture import Picture
from convscope.pictures.recording import recipe_function
from convscope.presentation.curves import CurvePanel, Shown, curve_panels
from convscope.presentation.scaling import to_bytes
from convscope.presentation.style import ThemeName

_LEAST = 40  # pixels of a stimulus that are shown around what the neuron sees


@recipe_function("tuning_curves")
def tuning_curves(network: Network, address: str, *, theme: ThemeName = "light") -> Picture:
    """Show how a unit's answer changes with what is drawn for it: stripes, colors, disks, bent lines.

    `address` is a channel. Each panel is a curve of the answer of the neuron in the middle of its layer, and below
    it the stimulus of its kind that it answers most to, around what it sees (framed). The dashed line is the answer
    to plain gray. Stripes' phases, the side that an arc bends to and whether its line is light or dark are those
    that excite most. Best for units of the first half of a network: deeper ones see more than lines and colors.

    >>> convscope.tuning_curves(network, "conv2:23").save("tuning.png")

    UnknownLayer; InputError for a layer, or one without channels.
    """
    return tuning_sheet(*tuning_of(network, address), network.name, theme)


def tuning_of(network: Network, address: str) -> tuple[Tuning, int]:
    """Return what the unit's layer answers, and its channel; a layer that was just measured is not measured again."""
    unit = unit_with_tuning(network, address)
    return _cached_tuning(network, unit.layer), int(unit.channel or 0)


def unit_with_tuning(network: Network, address: str) -> Address:
    """Return the channel at an address; UnknownLayer, or InputError where it is a layer or a neuron."""
    unit = network.resolve(address)
    if unit.channel is None or unit.position is not None:
        raise InputError(f"tuning curves are of a channel, as {unit.layer}:0, not {address}")
    return unit


@lru_cache(maxsize=1)  # a Network never changes
def _cached_tuning(network: Network, layer: str) -> Tuning:
    return measure_tuning(network, layer)


def tuning_sheet(tuning: Tuning, channel: int, of: str, theme: ThemeName = "light") -> Picture:
    """Return the curves of a channel that was measured, of the network called so."""
    panels = curves(tuning, channel)
    title = f"{tuning.layer}:{channel} · {of} · drawn stimuli"
    picture = curve_panels(panels, float(tuning.gray[channel]), title=title, theme=theme)
    return replace(picture, caption=f"Tuning of {tuning.layer}:{channel}: {in_words(tuning, channel)}")


def curves(tuning: Tuning, channel: int) -> list[CurvePanel]:
    """Return the five panels of a channel."""
    grating = tuning.answers["grating"][channel]
    orientation, period = tuning.best("grating", channel)
    disks = dict(zip(CONTRASTS, tuning.answers["disk"][channel], strict=True))
    shown = {
        family: around(tuning, to_bytes(tuning.stimulus(family, channel)))
        if np.ptp(answers[channel])
        else None
        for family, answers in tuning.answers.items()
    }  # where all answers are the same, none is the best
    return [
        CurvePanel(
            f"orientation, {PERIODS[period]} px stripes",
            "degrees",
            ORIENTATIONS,
            {"": grating[:, period]},
            shown["grating"],
        ),
        CurvePanel(
            f"period, at {ORIENTATIONS[orientation]}°", "pixels", PERIODS, {"": grating[orientation]}, None
        ),
        CurvePanel(
            "hue",
            "degrees: 0 red, 120 green, 240 blue",
            HUES,
            {"": tuning.answers["hue"][channel]},
            shown["hue"],
        ),
        CurvePanel("disk and surround", "radius, pixels", RADII, disks, shown["disk"]),
        CurvePanel("curvature", "1 / radius", CURVATURES, {"": tuning.answers["arc"][channel]}, shown["arc"]),
    ]


def in_words(tuning: Tuning, channel: int) -> str:
    """Say what a channel answers most to; or that it answers to none of it more than to gray."""
    gray = float(tuning.gray[channel])
    best = {family: float(answers[channel].max()) for family, answers in tuning.answers.items()}
    family = max(best, key=lambda one: best[one])
    if best[family] <= gray:
        return f"nothing that was drawn makes it answer more than plain gray does ({gray:.3g})."
    place = tuning.best(family, channel)
    words = {
        "grating": lambda: (
            f"stripes of {PERIODS[place[1]]} pixels at {ORIENTATIONS[place[0]]}° (0° lie flat)"
        ),
        "hue": lambda: f"a plain color, hue {HUES[place[0]]}°",
        "disk": lambda: f"a disk, {list(CONTRASTS)[place[0]]}, of radius {RADII[place[1]]}",
        "arc": lambda: (
            f"a line bent by 1/{1 / CURVATURES[place[0]]:.0f}" if CURVATURES[place[0]] else "a straight line"
        ),
    }[family]()
    return f"most to {words}: {best[family]:.3g}, to plain gray {gray:.3g}."


def around(tuning: Tuning, pixels: NDArray[np.uint8]) -> Shown:
    """Return the part of a stimulus around what the neuron sees, and the frame of that in it."""
    top, left, bottom, right = tuning.box
    height, width = tuning.size
    margin = max(4, (_LEAST - (bottom - top)) // 2)
    edges = (
        max(0, top - margin),
        max(0, left - margin),
        min(height, bottom + margin),
        min(width, right + margin),
    )
    frame = (
        max(top, 0) - edges[0],
        max(left, 0) - edges[1],
        min(bottom, height) - edges[0],
        min(right, width) - edges[1],
    )
    return pixels[edges[0] : edges[2], edges[1] : edges[3]], frame
