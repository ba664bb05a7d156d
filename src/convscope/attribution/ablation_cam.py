"""Where in a layer the evidence for a class lies: each channel weighted by what the score loses without it.

Desai and Ramaswamy, *Ablation-CAM: visual explanations for deep convolutional network via gradient-free localization*
(2020). Each weight is in units of the score; the paper divides all of them by the score, which changes no picture, but
turns the map round where the score is negative.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from convscope.attribution.activation_map import activation_map_method
from convscope.attribution.target_at_layer import TargetAtLayer
from convscope.network.graph import Operation
from convscope.network.operations import OPERATIONS
from convscope.progress import progress_bar

CAUTION = (
    "No gradients: what each channel is worth is measured by leaving it out, one at a time; channels that can stand in "
    "for each other each seem worth little. It is as coarse as the layer's rows and columns"
)
_NUMBERS_AT_ONCE = 2**23  # of the layer's answers that run together: 32 MB


@activation_map_method(
    "Ablation-CAM",
    how="the channels of {}, each weighted by what the number loses where it answers 0, summed",
    caution=CAUTION,
)
def ablation_cam(place: TargetAtLayer) -> Tensor:
    """Show where the evidence for a class lies, without gradients: channels weighted by what is lost without them.

    Only the network behind the layer runs again, many channels at a time, and exactly. `layer` is as in `grad_cam`,
    `target` as in `saliency`.

    >>> convscope.ablation_cam(network, "coffee", "espresso").save("espresso.png")
    """
    return (losses(place)[:, None, None] * place.answers).sum(0)


def losses(place: TargetAtLayer) -> Tensor:
    """Return what the number loses where a channel answers 0 everywhere, for each channel: (channels,)."""
    answers = place.by_channel(place.tail.answer)
    if place.is_affine:
        return (place.by_channel(place.whole_gradients) * answers).sum(1)
    lost = answers.new_zeros(len(answers))
    (answering,) = torch.where(answers.any(1))  # nothing changes without the others
    with torch.no_grad():
        whole = place.number(place.tail.answer)
        batches = _numbers_without(place, answering) if len(answering) else ()
        for channels, without in progress_bar(iterable=batches, unit="batch"):
            lost[channels] = whole - without
    return lost


def _numbers_without(place: TargetAtLayer, answering: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield some channels at a time, and the number without each."""
    answers = place.tail.answer
    reader = _only_convolution(place)
    if reader is not None:
        yield from _numbers_behind(place, reader, answering)
        return
    at_once = max(1, _NUMBERS_AT_ONCE // answers[0].numel())
    for channels in torch.split(answering, at_once):
        batch = answers.repeat(len(channels), *(1 for _ in answers.shape[1:]))
        batch.movedim(place.channel_axis, 1)[torch.arange(len(channels)), channels] = 0
        yield channels, place.number(batch)


def _only_convolution(place: TargetAtLayer) -> Operation | None:
    """Return the convolution that reads the layer, where nothing else does."""
    graph = place.tail.graph
    readers = [one for one in graph.needed_for(place.tail.outputs) if place.tail.layer in one.inputs]
    if len(readers) != 1 or readers[0].kind != "convolution" or len(readers[0].inputs) != 1:
        return None
    usual = all(readers[0].attributes.get(name, 1) == 1 for name in ("groups", "axis"))
    return readers[0] if usual else None


def _numbers_behind(
    place: TargetAtLayer, reader: Operation, answering: Tensor
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the same, taking from what the convolution answers what each channel gave to it: it runs only once."""
    tail, answers = place.tail, place.tail.answer
    parameters = {role: tail.graph.parameters[key] for role, key in reader.parameters.items()}
    weight = parameters["weight"]
    convolve = OPERATIONS["convolution"]
    whole: Any = convolve(answers, **parameters, **reader.keywords)
    filters = weight.shape[0]
    at_once = max(1, _NUMBERS_AT_ONCE // whole[0].numel())
    for channels in torch.split(answering, at_once):
        own = weight[:, channels].transpose(0, 1).reshape(-1, 1, *weight.shape[2:])
        each = {**reader.keywords, "groups": len(channels)}
        contributions: Any = convolve(answers[:, channels], weight=own, **each)
        contributions = contributions.reshape(len(channels), filters, *contributions.shape[2:])
        yield channels, place.number_from(reader.outputs[0], whole - contributions)
