"""Random crops, flips, colors and attacks for a whole batch at once: a handful of tensor operations, no workers."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

SMALLEST_CROP = 0.45  # of the picture's side: a fifth of the area; what is nearer the teacher has to name
LEAST_OF_CLOSE_UP = 0.75  # of the side of what is a close-up already, and has the teacher's answer
LARGEST_CROP = 1.1  # more than the picture: mirrored borders around a smaller thing, as sharp as it was
GRAY = 0.15  # share of pictures without color, so that fur is more than ginger


def augment(pictures: Tensor, size: int, random: torch.Generator, near: Tensor | None = None) -> Tensor:
    """Crop, flip and recolor: uint8 RGB (N, H, W, 3) to floats in 0..1, (N, 3, size, size).

    Those that are close-ups, `near` (N,) says, keep most of what they show.
    """
    batch = pictures.permute(0, 3, 1, 2).float().div_(255)
    near = torch.zeros(len(batch), dtype=torch.bool) if near is None else near
    return recolor(crop(batch, size, random, near), random)


def crop(batch: Tensor, size: int, random: torch.Generator, near: Tensor) -> Tensor:
    """Cut a random part of random shape out of each picture, mirror half of them, resize to `size`."""

    def uniform(low: float | Tensor, high: float | Tensor) -> Tensor:
        return torch.rand(len(batch), generator=random) * (high - low) + low

    least = torch.where(near, LEAST_OF_CLOSE_UP, SMALLEST_CROP)
    most = torch.where(near, 1.0, LARGEST_CROP)
    side, stretch = uniform(least, most), uniform(-0.28, 0.28).exp().sqrt()
    height, width = (side * stretch).clamp(max=LARGEST_CROP), (side / stretch).clamp(max=LARGEST_CROP)
    mirror = torch.where(uniform(0, 1) < 0.5, -1.0, 1.0)
    affine = torch.zeros(len(batch), 2, 3)
    affine[:, 0, 0], affine[:, 1, 1] = width * mirror, height
    affine[:, 0, 2], affine[:, 1, 2] = uniform(-1, 1) * (1 - width), uniform(-1, 1) * (1 - height)
    grid = functional.affine_grid(affine, [len(batch), 3, size, size], align_corners=False)
    return functional.grid_sample(batch, grid, padding_mode="reflection", align_corners=False)


def recolor(batch: Tensor, random: torch.Generator, strength: float = 0.3) -> Tensor:
    """Change brightness, contrast, saturation and color balance of each picture, take some colors away; 0..1."""

    def factor(*shape: int, strength: float = strength) -> Tensor:
        return 1 + (torch.rand(len(batch), *shape, generator=random) * 2 - 1) * strength

    batch = batch * factor(1, 1, 1) * factor(3, 1, 1, strength=0.15)
    mean = batch.mean(dim=(1, 2, 3), keepdim=True)
    batch = mean + (batch - mean) * factor(1, 1, 1)
    gray = batch.mean(dim=1, keepdim=True)
    colored = torch.rand(len(batch), 1, 1, 1, generator=random) >= GRAY
    return (gray + (batch - gray) * factor(1, 1, 1) * colored).clamp_(0, 1)


def attacked(pictures: Tensor, gradient: Tensor, epsilon: float) -> Tensor:
    """Each picture moved up the loss by one L2 step of random length up to epsilon (Engstrom et al., 2019)."""
    length = gradient.flatten(1).norm(dim=1).clamp_min(1e-12) / (torch.rand(len(pictures)) * epsilon)
    return (pictures + gradient / length.view(-1, 1, 1, 1)).clamp(0, 1)
