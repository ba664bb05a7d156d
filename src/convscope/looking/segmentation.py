"""A segmentation as what it is: every place in the color of its class, over the photograph, and what has what color.

The pictures of Long, Shelhamer and Darrell, *Fully convolutional networks for semantic segmentation* (2015), with a
legend. A class has the same color in every picture of one network.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import matplotlib.colors
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from convscope.errors import InputError
from convscope.looking.answers import answer, require_finite, seen_by, value_of_role
from convscope.network.network import Network
from convscope.pictures.picture import Picture
from convscope.pictures.recording import recipe_function
from convscope.presentation.legend import LegendEntry, with_legend
from convscope.presentation.panels import Panel, panels
from convscope.presentation.scaling import to_bytes
from convscope.presentation.style import ThemeName
from convscope.presentation.wording import percent

_NOTHING = re.compile(r"_*(background|void|unlabell?ed|ignore|none)_*", re.IGNORECASE)
_GOLDEN = 0.61803  # of a turn of the color circle from class to class: neighbors in the list never look alike
_OPAQUE = 0.62  # of a class's color over the gray photograph
_OTHERS = (128, 128, 128)


@dataclass(frozen=True)
class ClassShare:
    """One class: its label, the share of the picture (0 to 1) where it is the strongest, and its address."""

    label: str
    share: float
    address: str


def class_shares(network: Network, picture: Any, address: str | None = None) -> list[ClassShare]:
    """Return how much of a picture belongs to each class that a segmentation finds in it, the largest share first.

    `address` is the value with one number a class at each place; the network's first map of classes by default.

    >>> class_shares(network, "street.jpg")[0]
    ClassShare(label='road', share=0.41..., address='out:0')

    InputError for a network without such an output.
    """
    value = _value(network, address)
    return _shares(network, value, _strongest(network, picture, value))


@recipe_function("segmentation")
def segmentation(
    network: Network, picture: Any, address: str | None = None, *, top: int = 12, theme: ThemeName = "light"
) -> Picture:
    """Show every place of a picture in the color of its class, and a legend with each class's share of the picture.

    `address` is the map of classes, the network's own by default. The photograph as the network sees it is at the
    left. What is called background keeps the photograph's gray. `top` is how many classes the legend names; the
    others are gray too.

    >>> segmentation(network, "street.jpg").save("street-segmented.png")

    InputError for a network without a map of classes, and for one that answers with NaN.
    """
    if top < 1:
        raise InputError(f"top is how many classes the legend names, at least 1; not {top}")
    value = _value(network, address)
    classes = _strongest(network, picture, value)
    shares = _shares(network, value, classes)
    best = shares[:top]
    background = seen_by(network, picture)
    places = _at_size(classes, background.shape[:2])
    shown = [
        Panel(to_bytes(background), "what the network sees", smooth=True),
        Panel(_paint(background, places, best), f"{value}: the strongest class of each place", address=value),
    ]
    entries = [LegendEntry(_color(share), share.label, percent(share.share)) for share in best]
    if rest := shares[top:]:
        left = percent(sum(share.share for share in rest))
        entries.append(LegendEntry(_OTHERS, f"{len(rest):,} other classes", left))
    figure = with_legend(panels(shown, theme=theme), entries, theme=theme)
    return replace(figure, caption=_caption(value, classes, shares, network.class_count or 0))


def _value(network: Network, address: str | None) -> str:
    return value_of_role(network, address, "class map", "tells no classes apart at each place")


def _strongest(network: Network, picture: Any, value: str) -> NDArray[np.intp]:
    """Return the number of the strongest class at each place, (height, width)."""
    scores = answer(network, picture, value)
    if scores.ndim != 3 or len(scores) < 2:
        raise InputError(f"{value!r} gives {scores.shape}: not one number a class at each place")
    require_finite(network, picture, value, scores)
    strongest: NDArray[np.intp] = scores.argmax(axis=0)
    return strongest


def _shares(network: Network, value: str, classes: NDArray[np.intp]) -> list[ClassShare]:
    numbers, counts = np.unique(classes, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    return [
        ClassShare(
            network.class_label(int(numbers[at])), float(counts[at]) / classes.size, f"{value}:{numbers[at]}"
        )
        for at in order
    ]


def _paint(
    background: NDArray[np.float32], places: NDArray[np.intp], best: Sequence[ClassShare]
) -> NDArray[np.uint8]:
    gray = np.repeat(background.mean(2, keepdims=True), 3, 2)
    pixels = 0.9 * gray
    for share in best:
        here = places == _number(share)
        if not _NOTHING.fullmatch(share.label):
            pixels[here] = (1 - _OPAQUE) * gray[here] + _OPAQUE * np.array(_color(share)) / 255
    return to_bytes(pixels)


def _color(share: ClassShare) -> tuple[int, int, int]:
    if _NOTHING.fullmatch(share.label):
        return _OTHERS
    number = _number(share)
    hue = (0.02 + number * _GOLDEN) % 1
    color = matplotlib.colors.hsv_to_rgb((hue, (0.85, 0.6)[number % 2], (0.95, 0.8)[number // 2 % 2]))
    red, green, blue = (round(255 * float(part)) for part in color)
    return red, green, blue


def _number(share: ClassShare) -> int:
    return int(share.address.rpartition(":")[2])


def _at_size(classes: NDArray[np.intp], size: tuple[int, ...]) -> NDArray[np.intp]:
    """Return the class of each pixel of a picture: that of the place it lies in."""
    height, width = size
    image = Image.fromarray(classes.astype(np.int32))
    return np.asarray(image.resize((width, height), Image.Resampling.NEAREST)).astype(np.intp)


def _caption(value: str, places: NDArray[np.intp], shares: Sequence[ClassShare], count: int) -> str:
    best = ", ".join(f"{share.label} {percent(share.share)}" for share in shares[:5])
    rows, columns = places.shape
    classes = f"{len(shares):,} of {count:,} classes" if count else f"{len(shares):,} classes"
    return (
        f"The strongest class of each of {rows} × {columns} places of {value}, over the photograph in gray; "
        f"{classes} are there, by their share of the picture: {best}."
    )
