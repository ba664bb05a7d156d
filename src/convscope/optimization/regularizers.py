"""What keeps pictures from becoming noise: costs, which are taken away from the objective, and edits after a step.

A penalty takes pictures (N, C, H, W) in 0..1 and returns one number a picture. An edit takes a canvas's numbers
(N, C, H, W), their gradient and the step's number, from 1, and returns the numbers to go on with; its zero is the
canvas's, the network's mean picture in the presets that use edits. Any functions of this kind will do.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from convscope.errors import InputError

Variation = Literal["anisotropic", "squared", "isotropic", "power"]


@dataclass(frozen=True)
class TotalVariation:
    """How much neighboring pixels differ, summed over channels and places, times `weight`.

    With dx and dy, the differences to the right and downwards, four definitions are in use:

    - "anisotropic": |dx| + |dy| (TensorFlow's `image.total_variation`, which lucid uses);
    - "squared": dx² + dy² (Johnson's neural-style, by its gradient);
    - "isotropic": √(dx² + dy²) (Rudin, Osher and Fatemi, 1992);
    - "power": (dx² + dy²) ** (`beta` / 2), with beta 2.5 (Keras's examples; Mahendran and Vedaldi, 2015, with 2).

    The last two need both neighbors, and leave the last row and column out.
    """

    weight: float
    kind: Variation = "anisotropic"
    beta: float = 2.5

    def __call__(self, pictures: Tensor) -> Tensor:
        """Return the cost of each picture, (N,)."""
        right, down = pictures.diff(dim=3), pictures.diff(dim=2)
        if self.kind == "anisotropic":
            variation = right.abs().flatten(1).sum(1) + down.abs().flatten(1).sum(1)
        elif self.kind == "squared":
            variation = right.square().flatten(1).sum(1) + down.square().flatten(1).sum(1)
        elif self.kind in ("isotropic", "power"):
            squares = right[:, :, :-1].square() + down[:, :, :, :-1].square()
            variation = _power(squares, 0.5 if self.kind == "isotropic" else self.beta / 2).flatten(1).sum(1)
        else:
            raise InputError(
                f"total variation cannot be {self.kind!r}. Possible: anisotropic, squared, isotropic, power"
            )
        return self.weight * variation


def _power(squares: Tensor, exponent: float) -> Tensor:
    """Return a power whose gradient at 0 is 0 and not infinite, as where a picture is flat."""
    return torch.where(squares > 0, squares.clamp_min(torch.finfo(squares.dtype).tiny), 1.0) ** exponent * (
        squares > 0
    )


_NEIGHBORS = (
    (1 / 3, np.s_[..., 1:-1, 2:], np.s_[..., 1:-1, 1:-1]),
    (1 / 3, np.s_[..., 2:, 1:-1], np.s_[..., 1:-1, 1:-1]),
    (1 / 12, np.s_[..., 1:, 1:], np.s_[..., :-1, :-1]),
    (1 / 12, np.s_[..., 1:, :-1], np.s_[..., :-1, 1:]),
)
"""What pairs of neighbors count, and the rows and columns of the one and of the other."""


class _SquaredDifferences(torch.autograd.Function):
    """The mean square of each kind of pair; one difference at a time, for a large picture's are most of a step."""

    @staticmethod
    def forward(ctx: Any, padded: Tensor) -> Tensor:
        ctx.save_for_backward(padded)
        costs = [
            share * (padded[one] - padded[other]).square_().flatten(1).mean(1)
            for share, one, other in _NEIGHBORS
        ]
        return torch.stack(costs).sum(0)

    @staticmethod
    def backward(ctx: Any, *costs: Tensor) -> Tensor:
        (padded,) = ctx.saved_tensors
        slope = torch.zeros_like(padded)
        for share, one, other in _NEIGHBORS:
            difference = padded[one] - padded[other]
            difference *= 2 * share * costs[0].view(-1, 1, 1, 1) / difference[0].numel()
            slope[one] += difference
            slope[other] -= difference
        return slope


@dataclass(frozen=True)
class NeighborDifference:
    """How much each pixel differs from its eight neighbors: the mean square, times `weight`.

    Straight pairs count a third, diagonal ones a twelfth, and each pair from both sides; beyond the edge lie the edge's
    pixels. Crowson's style-transfer-pytorch. As a mean it does not grow with the picture.
    """

    weight: float

    def __call__(self, pictures: Tensor) -> Tensor:
        """Return the cost of each picture, (N,)."""
        padded = F.pad(pictures, (1, 1, 1, 1), "replicate")
        squares: Tensor = _SquaredDifferences.apply(padded)  # type: ignore[no-untyped-call]
        return 2 * self.weight * squares


@dataclass(frozen=True)
class Distance:
    """How far the pixels are from `center`, times `weight`: "l1", the sum of distances, or "l2", the root of squares.

    lucid's L1 and L2, around gray.
    """

    weight: float
    norm: Literal["l1", "l2"] = "l2"
    center: float = 0.5

    def __call__(self, pictures: Tensor) -> Tensor:
        """Return the cost of each picture, (N,)."""
        away = (pictures - self.center).flatten(1)
        if self.norm == "l1":
            return self.weight * away.abs().sum(1)
        return self.weight * (away.square().sum(1) + 1e-6).sqrt()


@dataclass(frozen=True)
class OutOfRange:
    """How far pixels leave `low` to `high`: the mean square, times `weight`. For canvases that do not keep to it."""

    weight: float
    low: float = 0.0
    high: float = 1.0

    def __call__(self, pictures: Tensor) -> Tensor:
        """Return the cost of each picture, (N,)."""
        beyond = pictures - pictures.clamp(self.low, self.high)
        return self.weight * beyond.square().flatten(1).mean(1)


@dataclass(frozen=True)
class Decay:
    """Everything a little closer to zero: times 1 - `share` after each step.

    Simonyan et al. (2014) as a cost; Yosinski et al., *Understanding Neural Networks Through Deep Visualization*
    (2015), as here.
    """

    share: float

    def __call__(self, pixels: Tensor, gradient: Tensor, step: int) -> Tensor:
        """Return the pixels, smaller."""
        return pixels * (1 - self.share)


@dataclass(frozen=True)
class Blur:
    """A Gaussian blur of `radius` pixels (its deviation) after the first of every `every` steps: Yosinski et al., 2015.

    The filter reaches 4 radii; beyond the edge lies the reflected picture, as in scipy's `gaussian_filter`.
    """

    radius: float
    every: int = 1

    def __call__(self, pixels: Tensor, gradient: Tensor, step: int) -> Tensor:
        """Return the pixels, blurred where it is time."""
        if (step - 1) % self.every:
            return pixels
        down, across = (_blurring(length, self.radius).to(pixels) for length in pixels.shape[2:])
        return down @ pixels @ across.mT


def _blurring(length: int, radius: float) -> Tensor:
    """Return the matrix that blurs a line of this many pixels."""
    reach = int(4 * radius + 0.5)
    offsets = torch.arange(-reach, reach + 1)
    weights = (offsets.double().square() / (-2 * radius**2)).exp()
    places = (torch.arange(length)[:, None] + offsets) % (2 * length)
    reflected = torch.where(places < length, places, 2 * length - 1 - places)
    matrix = torch.zeros(length, length, dtype=torch.float64)
    return matrix.scatter_add_(1, reflected, (weights / weights.sum()).expand(length, -1))


@dataclass(frozen=True)
class SmallValues:
    """Numbers below this percentile of all absolute numbers of the picture become zero."""

    percentile: float

    def __call__(self, pixels: Tensor, gradient: Tensor, step: int) -> Tensor:
        """Return the pixels without their small numbers."""
        return pixels * _is_large(pixels.abs(), self.percentile)


@dataclass(frozen=True)
class SmallNorm:
    """Pixels whose norm over the channels is below this percentile become zero (Yosinski et al., 2015)."""

    percentile: float

    def __call__(self, pixels: Tensor, gradient: Tensor, step: int) -> Tensor:
        """Return the pixels without the faint ones."""
        return pixels * _is_large(pixels.square().sum(1, keepdim=True).sqrt(), self.percentile)


@dataclass(frozen=True)
class SmallContribution:
    """Pixels that do little for the objective, below this percentile, become zero (Yosinski et al., 2015).

    What a pixel does is estimated by the gradient: |sum over the channels of gradient x pixel|.
    """

    percentile: float

    def __call__(self, pixels: Tensor, gradient: Tensor, step: int) -> Tensor:
        """Return the pixels without the idle ones."""
        return pixels * _is_large((gradient * pixels).sum(1, keepdim=True).abs(), self.percentile)


@dataclass(frozen=True)
class Clamp:
    """Numbers kept between `low` and `high`, one a channel each."""

    low: tuple[float, ...]
    high: tuple[float, ...]

    def __call__(self, pixels: Tensor, gradient: Tensor, step: int) -> Tensor:
        """Return the pixels within their limits."""
        low, high = (pixels.new_tensor(limit)[:, None, None] for limit in (self.low, self.high))
        return pixels.clamp(low, high)


def _is_large(values: Tensor, percentile: float) -> Tensor:
    """Tell which values of each picture are not below its percentile, with numpy's linear interpolation.

    What lies below an interpolated number is what lies below the next value above it.
    """
    flat = values.flatten(1)
    rank = math.ceil(percentile / 100 * (flat.shape[1] - 1))
    limit = flat.kthvalue(rank + 1, dim=1).values
    return values >= limit.view(-1, *(1 for _ in values.shape[1:]))
