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

        def there(values: Tensor, output: Tensor) -> None:
            torch.mul(values, self._power(self._base(values).rsqrt_()), out=output)

        return _by_pieces(there, 1, input)[0]

    def with_root(self, input: Tensor) -> tuple[Tensor, Tensor]:
        """Return the input damped, and one over the root of what it is damped by a power of, which `gradient` needs."""

        def there(values: Tensor, output: Tensor, root: Tensor) -> None:
            torch.mul(values, self._power(torch.rsqrt(self._base(values), out=root)), out=output)

        output, root = _by_pieces(there, 2, input)
        return output, root

    def gradient(self, input: Tensor, root: Tensor, gradient: Tensor) -> Tensor:
        """Return the input's gradient from that of what came out. It has the same sum over neighbors as the base."""

        def back(values: Tensor, root: Tensor, slopes: Tensor, output: Tensor) -> None:
            damped = self._power(root).mul_(slopes)
            padded, shares = _padded(values, self.size, 0.0)
            shares.addcmul_(damped, values).mul_(root).mul_(root)
            shared = _sum_over_neighbors(padded, values.shape[1])
            torch.addcmul(damped, values, shared, value=-2 * self.beta * self.slope, out=output)

        return _by_pieces(back, 1, input, root, gradient)[0]

    def _power(self, root: Tensor) -> Tensor:
        """Return the base to minus `beta`: that of 3/4 is two roots, which are much faster."""
        return root.sqrt().mul_(root) if self.beta == 0.75 else root.pow(2 * self.beta)

    def _base(self, values: Tensor) -> Tensor:
        """Return the base; each neighbor brings its part of `k` along."""
        part = self.k / _window(self.size, values.shape[1])
        padded, squares = _padded(values, self.size, part)
        squares.addcmul_(values, values, value=self.slope)
        return _sum_over_neighbors(padded, values.shape[1])


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
        output, root = damping.with_root(input)
        ctx.save_for_backward(input, root)
        ctx.damping = damping
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return ctx.damping.gradient(*ctx.saved_tensors, gradient), None


def _by_pieces(function: Callable[..., None], count: int, *inputs: Tensor) -> list[Tensor]:
    """Return `count` outputs, which a function writes from rows (positions, channels) of each input, some at a time."""
    first, channels = inputs[0].movedim(1, -1), inputs[0].shape[1]
    length = prod(first.shape[:-1])
    outputs = [_empty_like(inputs[0]) for _ in range(count)]
    rows = [input.movedim(1, -1).reshape(length, channels) for input in inputs]
    places = [output.movedim(1, -1).view(length, channels) for output in outputs]
    at_once = _NUMBERS_AT_ONCE // max(1, channels) if first.device.type in ("cpu", "meta") else length
    exact = torch.float32 if first.dtype in (torch.bfloat16, torch.float16) else first.dtype
    for at in range(0, max(1, length), step := max(1, at_once)):
        pieces = [place[at : at + step] for place in places]
        found = [piece if piece.dtype == exact else torch.empty_like(piece, dtype=exact) for piece in pieces]
        function(*(each[at : at + step].to(exact) for each in rows), *found)
        for piece, part in zip(pieces, found, strict=True):
            if part is not piece:
                piece.copy_(part)
        if first.is_meta:
            break  # without numbers it is about the memory that is taken
    return outputs


def _empty_like(input: Tensor) -> Tensor:
    """Return memory with the channels last; of a map no view, so that who gets a gradient may write over it."""
    if input.dim() == 4:
        return torch.empty_like(input, memory_format=torch.channels_last)
    return torch.empty_like(input.movedim(1, -1), memory_format=torch.contiguous_format).movedim(-1, 1)


def _window(size: int, channels: int) -> int:
    """Return how many neighbors there are to add at most: a file may say any size."""
    return min(size, 2 * channels - 1)


def _padded(rows: Tensor, size: int, edge: float) -> tuple[Tensor, Tensor]:
    """Return rows full of `edge`, with half a window more on either side, and the part between, to be added to."""
    channels = rows.shape[1]
    reach = _window(size, channels) // 2
    padded = rows.new_full((rows.shape[0], channels + 2 * reach), edge)
    return padded, padded[:, reach : reach + channels]


def _sum_over_neighbors(padded: Tensor, channels: int) -> Tensor:
    """Return the sum over each window of `padded` (an odd number), out of sums over 2, 4, 8 ... neighbors."""
    size = padded.shape[1] - channels + 1
    sums, parts, start, width = padded, [padded.narrow(1, 0, channels)], 1, 1
    while 2 * width <= size:
        length = sums.shape[1] - width
        sums, width = sums.narrow(1, 0, length) + sums.narrow(1, width, length), 2 * width
        if size & width:
            parts.append(sums.narrow(1, start, channels))
            start += width
    *others, total = parts
    for other in others:
        total.add_(other)  # of the widest sums nothing else is made
    return total
