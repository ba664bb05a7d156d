"""What is done to a dream's gradient before the step: made equally long, split into frequencies, blurred, clipped.

A gradient edit takes the gradient (N, C, H, W) and the step's number, from 1, and returns the gradient to follow.
The source of each is named in the preset that uses it; "of the gradient" tells them from the edits of the picture.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from torch import Tensor

from convscope.optimization.laplacian import merge, split
from convscope.optimization.optimizers import Norm, norm_of
from convscope.optimization.regularizers import Blur
from convscope.pictures.resizing import resized

GradientEdit: TypeAlias = Callable[[Tensor, int], Tensor]


@dataclass(frozen=True)
class Normalized:
    """The gradient by its norm over each picture ("mean": of absolute values); `epsilon` is added to the norm.

    With `at_least` the norm counts as epsilon where it is smaller, instead.
    """

    norm: Norm
    epsilon: float = 1e-8
    at_least: bool = False

    def __call__(self, gradient: Tensor, step: int) -> Tensor:
        """Return the gradient at its usual length."""
        size = norm_of(gradient, self.norm)
        return gradient / (size.clamp_min(self.epsilon) if self.at_least else size + self.epsilon)


@dataclass(frozen=True)
class LaplacianNormalized:
    """Every level of the gradient's Laplacian pyramid by its RMS, the last one too: coarse detail gets its share."""

    levels: int = 4
    epsilon: float = 1e-10

    def __call__(self, gradient: Tensor, step: int) -> Tensor:
        """Return the gradient with equally strong frequencies."""
        levels = split(gradient, self.levels)
        return merge([level / norm_of(level, "rms").clamp_min(self.epsilon) for level in levels])


@dataclass(frozen=True)
class GradientDecay:
    """The gradient, smaller by this factor with every step."""

    factor: float = 0.95

    def __call__(self, gradient: Tensor, step: int) -> Tensor:
        """Return the gradient times factor to the power of the steps so far."""
        return gradient * self.factor ** (step - 1)


@dataclass(frozen=True)
class GradientClip:
    """The gradient with its largest values cut to the given percentile of all absolute values of the picture."""

    percentile: float = 95.0

    def __call__(self, gradient: Tensor, step: int) -> Tensor:
        """Return the gradient without its extremes."""
        flat = gradient.flatten(1).abs()
        rank = max(1, round(self.percentile / 100 * flat.shape[1]))
        limit = flat.kthvalue(rank, dim=1).values.view(-1, 1, 1, 1)
        return gradient.clamp(-limit, limit)


@dataclass(frozen=True, eq=False)
class Masked:
    """The gradient times a mask (1, 1, H, W) of 0..1, brought to its size: what stays, and what is dreamed."""

    mask: Tensor

    def __call__(self, gradient: Tensor, step: int) -> Tensor:
        """Return the gradient where the mask is white."""
        size = gradient.shape[-2:]
        return gradient * resized(self.mask.to(gradient), (size[0], size[1]))


@dataclass(frozen=True)
class GradientBlur:
    """The gradient under a Gaussian of `radius` pixels (its deviation), in the first of every `every` steps.

    Beyond the edge lies the reflected gradient.
    """

    radius: float
    every: int = 1

    def __call__(self, gradient: Tensor, step: int) -> Tensor:
        """Return the gradient, blurred."""
        return Blur(self.radius, self.every)(gradient, gradient, step)
