"""Whose colors a styled picture has.

Gatys, Bethge, Hertzmann and Shechtman, *Preserving color in neural artistic style transfer* (2016).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from convscope.pictures.resizing import resized
from convscope.styling.targets import Style

_FLOOR = 1e-3  # of a variance: colors that hardly differ are noise, not to be spread over a style's range
_MANY = 2**20  # pixels tell how colors vary
ONE_COLOR = 0.02  # a deviation: below it a picture is of one color


def matched(picture: Tensor, model: Tensor, floor: float = 1e-5) -> Tensor:
    """Return a picture (1, 3, H, W) with another's mean color and the covariance of its colors.

    By the covariances' roots, the one linear change that turns no colors against each other. `floor` is added to the
    picture's variances.
    """
    mean, covariance = _statistics(picture)
    target_mean, target_covariance = _statistics(model)
    noise = floor * torch.eye(3).to(covariance)
    change = _root(target_covariance) @ torch.linalg.inv(_root(covariance + noise))
    shift = target_mean - change @ mean
    pixels: Tensor = change.to(picture) @ picture[0].flatten(1) + shift.to(picture)
    return pixels.view_as(picture).clamp(0, 1)


def in_the_styles_colors(content: Tensor, styles: Sequence[Style]) -> Tensor:
    """Return the content (1, 3, H, W) in the colors of its styles, by their weights and where each counts.

    It keeps its own where none counts, and where a style is of one color, which would leave nothing to be seen.
    """
    size = (int(content.shape[2]), int(content.shape[3]))
    pixels, covered = content, torch.zeros_like(content[:, :1])
    total = covered
    for style in styles:
        region = (
            torch.ones_like(covered)
            if style.region is None
            else resized(style.region, size, "bicubic").to(content)
        )
        plain = float(style.picture.std((2, 3)).max()) < ONE_COLOR
        recolored = content if plain else matched(content, style.picture, _FLOOR)
        total = total + style.weight * region
        pixels = pixels.lerp(recolored, style.weight * region / total.clamp_min(1e-12))
        covered = covered.maximum(region)
    return content.lerp(pixels, covered.clamp(0, 1))


def _statistics(picture: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean (3, 1) and the covariance (3, 3) of a picture's colors, in float64."""
    colors = picture[0].flatten(1)
    colors = colors[:, :: max(1, colors.shape[1] // _MANY)].double()
    return colors.mean(1, keepdim=True), torch.cov(colors, correction=0)


def _root(matrix: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh(matrix)
    root: Tensor = vectors * values.clamp_min(0).sqrt() @ vectors.mT
    return root
