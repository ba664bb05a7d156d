"""Gradients of outputs that already have gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


def vector_jacobian(
    outputs: Sequence[Tensor], inputs: Sequence[Tensor], gradients: Sequence[Tensor]
) -> tuple[Tensor | None, ...]:
    """Return the gradient for each input, where `gradients` are those of the outputs; None where nothing depends on it.

    What ``torch.autograd.grad`` with gradients does: that reads sympy before its first time, which takes a second.
    """
    if any(output.is_complex() for output in outputs):
        return torch.autograd.grad(outputs, inputs, gradients, allow_unused=True)
    with torch.enable_grad():
        number: Tensor = _GradientsGiven.apply(gradients, *outputs)  # type: ignore[no-untyped-call]
        return torch.autograd.grad(number, inputs, allow_unused=True)


class _GradientsGiven(torch.autograd.Function):
    """A number of which only the gradients are wanted: those that are given."""

    @staticmethod
    def forward(ctx: Any, gradients: Sequence[Tensor], *outputs: Tensor) -> Tensor:
        ctx.gradients = gradients
        return outputs[0].new_zeros(())

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        return None, *ctx.gradients
