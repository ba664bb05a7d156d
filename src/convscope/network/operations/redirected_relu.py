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
        (input,) = ctx.saved_tensors
        return redirected_gradient(input, gradients[0], *ctx.range), None, None


def redirected_gradient(input: Tensor, gradient: Tensor, low: float, high: float) -> Tensor:
    """Return the gradient of `clip` for its input; of a picture that would get none, what leads back into the range."""
    below = input <= low
    above = input >= high if high < inf else None  # a ReLU has no upper end: half the work
    ordinary = gradient.masked_fill(below if above is None else below | above, 0)
    blocked = ~ordinary.any(dim=tuple(range(1, ordinary.dim())))
    if not blocked.any():
        return ordinary
    # Gradients point uphill here: one that is positive asks for larger values.
    away = below & (gradient < 0)
    if above is not None:
        away |= above & (gradient > 0)
    redirected = gradient.masked_fill(away, 0)
    return torch.where(blocked.view(-1, *(1 for _ in input.shape[1:])), redirected, ordinary)


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
def woken_clip(
    input: Tensor, *, mask: Tensor, minimum: float = 0.0, maximum: float = inf, through: bool = False
) -> Tensor:
    """Return `clip`; where the `mask`, (1, channels, 1, ...), is not 0, its gradient is that of the identity.

    With `through` the input itself is returned there.
    """
    if through:
        return torch.where(mask != 0, input, input.clamp(minimum, maximum))
    output: Tensor = _Woken.apply(input, mask, minimum, maximum)  # type: ignore[no-untyped-call]
    return output
