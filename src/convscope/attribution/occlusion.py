"""What the answer loses where a part of the picture is covered: a window moves over it.

Zeiler and Fergus, *Visualizing and understanding convolutional networks* (2014).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from math import ceil

import numpy as np
from typing_extensions import Unpack

from convscope.attribution.attribution import Attribution
from convscope.attribution.baselines import Baseline, baseline_input, in_words, or_usual
from convscope.attribution.changed_parts import Box
from convscope.attribution.method import attribution_method
from convscope.attribution.panels import PanelKeywords
from convscope.attribution.perturbation import covered_numbers, sides_in_words
from convscope.attribution.target import TargetLike, target_of
from convscope.errors import InputError
from convscope.network.network import Network
from convscope.pictures.photograph import InputLike
from convscope.progress import Watch

CAUTION = (
    "It asks the network itself, so it is the closest to what parts of the picture are worth, one at a time; a cover "
    "is something new in the picture too, so compare with another baseline"
)


@attribution_method
def occlusion(
    network: Network,
    picture: InputLike,
    target: TargetLike = None,
    *,
    window: int | None = None,
    stride: int | None = None,
    baseline: Baseline | None = None,
    watch: Watch | None = None,
    **panels: Unpack[PanelKeywords],
) -> Attribution:
    """Show what the answer loses where the picture is covered (red), or gains (blue): a window moves over it.

    A pixel has the mean loss over the windows that cover it, in units of the answer. `window` is its side in pixels, a
    fifth of the picture's by default, `stride` a third of that; a smaller stride is finer and slower. `baseline` is
    what it shows: black, gray, white, zero, mean or blur; gray by default, zero of signals, whose window and stride
    are positions. `watch` is told how many windows are done. `target` is as in `saliency`.

    >>> convscope.occlusion(network, "coffee", "espresso", stride=16).save("espresso.png")
    """
    target = target_of(network, picture, target)
    baseline = or_usual(target, baseline, "gray")
    window, stride = _checked(target.places, window, stride)
    boxes = list(windows(target.places, window, stride))
    numbers = covered_numbers(target, boxes, baseline_input(target, baseline), watch)
    losses, covered = np.zeros(target.places), np.zeros(target.places)
    for box, number in zip(boxes, numbers.tolist(), strict=True):
        inside = tuple(slice(*span) for span in box)
        losses[inside] += target.score - number
        covered[inside] += 1
    map = losses / np.maximum(covered, 1)
    how = (
        f"what it loses ({target.score:.4g} in all) where a window of {_times(window, len(target.places))} shows "
        f"{in_words(baseline)}, every {stride}: {len(boxes):,} runs, the mean over the windows on each of them"
    )
    values = target.on_each_color(map)
    return Attribution(target, "Occlusion", map, values, how, CAUTION, signed=True, lit="what speaks for it")


def windows(size: Sequence[int], window: int, stride: int) -> Iterator[Box]:
    """Yield the rows and columns of each window, row by row; the last ones are cut at the edges."""
    spans = [
        [
            (begin, min(side, begin + window))
            for begin in range(0, stride * ceil(max(0, side - window) / stride) + 1, stride)
        ]
        for side in size
    ]
    yield from product(*spans)


def _times(window: int, axes: int) -> str:
    """Say how large a window is: 45 × 45 pixels, or 9 positions of a signal."""
    return f"{sides_in_words(window, axes)} {'pixels' if axes == 2 else 'positions'}"


def _checked(size: Sequence[int], window: int | None, stride: int | None) -> tuple[int, int]:
    window = max(1, min(round(max(size) / 5), *size)) if window is None else window
    stride = max(1, round(window / 3)) if stride is None else stride
    if not 1 <= window <= min(size):
        raise InputError(f"the window is 1 to {min(size)} pixels, the picture's shorter side; not {window}")
    if not 1 <= stride <= window:
        raise InputError(f"the stride is 1 to {window} pixels, or parts would never be covered; not {stride}")
    return window, stride
