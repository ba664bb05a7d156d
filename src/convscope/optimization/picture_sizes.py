"""Pictures at other sizes, as one sees them from farther away."""

from __future__ import annotations

import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from convscope.optimization.octaves import Size


def resized(picture: Tensor, size: Size) -> Tensor:
    """Return a picture (N, C, H, W) in 0..1 at another size, as one sees it from farther away."""
    if tuple(picture.shape[2:]) == size:
        return picture
    return F.interpolate(picture, size, mode="bicubic", antialias=True).clamp(0, 1)


def within(picture: Tensor, longer: float) -> Size:
    """Return a picture's size where its longer side is at most so many pixels."""
    height, width = picture.shape[2:]
    share = min(1.0, longer / max(height, width))
    return max(1, round(height * share)), max(1, round(width * share))
