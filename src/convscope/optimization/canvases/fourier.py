"""Waves, the slow ones stronger: the canvas that makes feature visualizations look like pictures.

Olah, Mordvintsev and Schubert, *Feature Visualization* (2017), https://distill.pub/2017/feature-visualization; lucid's
`fft_image`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from convscope.optimization.canvases.basis import drawn, frequencies, one_by_one
from convscope.optimization.settings import Generators, Parameters, Size

_SOFTENED = 4.0  # lucid's constant: an ordinary rate then suits this canvas as it suits pixels


@dataclass(frozen=True)
class Fourier:
    """A picture's waves, each scaled by 1 / frequency ** `decay` as natural pictures have them.

    The parameters are (N, C, height, width // 2 + 1, 2): real and imaginary parts of the half spectrum. The slowest
    waves all count as one cycle over the longer side.

    >>> canvases.Painting(canvases.Fourier(decay=1.5), color=canvases.IMAGENET)
    Painting(basis=Fourier(decay=1.5, ...)...)
    """

    decay: float = 1.0
    deviation: float = 0.01

    def start(self, count: int, channels: int, size: Size, generators: Generators) -> Parameters:
        """Return waves of normal noise."""
        height, width = size
        shape = (channels, height, width // 2 + 1, 2)
        return (drawn(torch.randn, count, shape, generators) * self.deviation,)

    def values(self, parameters: Parameters, size: Size) -> Tensor:
        """Return the waves' sum at each pixel."""
        scale = torch.from_numpy(_scale(size, self.decay)).to(parameters[0])
        waves = parameters[0] * scale[..., None]
        return one_by_one(lambda one: torch.fft.irfft2(one, s=size), torch.view_as_complex(waves))

    def inverse(self, values: Tensor) -> Parameters:
        """Return the waves of these values."""
        size = (values.shape[2], values.shape[3])
        waves = torch.view_as_real(torch.fft.rfft2(values))
        return (waves / torch.from_numpy(_scale(size, self.decay)).to(values)[..., None],)


@lru_cache(maxsize=16)
def _scale(size: Size, decay: float) -> NDArray[np.float64]:
    """Return how strong each wave is, so that noise has one strength at any size."""
    keeping_length = (size[0] * size[1]) ** 0.5 / _SOFTENED
    scale: NDArray[np.float64] = keeping_length * frequencies(size).clip(1 / max(size)) ** -decay
    return scale
