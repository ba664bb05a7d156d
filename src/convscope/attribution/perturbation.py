"""What all perturbations share: many pictures like one, run in batches of one size, and the number for each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import islice

import torch
from torch import Tensor

from convscope.attribution.changed_parts import Box, ChangedParts
from convscope.attribution.target import AttributionTarget
from convscope.attribution.target_at_layer import TargetAtLayer
from convscope.attribution.target_check import ANOTHER_BASELINE, require_finite
from convscope.network.axes import to_channels_first
from convscope.progress import Watch, watching

AT_ONCE = 16  # masked pictures that go through the network together
_DEAR = 0.05  # of all multiplications


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
    scores, left, answers = [], iter(masks), _answering(target)
    with watching(watch, "run") as tell:
        while chunk := list(islice(left, AT_ONCE)):
            padded = chunk + [chunk[-1]] * (min(AT_ONCE, count) - len(chunk))
            stacked = torch.stack(padded).to(target.input)
            stacked = stacked.unsqueeze(target.channel_axis)
            pictures = baseline + stacked * (target.input - baseline)
            numbers = answers(pictures)
            if not numbers.isfinite().all():
                require_finite(target, target.answers(target.input), target.input)
                covered = " where parts of the picture are covered"
                require_finite(target, numbers, pictures, covered, ANOTHER_BASELINE)
            scores.append(numbers[: len(chunk)].double().cpu())
            tell(sum(map(len, scores)), count)
    return torch.cat(scores)


def _answering(target: AttributionTarget) -> Callable[[Tensor], Tensor]:
    """Return what gives the target's number for each picture: where its layer is dear, only its channels are made."""
    network, layers = target.network, target.network.layers
    own = sum(layers[name].multiply_adds for name in target.layers if name in layers)
    dear = own > _DEAR * sum(layer.multiply_adds for layer in layers.values())
    if not dear or len(network.graph.inputs) != 1 or target.channels_last != network.graph.channels_last:
        return target.answers
    place = TargetAtLayer(target, next(iter(network.graph.inputs)))

    def narrow(pictures: Tensor) -> Tensor:
        with torch.no_grad():
            return place.number(to_channels_first(pictures) if target.channels_last else pictures)

    return narrow


def covered_numbers(
    target: AttributionTarget, boxes: Sequence[Box], baseline: Tensor, watch: Watch | None = None
) -> Tensor:
    """Return the target's number for the picture with each box covered by the baseline, (boxes,).

    Near the picture only what a box reaches is computed; where that does not pay, all of it.
    """
    parts = ChangedParts(target, baseline, boxes)
    if parts.layer is None:
        return masked_numbers(
            target, (outside(box, target.places) for box in boxes), baseline, len(boxes), watch
        )
    behind, scores = TargetAtLayer(target, parts.layer), list[Tensor]()
    with watching(watch, "run") as tell, torch.no_grad():
        for begin in range(0, len(boxes), AT_ONCE):
            chunk = list(boxes[begin : begin + AT_ONCE])
            answers = parts.answers(chunk + [chunk[-1]] * (min(AT_ONCE, len(boxes)) - len(chunk)))
            answers = to_channels_first(answers) if target.network.graph.channels_last else answers
            numbers = behind.number(answers)[: len(chunk)]
            if not numbers.isfinite().all():  # which says where
                numbers = masked_numbers(
                    target, (outside(box, target.places) for box in chunk), baseline, len(chunk)
                )
            scores.append(numbers.double().cpu())
            tell(begin + len(chunk), len(boxes))
    return torch.cat(scores)


def sides_in_words(side: int, axes: int) -> str:
    """Say how large a window is, or into how many cells each axis is cut: 45 × 45 of a picture, 45 of a signal."""
    return " × ".join([str(side)] * axes)


def outside(box: Box, size: Sequence[int]) -> Tensor:
    """Return the mask that covers a box."""
    mask = torch.ones(*size)
    mask[tuple(slice(*span) for span in box)] = 0
    return mask
