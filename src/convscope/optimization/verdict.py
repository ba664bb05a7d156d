"""How well a picture does what it was made for: the activation it reaches, beside what real pictures reach."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from convscope.measuring.strongest import Strongest
from convscope.optimization.objective_batch import ObjectiveBatch
from convscope.optimization.path_check import held_answers

# Of 31 ordinary units of `builtin`, 0.62 to 1 is left, of its monarch 0.43. Five units were rebuilt in both ways: four
# of the pictures work mostly through the circuit, and have 0.04 to 0.42 left, three of them under a third (of a silent
# unit of GoogLeNet's inception_4a, 0.02); in five others the circuit is off, they show the unit itself, and 0.85 to 1
# is left. One silent unit led its picture astray and is off in the end, and so did a circuit of GoogLeNet that made
# its unit weaker: nothing here tells these, so no word is no proof.
_LEFT = 1 / 3


@dataclass(frozen=True)
class Verdict:
    """What a picture reaches as it is: untransformed, in float32.

    ``reached`` is its objective's value: for a channel the mean over its positions, ``highest`` the maximum. ``plain``
    is what a plain gray picture gives. ``strongest`` is the largest mean over ``pictures`` real ones, each at the
    network's own size, ``strongest_highest`` the largest maximum; None where nobody measured them. ``held`` is what it
    reaches where no channel before the unit answers more than to any of them (`convscope.optimization.path_check`).
    """

    reached: float
    highest: float
    plain: float
    strongest: float | None = None
    strongest_highest: float | None = None
    pictures: int = 0
    held: float | None = None

    @property
    def activated(self) -> bool:
        """Whether it does more than a gray picture."""
        return self.reached > self.plain

    @property
    def ratio(self) -> float | None:
        """How many times the strongest real picture it is."""
        return self.reached / self.strongest if self.strongest and self.strongest > 0 else None

    @property
    def of_another_way(self) -> bool:
        """Whether most of it comes about through what no real picture rouses: it may show another circuit."""
        return self.held is not None and self.activated and self.held < _LEFT * self.reached

    def __str__(self) -> str:
        """Return it in words, for a caption."""
        if not self.activated:
            return "this unit could not be activated"
        words = f"activation {self.reached:.4g}"
        if self.ratio is not None:
            words += f", {self.ratio:.2g} × the strongest of {self.pictures:,} photographs"
        elif self.strongest is not None:
            words += f"; none of {self.pictures:,} photographs activates it"
        if self.of_another_way and self.held is not None:
            words += (
                f", but only {max(0.0, self.held / self.reached):.0%} of that where nothing before it goes beyond what "
                "photographs rouse: the picture may show another circuit than the one that answers them"
            )
        return words


@torch.no_grad()
def judge(
    batch: ObjectiveBatch, pictures: Tensor, strongest: Strongest | None = None, *, hold: bool = True
) -> list[Verdict]:
    """Return the verdict on each picture (N, C, H, W); `hold` takes most of its time and makes ``held``."""
    values = batch.values(pictures)
    reached = batch.score(values)
    gray = batch.values(torch.full_like(pictures[:1], 0.5))  # once for all: Ctrl-C waits for it
    plain = batch.score({name: value.expand(len(pictures), *value.shape[1:]) for name, value in gray.items()})
    verdicts = []
    for index, objective in enumerate(batch.objectives):
        own = [values[name][index] for name in objective.targets]
        highest = max(float(value.max()) for value in own)
        verdict = Verdict(float(reached[index]), highest, float(plain[index]))
        verdicts.append(_with_comparison(verdict, batch, objective.targets, strongest))
    if strongest is None or not hold:
        return verdicts
    path_answers = held_answers(batch, pictures, strongest)
    return [replace(verdict, held=number) for verdict, number in zip(verdicts, path_answers, strict=True)]


def _with_comparison(
    verdict: Verdict, batch: ObjectiveBatch, targets: Sequence[str], strongest: Strongest | None
) -> Verdict:
    address = batch.targets[targets[0]]
    examples = strongest.of(address) if strongest and len(targets) == 1 and address.position is None else None
    if examples is None or strongest is None:
        return verdict
    mean, highest = (float(value) for value in examples[:, -1])
    return Verdict(verdict.reached, verdict.highest, verdict.plain, mean, highest, strongest.pictures)
