"""A Laplacian pyramid: a small picture, and ever finer detail on top of it.

Burt and Adelson (1983); Denton et al. (2015) and lucid for its use as a canvas.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from convscope.optimization.canvases.basis import drawn
from convscope.optimization.laplacian import merge, split
from convscope.optimization.settings import Generators, Parameters, Size


@dataclass(frozen=True)
class Pyramid:
    """`levels` pictures of detail, each half as large as the one before, and the small picture that remains.

    >>> canvases.Painting(canvases.Pyramid(levels=3))
    Painting(basis=Pyramid(levels=3, ...)...)
    """

    levels: int = 4
    deviation: float = 0.01

    def start(self, count: int, channels: int, size: Size, generators: Generators) -> Parameters:
        """Return noise of every size, largest first."""
        height, width = size
        shapes = [(channels, -(-height >> level), -(-width >> level)) for level in range(self.levels + 1)]
        return tuple(drawn(torch.randn, count, shape, generators) * self.deviation for shape in shapes)

    def values(self, parameters: Parameters, size: Size) -> Tensor:
        """Return the levels, put together."""
        return merge(parameters)

    def inverse(self, values: Tensor) -> Parameters:
        """Return the values, taken apart."""
        return tuple(split(values, self.levels))
