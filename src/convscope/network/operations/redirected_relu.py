"""ReLUs that let a gradient through to a picture that would get none: the forward values are the ordinary ones.

After lucid's ``redirected_relu`` (Olah et al., *Feature Visualization*, 2017), for ReLUs of every kind, decided picture
by picture: where not a single gradient gets through to one, it gets those that push its values back into the range.
"""

from __future__ import annotations

from math import inf
from typing import Any

import torch
from torch import Tensor

from convscope.network.operations.registry import operation


class _Redirected(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, input: Tensor, low: float, high: float) -> Tensor:
        ctx.save_for_backward(input)
        ctx.range = (low, high)
        return input.clamp(low, high)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (input,), (low, high), (gradient,) = ctx.saved_tensors, ctx.range, gradients
        below, above = input <= low, input >= high
        ordinary = gradient.masked_fill(below | above, 0)
        # Gradients point uphill here: one that is positive asks for larger values.
        redirected = gradient.masked_fill((below & (gradient < 0)) | (above & (gradient > 0)), 0)
        blocked = ordinary.flatten(1).abs().amax(1) == 0
        return torch.where(blocked.view(-1, *(1 for _ in input.shape[1:])), redirected, ordinary), None, None


@operation(pointwise=True, relevance="passed")
def redirected_clip(input: Tensor, *, minimum: float = 0.0, maximum: float = inf) -> Tensor:
    """Return `clip` (with no keywords, `relu`); its gradient, going uphill, never blocks a whole picture."""
    output: Tensor = _Redirected.apply(input, minimum, maximum)  # type: ignore[no-untyped-call]
    return output


class _Woken(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, input: Tensor, mask: Tensor, low: float, high: float) -> Tensor:
        ctx.save_for_backward((input > low) & (input < high) | (mask != 0))
        return input.clamp(low, high)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        (open,) = ctx.saved_tensors
        return gradients[0] * open, None, None, None


@operation(pointwise=True, relevance="passed")
def woken_clip(input: Tensor, *, mask: Tensor, minimum: float = 0.0, maximum: float = inf) -> Tensor:
    """Return `clip`; where the `mask`, (1, channels, 1, ...), is not 0, its gradient is that of the identity."""
    output: Tensor = _Woken.apply(input, mask, minimum, maximum)  # type: ignore[no-untyped-call]
    return output
