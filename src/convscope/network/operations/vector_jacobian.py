"""Gradients of outputs that already have gradients."""

from __future__ import annotations

from collections.abc import Sequence

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
        products = [(output * gradient).sum() for output, gradient in zip(outputs, gradients, strict=True)]
        return torch.autograd.grad(sum(products[1:], products[0]), inputs, allow_unused=True)
