"""A person's picture as what a dream starts from, a tensor of the size asked for, its opacity beside it; and back."""

from __future__ import annotations

from operator import index
from typing import SupportsIndex

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from convscope.errors import InputError, warn
from convscope.pictures.decoding import SHORTENED
from convscope.pictures.photograph import PictureLike, open_photograph
from convscope.pictures.picture import Picture
from convscope.pictures.resizing import resized
from convscope.pictures.rgb import Encoding, from_srgb


def picture_tensor(picture: PictureLike, size: int | None, largest: int) -> Tensor:
    """Return a picture as (1, 3, H, W) in 0..1, its longer side `size`, or at most `largest`."""
    require_size(size)
    photograph = open_photograph(picture)
    if SHORTENED in photograph.notes:
        warn(f"{photograph.name} is {SHORTENED}: save it as an RGB or RGBA picture, and all 16 are kept")
    pixels = np.ascontiguousarray(photograph.pixels)
    tensor = torch.from_numpy(pixels).movedim(-1, 0)[None].float()
    return at_most(tensor, largest) if size is None else _with_longer_side(tensor, size)


def require_size(size: int | None) -> None:
    """InputError for a size that no picture has."""
    if size is not None and not (isinstance(size, SupportsIndex) and index(size) > 0):
        raise InputError(f"a size is the longer side in pixels, a whole number from 1 on, not {size!r}")


def at_most(picture: Tensor, largest: int) -> Tensor:
    """Return a picture (1, C, H, W) in 0..1, made smaller where its longer side is larger than that."""
    return _with_longer_side(picture, min(largest, max(picture.shape[2:])))


def _with_longer_side(picture: Tensor, longer: int) -> Tensor:
    return resized(picture, scaled_size((int(picture.shape[2]), int(picture.shape[3])), longer))


def scaled_size(size: tuple[int, int], longer: float) -> tuple[int, int]:
    """Return a (height, width) of the same shape with this longer side.

    >>> scaled_size((400, 600), 300)
    (200, 300)
    """
    height, width = (max(1, round(side * longer / max(size))) for side in size)
    return height, width


def within(picture: Tensor, longer: float) -> tuple[int, int]:
    """Return a picture's (height, width) where its longer side is at most so many pixels."""
    height, width = picture.shape[2:]
    return scaled_size((int(height), int(width)), min(longer, max(height, width)))


def opacity_of(picture: PictureLike, like: Tensor) -> Tensor | None:
    """Return how opaque a picture is, (1, 1, H, W) at the size of another; None where it is throughout."""
    alpha = open_photograph(picture).opacity
    if alpha is None:
        return None
    opacity = torch.from_numpy(np.ascontiguousarray(alpha))[None, None]
    return resized(opacity, (int(like.shape[-2]), int(like.shape[-1])))


def picture_like(pixels: NDArray[np.float32], stored: Encoding, caption: str) -> Picture:
    """Return sRGB pixels (H, W, 3 or 4) in 0..1 as a picture stored as another was: its bits, its color profile."""
    values = np.concatenate([from_srgb(pixels[:, :, :3], stored.profile), pixels[:, :, 3:]], axis=2)
    if stored.bits == 16:
        return Picture(np.round(values.clip(0, 1) * 65535).astype(np.uint16), caption, profile=stored.profile)
    return Picture(values, caption, profile=stored.profile)
