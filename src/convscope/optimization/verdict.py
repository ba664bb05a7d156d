"""How well a picture does what it was made for: the activation it reaches, beside what real pictures reach."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from shlex import quote

import torch
from torch import Tensor

from convscope.measuring.strongest import Strongest
from convscope.optimization.objective_batch import ObjectiveBatch
from convscope.optimization.path_check import held_answers
from convscope.optimization.sleepers import SWAYED, Sway, sways

# Of 128 ordinary units 0.19 to 1 is left (docs/features.md). A circuit mostly leaves less, and `sway` tells the others.
_LEFT = 0.18


@dataclass(frozen=True)
class Verdict:
    """What a picture reaches as it is: untransformed, in float32.

    ``reached`` is its objective's value: for a channel the mean over its positions, ``highest`` the maximum. ``plain``
    is what a plain gray picture gives. ``strongest`` is the largest mean over ``pictures`` real ones, each at the
    network's own size, ``strongest_highest`` the largest maximum; None where nobody measured them. ``held`` is what it
    reaches where no channel before the unit answers more than to any of them (`convscope.optimization.path_check`).
    ``sway`` is how far channels that at least 95% of them leave at rest, ``switches``, can change the unit's answer, in
    the range of its means over the real pictures: 0 where there is no such channel (`convscope.optimization.sleepers`).
    ``switches`` are written as `convscope see --set` takes them, to leave them at rest.
    """

    reached: float
    highest: float
    plain: float
    strongest: float | None = None
    strongest_highest: float | None = None
    pictures: int = 0
    held: float | None = None
    sway: float | None = None
    switches: tuple[str, ...] = ()

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

    @property
    def can_be_switched(self) -> bool:
        """Whether what real pictures leave at rest can change its answer much: a picture may show what that adds."""
        return self.sway is not None and self.sway > SWAYED

    @property
    def checked(self) -> bool:
        """Whether photographs tell if the picture misleads; not where nobody measured them, or too few."""
        return self.held is not None or self.sway is not None

    def __str__(self) -> str:
        """Return it in words, for a caption."""
        switch = self._switch_in_words()
        if not self.activated:
            return "this unit could not be activated" + (f", and {switch}" if switch else "")
        words = f"activation {self.reached:.4g}"
        if self.ratio is not None:
            words += f", {self.ratio:.2g} × the strongest of {self.pictures:,} photographs"
        elif self.strongest is not None:
            words += f"; none of {self.pictures:,} photographs activates it"
        if self.of_another_way and self.held is not None:
            words += (
                f", but only {max(0.0, self.held / self.reached):.0%} of that where nothing before it goes beyond what "
                "photographs rouse"
            )
            words += "" if switch else ": the picture may show another circuit than the one that answers them"
        return words + (f", {'and' if self.of_another_way else 'but'} {switch}" if switch else "")

    def _switch_in_words(self) -> str:
        if not self.can_be_switched or self.sway is None:
            return ""
        channels = _some([one.rpartition("=")[0] for one in self.switches], " and ")
        kept = _some([f"--set {quote(one)}" for one in self.switches], " ")
        return (
            f"{channels}, at rest on at least 95% of {self.pictures:,} photographs, can change its answer by "
            f"{self.sway:.2g} × the range of its answers to those: the picture may show another circuit than the one "
            f"that answers them; compare it with the picture made with {kept}, and with the photographs that excite "
            "it most"
        )


def _some(words: Sequence[str], between: str, most: int = 4) -> str:
    more = f"{between}{len(words) - most} more" if len(words) > most else ""
    return between.join(words[:most]) + more


@torch.no_grad()
def judge(
    batch: ObjectiveBatch, pictures: Tensor, strongest: Strongest | None = None, *, hold: bool = True
) -> list[Verdict]:
    """Return the verdict on each picture (N, C, H, W); `hold` makes ``held`` and ``sway``, most of its time."""
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
    path_answers, swayed = held_answers(batch, pictures, strongest), sways(batch, pictures, strongest)
    together = zip(verdicts, path_answers, swayed, strict=True)
    return [_with_paths(verdict, held, sway, strongest.pictures) for verdict, held, sway in together]


def _with_paths(verdict: Verdict, held: float | None, sway: Sway | None, pictures: int) -> Verdict:
    if sway is None:
        return replace(verdict, held=held)
    return replace(verdict, held=held, pictures=pictures, sway=sway.share, switches=sway.switches)


def _with_comparison(
    verdict: Verdict, batch: ObjectiveBatch, targets: Sequence[str], strongest: Strongest | None
) -> Verdict:
    address = batch.targets[targets[0]]
    examples = strongest.of(address) if strongest and len(targets) == 1 and address.position is None else None
    if examples is None or strongest is None:
        return verdict
    mean, highest = (float(value) for value in examples[:, -1])
    return Verdict(verdict.reached, verdict.highest, verdict.plain, mean, highest, strongest.pictures)
