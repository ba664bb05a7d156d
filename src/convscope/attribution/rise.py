"""Which parts of a picture go with a high answer: the mean of many random masks, weighted by what is left to see.

Petsiuk et al., *RISE: randomized input sampling for explanation of black-box models* (2018).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from math import ceil, sqrt
from typing import Any

import numpy as np
import torch
from torch import Tensor
from typing_extensions import Unpack

from convscope.attribution.attribution import Attribution
from convscope.attribution.baselines import Baseline, baseline_input, in_words
from convscope.attribution.method import attribution_method
from convscope.attribution.panels import PanelKeywords
from convscope.attribution.perturbation import masked_numbers, sides_in_words
from convscope.attribution.stretching import stretched
from convscope.attribution.target import AttributionTarget, TargetLike, target_of
from convscope.errors import InputError
from convscope.network.network import Network
from convscope.pictures.photograph import InputLike
from convscope.progress import Watch, watching

CAUTION = (
    "Masks are drawn at random: what lies within the interval is noise, and more samples make that smaller; half of "
    "the picture is always missing, which the network may never have seen"
)
GRID, SHARE = 7, 0.5
_AT_A_TIME = 256  # masks between two looks at how exact the map is


@attribution_method
def rise(
    network: Network,
    picture: InputLike,
    target: TargetLike = None,
    *,
    samples: int = 2048,
    baseline: Baseline = "zero",
    seed: int = 0,
    watch: Watch | None = None,
    **panels: Unpack[PanelKeywords],
) -> Attribution:
    """Show which parts of the picture go with a high answer (red): random masks, weighted by the answer behind them.

    The values are the paper's: the mean of answer times mask, by the share of a mask that is open. The map is that less
    the mean answer: how much more the answer is where a pixel is open. It stops before `samples` masks where the 95 %
    interval of the pixels is below a tenth of the map's range. `baseline` is what masked pixels show. `target` is as in
    `saliency`.

    >>> convscope.rise(network, "coffee", "espresso", samples=512).save("espresso.png")
    """
    target = target_of(network, picture, target)
    if samples < 2:
        raise InputError(f"samples is how many masks are drawn, at least 2; not {samples}")
    sums = _Sums(target.places)
    generator = torch.Generator().manual_seed(seed)
    nothing = baseline_input(target, baseline)
    with watching(watch, "run") as tell:
        while sums.count < samples and not sums.is_narrow:
            masks = list(random_masks(target.places, min(_AT_A_TIME, samples - sums.count), generator))
            tell_samples = partial(_tell_more, tell, sums.count, samples)
            sums.add(masks, masked_numbers(target, masks, nothing, len(masks), tell_samples))
        tell(samples, samples)
    return _attribution(target, sums, in_words(baseline))


def _tell_more(tell: Watch, before: int, of: int, done: int, _: int) -> None:
    tell(before + done, of)


class _Sums:
    """The sums over the masks so far: of the answers, of answer times mask, and of its square."""

    def __init__(self, size: Sequence[int]) -> None:
        self.count, self.answers = 0, 0.0
        self.weighted, self.squares = np.zeros(size), np.zeros(size)

    def add(self, masks: list[Tensor], answers: Tensor) -> None:
        for mask, answer in zip(masks, answers.tolist(), strict=True):
            term = mask.double().numpy() * (answer / SHARE)
            self.weighted += term
            self.squares += term**2
        self.count += len(masks)
        self.answers += float(answers.sum())

    @property
    def values(self) -> Any:
        return self.weighted / self.count

    @property
    def interval(self) -> float:
        """Half the 95 % interval of a pixel's mean, averaged over the pixels."""
        variance = np.maximum(self.squares / self.count - self.values**2, 0)
        return float(1.96 * np.sqrt(variance).mean() / sqrt(self.count))

    @property
    def is_narrow(self) -> bool:
        return self.count > 0 and self.interval < 0.1 * float(np.ptp(self.values))


def random_masks(size: Sequence[int], count: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Yield masks of a size, in 0..1: a random grid of open and closed cells, enlarged and shifted at random."""
    cell = [ceil(side / GRID) for side in size]
    for _ in range(count):
        grid = (torch.rand([GRID] * len(size), generator=generator) < SHARE).float()
        large = stretched(grid, [(GRID + 1) * side for side in cell])
        starts = [int(torch.randint(side, (1,), generator=generator)) for side in cell]
        yield large[tuple(slice(start, start + side) for start, side in zip(starts, size, strict=True))]


def _attribution(target: AttributionTarget, sums: _Sums, nothing: str) -> Attribution:
    means = sums.values
    how = (
        f"{sums.count:,} random masks of {sides_in_words(GRID, means.ndim)} cells, half of them showing {nothing}, "
        f"weighted by its value behind each ({sums.answers / sums.count:.4g} on average); each pixel to ± "
        f"{sums.interval:.2g} at 95 %"
    )
    above = means - sums.answers / sums.count
    values = target.on_each_color(means)
    return Attribution(target, "RISE", above, values, how, CAUTION, signed=True, lit="what speaks for it")
