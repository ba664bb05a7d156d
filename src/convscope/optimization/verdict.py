"""How well a picture does what it was made for: the activation it reaches, beside what real pictures reach."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from convscope.measuring.strongest import Strongest
from convscope.optimization.objective_batch import ObjectiveBatch


@dataclass(frozen=True)
class Verdict:
    """What a picture reaches as it is: untransformed, in float32.

    ``reached`` is its objective's value: for a channel the mean over its positions, ``highest`` the maximum. ``plain``
    is what a plain gray picture gives. ``strongest`` is the largest mean over ``pictures`` real ones, each at the
    network's own size, ``strongest_highest`` the largest maximum; None where nobody measured them.
    """

    reached: float
    highest: float
    plain: float
    strongest: float | None = None
    strongest_highest: float | None = None
    pictures: int = 0

    @property
    def activated(self) -> bool:
        """Whether it does more than a gray picture."""
        return self.reached > self.plain

    @property
    def ratio(self) -> float | None:
        """How many times the strongest real picture it is."""
        return self.reached / self.strongest if self.strongest and self.strongest > 0 else None

    def __str__(self) -> str:
        """Return it in words, for a caption."""
        if not self.activated:
            return "this unit could not be activated"
        words = f"activation {self.reached:.4g}"
        if self.ratio is not None:
            words += f", {self.ratio:.2g} × the strongest of {self.pictures:,} photographs"
        elif self.strongest is not None:
            words += f"; none of {self.pictures:,} photographs activates it"
        return words


@torch.no_grad()
def judge(batch: ObjectiveBatch, pictures: Tensor, strongest: Strongest | None = None) -> list[Verdict]:
    """Return the verdict on each picture (N, C, H, W)."""
    values = batch.values(pictures)
    reached = batch.score(values)
    gray = batch.values(torch.full_like(pictures[:1], 0.5))  # once for all: Ctrl-C waits for it
    plain = batch.score({name: value.expand(len(pictures), *value.shape[1:]) for name, value in gray.items()})
    verdicts = []
    for index, objective in enumerate(batch.objectives):
        own = [values[name][index] for name in objective.targets]
        highest = max(float(value.max()) for value in own)
        verdict = Verdict(float(reached[index]), highest, float(plain[index]))
        verdicts.append(_compared(verdict, batch, objective.targets, strongest))
    return verdicts


def _compared(
    verdict: Verdict, batch: ObjectiveBatch, targets: Sequence[str], strongest: Strongest | None
) -> Verdict:
    address = batch.targets[targets[0]]
    examples = strongest.of(address) if strongest and len(targets) == 1 and address.position is None else None
    if examples is None or strongest is None:
        return verdict
    mean, highest = (float(value) for value in examples[:, -1])
    return Verdict(verdict.reached, verdict.highest, verdict.plain, mean, highest, strongest.pictures)
