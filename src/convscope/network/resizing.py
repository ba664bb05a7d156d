"""Resizing and cropping as the networks' own preprocessing did it, on arrays (height, width, channels).

Two bilinear resizes exist in the field and give visibly different answers when a photograph shrinks: with
antialiasing (Pillow, torchvision) and without (OpenCV, and scikit-image of Caffe's day).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from convscope.errors import InputError
from convscope.pictures.decoding import MAXIMUM_PIXELS
from convscope.pictures.resizing import resized

Size = tuple[int, int]


def resize(picture: NDArray[Any], size: Size, *, antialias: bool = True) -> NDArray[Any]:
    """Return the picture squashed or stretched to ``size`` (height, width), by bilinear interpolation.

    ``antialias=False`` is what Caffe did (``caffe.io.resize_image``); ``True`` what Pillow and torchvision
    do. Any number of channels; float64 stays float64, everything else becomes float32.
    """
    if min(size) < 1:
        raise InputError(f"cannot resize to {size[0]} x {size[1]} pixels; both must be at least 1")
    if size[0] * size[1] > MAXIMUM_PIXELS:
        raise InputError(
            f"cannot resize to {size[0]:,} x {size[1]:,} pixels; {MAXIMUM_PIXELS:,} are the most"
        )
    values = picture if picture.dtype == np.float64 else picture.astype(np.float32, copy=False)
    if values.shape[:2] == tuple(size):
        return np.array(values)
    planes = torch.from_numpy(np.require(values, None, ["C", "W"])).permute(2, 0, 1)[None]
    planes_at_size = resized(planes, size, "antialiased" if antialias else "half_pixel")
    array: NDArray[Any] = planes_at_size[0].permute(1, 2, 0).contiguous().numpy()
    return array


def resize_shorter_side(picture: NDArray[Any], side: int, *, antialias: bool = True) -> NDArray[Any]:
    """Return the picture with its shorter side ``side`` pixels long and its proportions kept (as torchvision's)."""
    height, width = picture.shape[:2]
    shorter = min(height, width)
    return resize(picture, (side * height // shorter, side * width // shorter), antialias=antialias)


def center_crop(picture: NDArray[Any], size: Size) -> NDArray[Any]:
    """Return the middle ``size`` (height, width) of the picture; an odd margin is one pixel smaller at top and left."""
    top, left = _margins(picture, size)
    return picture[top // 2 : top // 2 + size[0], left // 2 : left // 2 + size[1]]


def ten_crops(picture: NDArray[Any], size: Size) -> NDArray[Any]:
    """Return the corners, the center, and the same five mirrored: (10, height, width, channels).

    Top left, top right, bottom left, bottom right, center: index 4 is the center crop, 9 its mirror image
    (Krizhevsky et al. 2012; the order of ``caffe.io.oversample``).
    """
    bottom, right = _margins(picture, size)
    corners = [picture[y : y + size[0], x : x + size[1]] for y in (0, bottom) for x in (0, right)]
    five = np.stack([*corners, center_crop(picture, size)])
    return np.concatenate([five, five[:, :, ::-1]])


def _margins(picture: NDArray[Any], size: Size) -> Size:
    height, width = picture.shape[0] - size[0], picture.shape[1] - size[1]
    if height < 0 or width < 0:
        raise InputError(
            f"cannot crop {size[0]} x {size[1]} from a picture of {picture.shape[0]} x {picture.shape[1]}"
        )
    return height, width
