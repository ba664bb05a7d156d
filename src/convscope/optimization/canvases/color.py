"""Decorrelated color: numbers that are independent of each other in natural pictures, and the colors they stand for.

A step in them changes light more than hue, as pictures do; in RGB it makes garish ones. After Olah et al., *Feature
Visualization* (2017); ImageNet's matrix as lucid publishes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from torch import Tensor

from convscope.errors import InputError


@dataclass(frozen=True)
class Color:
    """A matrix whose row c says how much of each decorrelated number is in channel c.

    >>> canvases.IMAGENET.mixed(torch.zeros(1, 3, 8, 8)).shape
    torch.Size([1, 3, 8, 8])
    """

    matrix: tuple[tuple[float, ...], ...]

    def mixed(self, values: Tensor) -> Tensor:
        """Return the channels (N, C, H, W) of decorrelated values (N, C, H, W)."""
        return _across(values.new_tensor(self.matrix), values)

    def inverse(self, values: Tensor) -> Tensor:
        """Return the decorrelated values of channels."""
        return _across(values.new_tensor(self.matrix).inverse(), values)


def _across(matrix: Tensor, values: Tensor) -> Tensor:
    if values.shape[1] != len(matrix):
        raise InputError(
            f"these colors are for {len(matrix)} channels, and the picture has {values.shape[1]}: "
            "use color=None, or Color from your own pictures with `color_of`"
        )
    return (matrix @ values.flatten(2)).view_as(values)


def _normalized(root: ArrayLike) -> Color:
    """Return the color of a covariance's root: its strongest column, the light, gets length 1."""
    matrix = np.asarray(root, np.float64)
    return Color(tuple(map(tuple, (matrix / np.linalg.norm(matrix, axis=0).max()).tolist())))


IMAGENET = _normalized([[0.26, 0.09, 0.02], [0.27, 0.00, -0.05], [0.27, -0.09, 0.03]])
"""The root of ImageNet's color covariance, RGB, as lucid publishes it."""


def color_of(pictures: Sequence[ArrayLike]) -> Color:
    """Return the decorrelated colors of one's own pictures, each (height, width, channels), of any number of channels.

    >>> from skimage import data
    >>> painting = canvases.Painting(canvases.Fourier(), color=canvases.color_of([data.coffee() / 255]))
    """
    pixels = np.concatenate([np.reshape(picture, (-1, np.shape(picture)[-1])) for picture in pictures])
    covariance = np.atleast_2d(np.cov(pixels, rowvar=False))
    directions, strengths, _ = np.linalg.svd(covariance)
    if strengths[-1] <= 1e-9 * strengths[0]:
        raise InputError(
            f"the {len(covariance)} channels of these pictures hold fewer independent colors: gray pictures have "
            "none to decorrelate; give colorful ones, or color=None"
        )
    brighter = np.where(directions.sum(0) < 0, -1, 1)
    return _normalized(directions * brighter * np.sqrt(strengths))
