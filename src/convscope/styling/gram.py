"""How much each two channels answer together: the Gram matrix, what Gatys et al. (2015) took a picture's style to be.

The answers are read where they lie, channels last, and the gradient comes back like that: one matrix product each way.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

_POSITIONS = (
    2048  # at a time: a product of few numbers over very many positions is slow, several of fewer are not
)


def products(value: Tensor) -> Tensor:
    """Return each two channels' products, summed over the positions of answers (N, C, H, W): (N, C, C).

    >>> products(torch.ones(1, 2, 3, 3))
    tensor([[[9., 9.],
             [9., 9.]]])
    """
    gram: Tensor = _Products.apply(value.permute(0, 2, 3, 1).flatten(1, 2))  # type: ignore[no-untyped-call]
    return gram


class _Products(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, features: Tensor) -> Tensor:
        ctx.save_for_backward(features)
        count, positions, channels = features.shape
        full = positions - positions % _POSITIONS
        rest = features[:, full:]
        gram = torch.bmm(rest.mT, rest)
        if full:
            parts = features[:, :full].reshape(-1, _POSITIONS, channels)
            gram += torch.bmm(parts.mT, parts).view(count, -1, channels, channels).sum(1)
        return gram

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (features,), (gradient,) = ctx.saved_tensors, gradients
        return torch.bmm(features, gradient + gradient.mT)
