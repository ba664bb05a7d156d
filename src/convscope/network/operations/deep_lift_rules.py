"""Operations with DeepLIFT's backward rules, for batches of pictures followed by their baselines.

Forward they are the ordinary ones. Backward, the gradient is the slope between a picture and its baseline, so that what
the inputs are given adds up to the difference of the outputs. Shrikumar et al., *Learning important features through
propagating activation differences* (2017).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from numpy.polynomial import legendre
from torch import Tensor

from convscope.network.operations.registry import OPERATIONS, operation
from convscope.network.operations.shape_rules import shape_as_of

# On -1 to 1: where gradients are averaged between baseline and picture, and how much each counts.
_PLACES, _SHARES = legendre.leggauss(8)
_NEAR = 1e-6  # of two numbers: nearer to each other, rounding would be most of the slope between them

_Function = Callable[[Tensor], Any]


@operation(shape=shape_as_of)
def rescaled(input: Tensor, *, of: str, **keywords: Any) -> Tensor:
    """Return what the operation named `of` does; backward, each number's slope is output by input difference."""
    output: Tensor = _Rescaled.apply(input, partial(OPERATIONS[of], **keywords))  # type: ignore[no-untyped-call]
    return output


@operation(shape=shape_as_of)
def rescaled_maximum(input: Tensor, *, of: str, **keywords: Any) -> Tensor:
    """Return what a pooling by maxima named `of` does; backward, the difference goes to the places of both maxima.

    What the larger of the two exceeds the baseline's by goes to where the picture has its own, the rest to where the
    baseline has it.
    """
    output: Tensor = _RescaledMaximum.apply(input, partial(OPERATIONS[of], **keywords))  # type: ignore[no-untyped-call]
    return output


@operation(shape=shape_as_of)
def averaged_gradients(
    *inputs: Tensor, of: str, of_pictures: tuple[bool, ...] = (), **keywords: Any
) -> Tensor:
    """Return what the operation named `of` does; backward, its gradient is the mean between baseline and picture.

    For what mixes numbers smoothly: products of two values, normalizations. A slope of each number by itself would be
    boundless where it hardly changes and the others do. `of_pictures` says which inputs the pictures go into, all by
    default: a constant of two numbers looks like a batch of two.
    """
    function = partial(OPERATIONS[of], **keywords)
    output: Tensor = _AveragedGradients.apply(function, of_pictures or (True,) * len(inputs), *inputs)  # type: ignore[no-untyped-call]
    return output


class _Rescaled(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, input: Tensor, function: _Function) -> Tensor:
        output: Tensor = function(input)
        ctx.save_for_backward(input, output)
        ctx.function = function
        return output

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        input, output = ctx.saved_tensors
        change, near = _difference(input)
        slope = gradients[0] * _difference(output)[0] / change.masked_fill(near, 1)
        return torch.where(near, _gradient(ctx.function, input, gradients[0]), slope), None


class _RescaledMaximum(_Rescaled):
    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        input, output = ctx.saved_tensors
        change, near = _difference(input)
        own, baseline = output.chunk(2)
        larger = torch.maximum(own, baseline)
        shares = torch.cat([larger - baseline, own - larger])
        gradient = _gradient(ctx.function, input, gradients[0] * shares)
        slope = sum(gradient.chunk(2)).repeat(2, *(1 for _ in input.shape[1:])) / change.masked_fill(near, 1)  # type: ignore[union-attr]
        return torch.where(near, _gradient(ctx.function, input, gradients[0]), slope), None


class _AveragedGradients(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, function: Callable[..., Any], of_pictures: tuple[bool, ...], *inputs: Tensor
    ) -> Tensor:
        output: Tensor = function(*inputs)
        ctx.save_for_backward(*inputs)
        ctx.function, ctx.of_pictures, ctx.batch = function, of_pictures, output.shape[:1]
        return output

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Any, ...]:
        inputs = ctx.saved_tensors
        halves = (
            _middle_and_way(one, changes and one.shape[:1] == ctx.batch)
            for one, changes in zip(inputs, ctx.of_pictures, strict=True)
        )
        middles, ways = zip(*halves, strict=True)
        sums = [torch.zeros_like(input) for input in inputs]
        for place, share in zip(_PLACES, _SHARES, strict=True):
            with torch.enable_grad():
                leaves = [
                    (middle + place * way).requires_grad_() for middle, way in zip(middles, ways, strict=True)
                ]
                slopes = torch.autograd.grad(ctx.function(*leaves), leaves, gradients[0])
            sums = [total + share / 2 * one for total, one in zip(sums, slopes, strict=True)]
        return None, None, *sums


def _middle_and_way(values: Tensor, changes: bool) -> tuple[Tensor, Tensor]:
    """Return the middle between both halves of a batch, and half the way from the second to the first, for each.

    Where nothing `changes`, what is the same for every picture.
    """
    if not changes:
        return values, torch.zeros_like(values)
    own, baseline = values.detach().chunk(2)
    both = (2, *(1 for _ in values.shape[1:]))
    return ((own + baseline) / 2).repeat(both), ((own - baseline) / 2).repeat(both)


def _difference(values: Tensor) -> tuple[Tensor, Tensor]:
    """Return the first half of a batch less the second, for both halves, and where that is next to nothing."""
    own, baseline = values.chunk(2)
    change = own - baseline
    near = change.abs() <= _NEAR * (own.abs() + baseline.abs())
    both = (2, *(1 for _ in values.shape[1:]))
    return change.repeat(both), near.repeat(both)


def _gradient(function: _Function, input: Tensor, gradient: Tensor) -> Tensor:
    with torch.enable_grad():
        leaf = input.detach().requires_grad_()
        (slope,) = torch.autograd.grad(function(leaf), leaf, gradient)
    return slope
