"""What a style transfer makes small: how far a picture's content, and its style, are from what they should be.

Gatys, Ecker and Bethge, *Image style transfer using convolutional neural networks* (2016). Their idea has been
written down with many different divisors, which is why weights cannot be carried from one program to another; each is
here under a name of its own. Every loss gives one number a picture, shape (N,).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import torch
from torch import Tensor

from convscope.errors import require_one_of
from convscope.styling.gram import products

Divisor = Literal["nothing", "positions", "volume"]
"""What a Gram matrix is divided by: nothing, the number of positions, or positions times channels."""
Reduction = Literal["mean", "sum", "lecture", "keras", "share"]
"""How the differences of two Gram matrices become one number: see `GramLoss`."""
ContentLoss: TypeAlias = Callable[[Tensor, Tensor], Tensor]
"""A layer's answers (N, C, H, W) to the picture and to the content, to one number a picture."""


def gram_matrix(value: Tensor, divisor: Divisor = "volume", mask: Tensor | None = None) -> Tensor:
    """Return how much each two channels answer together, (N, C, C), wherever in the picture that is.

    `mask` (1, 1, H, W) in 0..1 counts positions in part, or not at all; positions are then what it adds up to.

    >>> gram_matrix(torch.ones(1, 2, 3, 3), "positions")
    tensor([[[1., 1.],
             [1., 1.]]])
    """
    count: float | Tensor = value.shape[2] * value.shape[3]
    if mask is not None:
        share = mask.to(value)
        value, count = value * share.sqrt(), share.sum().clamp_min(1e-12)
    matrix = products(value)
    if divisor == "nothing":
        return matrix
    return matrix / (count * (value.shape[1] if divisor == "volume" else 1))


def mean_square(answer: Tensor, target: Tensor) -> Tensor:
    """The mean of squared differences: most programs' content loss."""
    return (answer - target).square().mean((1, 2, 3))


def sum_of_squares(answer: Tensor, target: Tensor) -> Tensor:
    """The sum of squared differences: Keras's content loss. It grows with the picture."""
    return (answer - target).square().sum((1, 2, 3))


def half_square_of_shares(answer: Tensor, target: Tensor) -> Tensor:
    """Half the sum of squares of differences divided by their number: the lecture's, smaller by twice that number."""
    return (answer - target).square().sum((1, 2, 3)) / (2 * answer[0].numel() ** 2)


