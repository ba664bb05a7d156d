"""A network up to the values somebody wants to climb: picture tensor in, named values out, gradients to the picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from convscope.network.axes import to_channels_first
from convscope.network.runner import Inputs, Runner

Precision: TypeAlias = Literal["float32", "bfloat16"]
Forward: TypeAlias = Callable[[Inputs], dict[str, Tensor]]


def forward_to(
    runner: Runner, targets: Mapping[str, str], channels: Mapping[str, Sequence[int]], precision: Precision
) -> Forward:
    """Return the function from an input to the targets' values, channels first, keyed as in `targets` (name to value).

    Of a target in `channels` only those are returned, in that order. "bfloat16" computes in half the bits.
    """
    values = tuple(dict.fromkeys(targets.values()))
    last = runner.graph.channels_last

    def forward(input: Inputs) -> dict[str, Tensor]:
        inputs = runner.inputs(input, values)
        with torch.autocast(inputs[0].device.type, torch.bfloat16, enabled=precision == "bfloat16"):
            found = dict(zip(values, runner.module(values)(*inputs), strict=True))
        named = {
            name: to_channels_first(found[value]) if last else found[value] for name, value in targets.items()
        }
        return {
            name: (value[:, list(channels[name])] if name in channels else value).to(inputs[0].dtype)
            for name, value in named.items()
        }

    return forward
