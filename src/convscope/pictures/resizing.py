"""Pictures at another size: every way that convscope resizes one, in one place.

Photographs are smoothed before they shrink ("antialiased"). The others are what a source did, to follow it number by
number.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal, TypeAlias

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

Size: TypeAlias = tuple[int, int]
Resize: TypeAlias = Literal["antialiased", "bicubic", "half_pixel", "corners", "legacy", "spline"]
"""How pixels are interpolated:

- "antialiased": bilinear, as Pillow and torchvision; "bicubic" the same, sharper;
- "half_pixel": bilinear, nothing smoothed, as OpenCV and scikit-image of Caffe's day; "corners" from corner to corner;
- "legacy": bilinear as TensorFlow 1: output i looks at i times the ratio of sizes;
- "spline": to a larger size by cubic splines, as scikit-image with order 3.
"""


def resized(picture: Tensor, size: Size, how: Resize = "antialiased") -> Tensor:
    """Return a picture (N, C, H, W) at another (height, width); the picture itself where it has that size.

    "bicubic" keeps to 0..1; other ways never leave the picture's own range, or follow a source that does.

    >>> resized(torch.rand(1, 3, 400, 600), (200, 300), "bicubic").shape
    torch.Size([1, 3, 200, 300])
    """
    if tuple(picture.shape[2:]) == tuple(size):
        return picture
    if how == "legacy":
        return _legacy(_legacy(picture, size[0], 2), size[1], 3)
    if how == "spline":
        down, across = (
            _spline(*lengths).to(picture) for lengths in zip(picture.shape[2:], size, strict=True)
        )
        return down @ picture @ across.mT
    smooth = how in ("antialiased", "bicubic")
    mode = "bicubic" if how == "bicubic" else "bilinear"
    interpolated = F.interpolate(picture, size, mode=mode, antialias=smooth, align_corners=how == "corners")
    return interpolated.clamp(0, 1) if how == "bicubic" else interpolated


def _legacy(picture: Tensor, size: int, axis: int) -> Tensor:
    length = picture.shape[axis]
    place = torch.arange(size, dtype=torch.float64, device=picture.device) * (length / size)
    low = place.long().clamp_max(length - 1)
    share = (place - low).to(picture.dtype).view(-1, *(1 for _ in picture.shape[axis + 1 :]))
    high = (low + 1).clamp_max(length - 1)
    return picture.index_select(axis, low) * (1 - share) + picture.index_select(axis, high) * share


@lru_cache(8)
def _spline(length: int, size: int) -> Tensor:
    """Return the matrix that enlarges a line: what becomes of each single pixel."""
    from scipy.ndimage import zoom  # type: ignore[import-untyped]

    matrix = zoom(np.eye(length), (size / length, 1), order=3, mode="mirror", grid_mode=True)
    return torch.from_numpy(matrix)