@dataclass(frozen=True)
class GramLoss:
    """The distance of two Gram matrices.

    `divisor` is the matrices' own. Then "mean" is the mean of squared differences, "sum" their sum, "lecture" half the
    sum of squares of differences divided by the squared number of channels, "keras" the sum by 4 x 9 x the squared
    number of the picture's pixels, "share" the sum by that of both matrices' squares: from 0 to 1, in every layer.
    """

    divisor: Divisor = "volume"
    reduction: Reduction = "mean"

    def __post_init__(self) -> None:
        require_one_of("the divisor", self.divisor, get_args(Divisor))
        require_one_of("the reduction", self.reduction, get_args(Reduction))

    def describe(self, value: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return what is kept of a layer's answers to the style: (N, C, C)."""
        return gram_matrix(value, self.divisor, mask)

    def target(self, description: Tensor) -> Tensor:
        """Return what a style's description is compared by: itself."""
        return description

    def distance(self, description: Tensor, target: Tensor, pixels: int) -> Tensor:
        """Return how far a description is from a target, (N,), in a picture of so many pixels."""
        squares = (description - target).square().flatten(1)
        match self.reduction:
            case "mean":
                return squares.mean(1)
            case "sum":
                return squares.sum(1)
            case "lecture":
                return squares.sum(1) / (2 * description.shape[1] ** 4)
            case "keras":
                return squares.sum(1) / (4 * 9 * pixels**2)
            case "share":
                return _share(description, target)


def means_and_covariances(value: Tensor, mask: Tensor | None = None) -> Tensor:
    """Return the mean (first row) and the covariance (the others) of answers (N, C, H, W): (N, C + 1, C).

    `mask` (1, 1, H, W) in 0..1 counts positions in part, or not at all.
    """
    if mask is None:
        mean = value.mean((2, 3), keepdim=True)
        return torch.cat([mean[:, :, :, 0].mT, products(value - mean) / value[0, 0].numel()], 1)
    share = mask.to(value)
    share = share / share.sum().clamp_min(1e-12)
    mean = (value * share).sum((2, 3), keepdim=True)
    return torch.cat([mean[:, :, :, 0].mT, products((value - mean) * share.sqrt())], 1)


@dataclass(frozen=True)
class MomentsLoss:
    """The distance of two means and of two covariances, each as a share of both pictures' squares: from 0 to 1.

    A Gram matrix is the covariance plus what the means alone make of it. Where answers lie far from 0, as a residual
    network's do, which adds up one block's after the other, the means are nearly all of it, and how the answers vary
    together, which is strokes and whirls, hardly counts. Apart, each counts half. Means and covariances as a style are
    Li et al., *Demystifying neural style transfer* (2017), and Sun and Saenko, *Deep CORAL* (2016).
    """

    def describe(self, value: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return the mean (first row) and the covariance (the others) of the features: (N, C + 1, C)."""
        return means_and_covariances(value, mask)

    def target(self, description: Tensor) -> Tensor:
        """Return what a style's description is compared by: itself."""
        return description

    def distance(self, description: Tensor, target: Tensor, pixels: int) -> Tensor:
        """Return how far a description is from a target, (N,): half its means, half its covariances."""
        means = _share(description[:, :1], target[:, :1])
        return (means + _share(description[:, 1:], target[:, 1:])) / 2


@dataclass(frozen=True)
class WassersteinLoss:
    """The squared Wasserstein-2 distance of two normal distributions with the features' means and covariances.

    Crowson's style loss, after Mroueh, *Wasserstein style transfer* (2019): the style is how the features are
    distributed, so no weight depends on the number of channels.
    """

    epsilon: float = 1e-4

    def describe(self, value: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return the mean (first row) and the covariance (the others) of the features: (N, C + 1, C)."""
        return means_and_covariances(value, mask)

    def target(self, description: Tensor) -> Tensor:
        """Return mean, covariance and the covariance's root, (N, 2C + 1, C) in float64: what a style is compared by."""
        sums = description.double()
        covariance = self._regular(sums[:, 1:])
        values, vectors = torch.linalg.eigh(covariance)
        root = vectors * values.clamp_min(0).sqrt()[:, None] @ vectors.mT
        return torch.cat([sums[:, :1], covariance, root], 1)

    def distance(self, description: Tensor, target: Tensor, pixels: int) -> Tensor:
        """Return how far a description is from a target, (N,): the means, and the covariances by their roots.

        The trace of a root is the sum of its eigenvalues, so no root is made of what changes at every step. Double
        precision, because a covariance of few positions has eigenvalues that single precision takes for negative.
        """
        channels = description.shape[2]
        mean, covariance, root = torch.split(target, [1, channels, channels], 1)
        ours = self._regular(description[:, 1:].double())
        means = (description[:, :1] - mean).square().sum((1, 2))
        cross = torch.linalg.eigvalsh(root @ ours @ root).clamp_min(torch.finfo(torch.float64).tiny).sqrt()
        both = (ours + covariance).diagonal(dim1=1, dim2=2).sum(1)
        distance: Tensor = (means + both - 2 * cross.sum(1)) / channels
        return distance.to(description.dtype)

    def _regular(self, covariance: Tensor) -> Tensor:
        return covariance + self.epsilon * torch.eye(covariance.shape[-1]).to(covariance)


def _share(description: Tensor, target: Tensor) -> Tensor:
    """Return the sum of squared differences by that of both's squares, (N,): from 0 to 1."""
    squares = (description - target).square().flatten(1).sum(1)
    both = description.square().flatten(1).sum(1) + target.square().flatten(1).sum(1)
    return squares / both.clamp_min(torch.finfo(both.dtype).tiny)


StyleLoss: TypeAlias = GramLoss | MomentsLoss | WassersteinLoss
