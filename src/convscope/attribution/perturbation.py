"""What all perturbations share: many pictures like one, run in batches of one size, and the number for each."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

import torch
from torch import Tensor

from convscope.attribution.target import AttributionTarget
from convscope.attribution.target_check import ANOTHER_BASELINE, require_finite
from convscope.progress import Watch, watching

AT_ONCE = 16  # masked pictures that go through the network together


def masked_numbers(
    target: AttributionTarget,
    masks: Iterable[Tensor],
    baseline: Tensor,
    count: int,
    watch: Watch | None = None,
) -> Tensor:
    """Return the target's number for the picture behind each mask, (count,): 1 leaves a pixel, 0 takes the baseline's.

    Masks are (height, width). They are taken as they are needed, a few at a time: memory does not grow with their
    number, and every batch has one size, for which the network is prepared once.
    """
    scores, left = [], iter(masks)
    with watching(watch, "run") as tell:
        while chunk := list(islice(left, AT_ONCE)):
            padded = chunk + [chunk[-1]] * (min(AT_ONCE, count) - len(chunk))
            stacked = torch.stack(padded).to(target.input)
            stacked = stacked[..., None] if target.channels_last else stacked[:, None]
            pictures = baseline + stacked * (target.input - baseline)
            numbers = target.answers(pictures)
            if not numbers.isfinite().all():
                require_finite(target, target.answers(target.input), target.input)
                covered = " where parts of the picture are covered"
                require_finite(target, numbers, pictures, covered, ANOTHER_BASELINE)
            scores.append(numbers[: len(chunk)].double().cpu())
            tell(sum(map(len, scores)), count)
    return torch.cat(scores)
