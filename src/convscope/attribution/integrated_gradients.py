"""How much each pixel contributes to an answer: gradients summed on the way from a picture of nothing to this one.

Sundararajan et al., *Axiomatic attribution for deep networks* (2017). The contributions add up to the difference
between the two answers; how nearly they do says whether the way was walked in small enough steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from convscope.attribution.attribution import PANELS, PERCENTILE, Evidence, Look, show
from convscope.attribution.target import AT_ONCE, Question, ask
from convscope.errors import InputError, require_one_of
from convscope.network.network import Network
from convscope.pictures.picture import Picture
from convscope.pictures.recording import recipe_function

Baseline = Literal["black", "gray", "white", "zero"]
ERROR = 0.01  # of the difference between the two answers
MOST_STEPS = 1024
CAUTION = (
    "Sanity checks: the picture itself shows through in such maps, even with randomized weights (Adebayo et al., "
    "2018), and what has the baseline's color gets nothing; compare with the saliency, and with another baseline"
)
_LEVELS = {"black": 0.0, "gray": 0.5, "white": 1.0}


@recipe_function("integrated_gradients")
def integrated_gradients(
    network: Network,
    picture: Any,
    address: str | None = None,
    *,
    baseline: Baseline = "black",
    steps: int = 32,
    panels: Sequence[str] = PANELS,
    percentile: float = PERCENTILE,
    theme: str = "light",
) -> Picture:
    """Show what speaks for an answer (red) and against it (blue), compared with a picture of one color.

    `baseline` is that color, or "zero": what the network eats is 0, its mean color if it subtracts one. The steps are
    tripled, up to 1,024, until the contributions add up to the difference to within 1 %; the caption says how nearly
    they do. `address` is as in `saliency`.

    >>> integrated_gradients(network, "cat.jpg", "tabby", baseline="gray").save("integrated.png")
    """
    question = ask(network, picture, address)
    return show(integrated_evidence(question, baseline, steps), Look(panels, percentile, theme))


def integrated_evidence(question: Question, baseline: Baseline = "black", steps: int = 32) -> Evidence:
    """Return each pixel's contribution, before it is shown."""
    found = complete(question, baseline_input(question, baseline), steps)
    values = question.pixels(found.values)
    start = "an input of zeros" if baseline == "zero" else f"a {baseline} picture"
    made = (
        f"the gradients at {found.steps} steps from {start} ({found.before:.4g}) to this one ({found.after:.4g}), "
        "times the way, summed over the channels. The contributions add up to the difference but for "
        f"{100 * found.error:.2g} %"
    )
    if found.error > ERROR:
        made += ", which is much: do not trust the details"
    return Evidence(
        question, "Integrated gradients", values.sum(2), values, True, made, CAUTION, "what speaks for it"
    )


@dataclass(frozen=True, eq=False)
class Integral:
    """Contributions in the input's shape, the answers ``before`` and ``after`` the way, and the ``error`` of their sum.

    The error is a share of the difference between the answers.
    """

    values: Tensor
    steps: int
    before: float
    after: float

    @property
    def error(self) -> float:
        """How far the contributions are from adding up to the difference."""
        missing = float(self.values.double().sum()) - (self.after - self.before)
        return abs(missing) / max(abs(self.after - self.before), 1e-6 * abs(self.after), 1e-12)


def baseline_input(question: Question, baseline: Baseline) -> Tensor:
    """Return the picture of nothing as the network eats it, in the input's own shape."""
    if baseline == "zero":
        return torch.zeros_like(question.input)
    require_one_of("baseline", baseline, [*_LEVELS, "zero"])
    network = question.network
    if network.input_spec is None:
        raise InputError(
            f"{network.name} eats no pictures, so a {baseline} one means nothing: use the baseline 'zero'"
        )
    height, width = question.pixels(question.input).shape[:2]
    rgb = torch.full((1, 3, height, width), _LEVELS[baseline], dtype=question.input.dtype)
    return network.input_spec.from_rgb(rgb).to(question.input)


def complete(question: Question, baseline: Tensor, steps: int) -> Integral:
    """Return the integral by the midpoint rule, with `steps` steps and as many more as make its error small.

    Three times as many steps have the midpoints of before among theirs: nothing is computed twice.
    """
    if steps < 1:
        raise InputError(f"steps is at least 1, not {steps}")
    with torch.no_grad():
        before, after = (float(question.scores(end)) for end in (baseline, question.input))
    way = question.input - baseline
    total = gradient_sum(question, baseline, way, midpoints(steps))
    while (
        found := Integral(total * way / steps, steps, before, after)
    ).error > ERROR and 3 * steps <= MOST_STEPS:
        steps *= 3
        total += gradient_sum(question, baseline, way, midpoints(steps)[torch.arange(steps) % 3 != 1])
    return found


def midpoints(steps: int) -> Tensor:
    """Return the middle of each step on the way from 0 to 1."""
    return (torch.arange(steps, dtype=torch.float64) + 0.5) / steps


def gradient_sum(question: Question, baseline: Tensor, way: Tensor, places: Tensor) -> Tensor:
    """Return the sum of the gradients at some places of the way, in the input's own shape."""
    total = torch.zeros_like(way)
    for some in torch.split(places.to(way), AT_ONCE):
        _, gradients = question.gradients(baseline + some.reshape(-1, *(1 for _ in way.shape[1:])) * way)
        total += gradients.sum(0, keepdim=True)
    return total
