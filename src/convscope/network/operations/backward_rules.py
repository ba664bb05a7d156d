"""ReLUs with another backward rule: forward they are the ordinary ones, backward they choose what passes."""

from __future__ import annotations

from math import inf
from typing import Any

import torch
from torch import Tensor

from convscope.network.operations.registry import operation


class _PositiveBackward(torch.autograd.Function):
    """A ReLU (or a clip) whose gradient is only what is positive of it; `guided`, only where the input passed too."""

    @staticmethod
    def forward(ctx: Any, input: Tensor, low: float, high: float, guided: bool) -> Tensor:
        ctx.save_for_backward((input > low) & (input < high) if guided else None)
        return input.clamp(low, high)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        (passed,) = ctx.saved_tensors
        positive = gradients[0].clamp(min=0)
        return positive if passed is None else positive * passed, None, None, None


@operation(pointwise=True)
def guided_relu(input: Tensor, *, minimum: float = 0.0, maximum: float = inf) -> Tensor:
    """Return `clip` (with no keywords, `relu`); backward, only positive gradients of positive inputs pass.

    Springenberg et al., *Striving for simplicity: the all convolutional net* (2014).
    """
    output: Tensor = _PositiveBackward.apply(input, minimum, maximum, True)  # type: ignore[no-untyped-call]
    return output


@operation(pointwise=True)
def deconvnet_relu(input: Tensor, *, minimum: float = 0.0, maximum: float = inf) -> Tensor:
    """Return `clip` (with no keywords, `relu`); backward, only positive gradients pass, whatever the input was.

    Zeiler and Fergus, *Visualizing and understanding convolutional networks* (2014).
    """
    output: Tensor = _PositiveBackward.apply(input, minimum, maximum, False)  # type: ignore[no-untyped-call]
    return output
