"""One number a pixel, shown beside the picture and on it: where a network's answer depends on what it sees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter  # type: ignore[import-untyped]

from convscope.attribution.target import Question, in_rgb
from convscope.errors import InputError, by_name
from convscope.pictures.picture import Picture
from convscope.presentation.panels import Panel, panels
from convscope.presentation.scaling import Scaled, Scaling, scale

PANELS = ("picture", "map", "overlay")
IN_COLOR = ("picture", "colors", "overlay")
PERCENTILE = 99.0
_BLUR = 1 / 48  # of the picture's longer side: the overlay's Gaussian blur
_DIM = 0.12  # what is left of the picture where nothing depends on it
_ONE_SIDED, _SIGNED = "magma", "RdBu_r"


@dataclass(frozen=True)
class Look:
    """How evidence is shown: which panels, which percentile of the values is the brightest, which theme."""

    panels: Sequence[str]
    percentile: float
    theme: str


@dataclass(frozen=True, eq=False)
class Evidence:
    """What a technique found: ``map`` (height, width), and what it says about it.

    ``name`` is the technique's, ``made`` says how the numbers were made, ``caution`` what is known of such maps.
    A ``signed`` map speaks for the answer where it is positive, against it where it is negative; else it is 0 or more.
    ``values`` (height, width, channels) are what it was made of, which the panel "colors" shows; ``lit`` is the words
    below the panel "overlay".
    """

    question: Question
    name: str
    map: NDArray[np.float64]
    values: NDArray[np.float64]
    signed: bool
    made: str
    caution: str
    lit: str = "what it depends on"


def show(evidence: Evidence, look: Look) -> Picture:
    """Return the panels of some evidence beside each other, and the words for all of it."""
    _check(evidence, look)
    scaled = _scaled(evidence, look)
    shown = panels([_POSSIBLE[name](evidence, scaled, look) for name in look.panels], theme=look.theme)
    return replace(shown, caption=_caption(evidence, scaled, look))


def _check(evidence: Evidence, look: Look) -> None:
    for name in look.panels:
        by_name(_POSSIBLE, name, "panel")
    if not np.isfinite(evidence.map).all():
        raise InputError(f"the gradient of {evidence.question.words} is NaN or infinite for this picture")


def _scaled(evidence: Evidence, look: Look) -> Scaled:
    palette = _SIGNED if evidence.signed else _ONE_SIDED
    scaling = Scaling(per="sheet", symmetric=evidence.signed, percentile=look.percentile, palette=palette)
    return scale(evidence.map[None], scaling)


def _picture(evidence: Evidence, scaled: Scaled, look: Look) -> Panel:
    return Panel(_bytes(_seen(evidence)), "what the network sees", smooth=True)


def _map(evidence: Evidence, scaled: Scaled, look: Look) -> Panel:
    return Panel(scaled.colors[0], evidence.name, address=str(evidence.question.target))


def _colors(evidence: Evidence, scaled: Scaled, look: Look) -> Panel:
    return Panel(_in_colors(evidence.values, look.percentile), f"{evidence.name}, in colors")


def _overlay(evidence: Evidence, scaled: Scaled, look: Look) -> Panel:
    light = blurred(evidence.map, look.percentile)[..., None]
    return Panel(_bytes(_seen(evidence) * (_DIM + (1 - _DIM) * light)), evidence.lit, smooth=True)


_POSSIBLE = {"picture": _picture, "map": _map, "colors": _colors, "overlay": _overlay}


def _seen(evidence: Evidence) -> NDArray[np.float32]:
    """Return the picture below the map; gray where there is none of its size."""
    seen = evidence.question.seen
    if seen is None or seen.shape[:2] != evidence.map.shape:
        return np.full((*evidence.map.shape, 3), 0.5, np.float32)
    return seen


def blurred(values: NDArray[np.float64], percentile: float) -> NDArray[np.float64]:
    """Return what is positive of a blurred map, between 0 and 1: how much light falls on each pixel."""
    smooth: NDArray[np.float64] = gaussian_filter(values, _BLUR * max(values.shape)).clip(min=0)
    brightest = float(np.percentile(smooth, percentile)) or float(smooth.max()) or 1.0
    return (smooth / brightest).clip(0, 1)


def _in_colors(values: NDArray[np.float64], percentile: float) -> NDArray[np.uint8]:
    colors: NDArray[np.uint8] = scale(
        in_rgb(values)[None], Scaling(symmetric=True, percentile=percentile)
    ).colors[0]
    return colors


def _bytes(values: NDArray[Any]) -> NDArray[np.uint8]:
    colors: NDArray[np.uint8] = (values * 255).round().astype(np.uint8)
    return colors


def _caption(evidence: Evidence, scaled: Scaled, look: Look) -> str:
    words = [f"{evidence.name} of {evidence.question.words}: {evidence.made}"]
    if scaled.flat[0]:
        words += ["It is the same everywhere: nothing in the picture changes the answer"]
    if "map" in look.panels:
        words += [_scale_in_words(evidence, scaled, look.percentile)]
    if "colors" in look.panels:
        words += [f"In colors: middle gray is zero, clipped at percentile {look.percentile:g}"]
    if "overlay" in look.panels:
        pixels = _BLUR * max(evidence.map.shape)
        words += [f"On the picture, that map blurred by {pixels:.2g} pixels: what is positive is lit"]
    return ". ".join([*words, evidence.caution]) + "."


def _scale_in_words(evidence: Evidence, scaled: Scaled, percentile: float) -> str:
    clipped = f", clipped at percentile {percentile:g}" if percentile < 100 else ""
    if evidence.signed:
        return (
            f"Red speaks for it, blue against it, white is zero; the darkest is ±{scaled.high:.2g}{clipped}"
        )
    return f"Black is {scaled.low:.2g}, the brightest {scaled.high:.2g}{clipped}"
