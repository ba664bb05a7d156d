"""Local response normalization across channels, there and back, a piece at a time.

It is bound by memory: a dozen passes over a whole input take two to four times as long as over so many numbers that
they are still in the caches when the next pass reads them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor
from torch.autograd.function import once_differentiable

_NUMBERS_AT_ONCE = 2**17


@dataclass(frozen=True)
class ChannelDamping:
    """``x (k + slope sum x^2) ^ -beta``, the sum over `size` (odd) neighboring channels, for (batch, channels, ...)."""

    size: int
    slope: float
    beta: float
    k: float

    def __call__(self, input: Tensor) -> Tensor:
        """Return the input damped."""
        return _by_pieces(lambda values: (values * to_minus(self._base(values), self.beta),), input)[0]

    def with_base(self, input: Tensor) -> tuple[Tensor, Tensor]:
        """Return the input damped, and the base whose power it is damped by, which `gradient` needs."""

        def there(values: Tensor) -> tuple[Tensor, Tensor]:
            base = self._base(values)
            return values * to_minus(base, self.beta), base

        output, base = _by_pieces(there, input)
        return output, base

    def gradient(self, input: Tensor, base: Tensor, gradient: Tensor) -> Tensor:
        """Return the input's gradient from that of what came out. It has the same sum over neighbors as the base."""

        def back(values: Tensor, base: Tensor, slopes: Tensor) -> tuple[Tensor]:
            damped = slopes * to_minus(base, self.beta)
            shared = _sum_over_neighbors((damped * values).div_(base), self.size)
            return (damped.addcmul_(values, shared, value=-2 * self.beta * self.slope),)

        return _by_pieces(back, input, base, gradient)[0]

    def _base(self, values: Tensor) -> Tensor:
        return _sum_over_neighbors(values * values, self.size).mul_(self.slope).add_(self.k)


def damped(input: Tensor, damping: ChannelDamping) -> Tensor:
    """Return the input damped; gradients go back through it."""
    output: Tensor = _Differentiable.apply(input, damping)  # type: ignore[no-untyped-call]
    return output


def damping_of(size: int = 5, alpha: float = 1.0, beta: float = 0.75, k: float = 1.0) -> ChannelDamping:
    """Return the damping of a layer with these settings, where `alpha` counts for the mean of the squares."""
    return ChannelDamping(size, alpha / size, beta, k)


class _Differentiable(torch.autograd.Function):
    """A `ChannelDamping` with its own way back."""

    @staticmethod
    def forward(ctx: Any, input: Tensor, damping: ChannelDamping) -> Tensor:
        if not ctx.needs_input_grad[0]:
            return damping(input)
        output, base = damping.with_base(input)
        ctx.save_for_backward(input, base)
        ctx.damping = damping
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return ctx.damping.gradient(*ctx.saved_tensors, gradient), None


def to_minus(base: Tensor, beta: float) -> Tensor:
    """Return ``base ** -beta``; a power of 3/4 is two roots, which are much faster."""
    if beta == 0.75:
        root = base.rsqrt()
        return root * root.sqrt()
    return base.pow(-beta)


def _by_pieces(function: Callable[..., tuple[Tensor, ...]], *inputs: Tensor) -> list[Tensor]:
    """Return what a function makes of rows (positions, channels) of each input, run on some positions at a time."""
    first, channels = inputs[0].movedim(1, -1), inputs[0].shape[1]
    count = prod(first.shape[:-1])
    rows = [input.movedim(1, -1).reshape(count, channels) for input in inputs]
    at_once = _NUMBERS_AT_ONCE // max(1, channels) if first.device.type in ("cpu", "meta") else count
    exact = torch.float32 if first.dtype in (torch.bfloat16, torch.float16) else first.dtype
    outputs: list[Tensor] = []
    for at in range(0, max(1, count), step := max(1, at_once)):
        parts = function(*(each[at : at + step].to(exact) for each in rows))
        outputs = outputs or [_empty_like(inputs[0]) for _ in parts]
        for output, part in zip(outputs, parts, strict=True):
            output.movedim(1, -1).view(count, channels)[at : at + step] = part
        if first.is_meta:
            break  # without numbers it is about the memory that is taken
    return outputs


def _empty_like(input: Tensor) -> Tensor:
    """Return memory with the channels last; of a map no view, so that who gets a gradient may write over it."""
    if input.dim() == 4:
        return torch.empty_like(input, memory_format=torch.channels_last)
    return torch.empty_like(input.movedim(1, -1), memory_format=torch.contiguous_format).movedim(-1, 1)


def _sum_over_neighbors(rows: Tensor, size: int) -> Tensor:
    """Return the sum over `size` (odd) neighboring channels, out of sums over 2, 4, 8 ... of them."""
    channels = rows.shape[1]
    size = min(size, 2 * channels - 1)  # a file may say any size; beyond this there is nothing to add
    reach = size // 2
    sums = F.pad(rows, [reach, reach])
    total, start, width = sums.narrow(1, 0, channels), 1, 1
    while 2 * width <= size:
        length = sums.shape[1] - width
        sums, width = sums.narrow(1, 0, length) + sums.narrow(1, width, length), 2 * width
        if size & width:
            total, start = total + sums.narrow(1, start, channels), start + width
    return total
