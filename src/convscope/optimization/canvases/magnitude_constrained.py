"""Magnitude-constrained: how strong each wave is stays as in natural pictures; only where its crests lie is learned.

Fel et al., *Unlocking Feature Visualization for Deeper Networks with MAgnitude Constrained Optimization* (MACO, 2023),
https://arxiv.org/abs/2306.06805. No wave can become strong to please the network, so deep units give pictures with
natural detail.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from convscope.optimization.canvases.basis import drawn, one_by_one
from convscope.optimization.canvases.spectrum import PowerLaw, Spectrum
from convscope.optimization.settings import Generators, Parameters, Size


@dataclass(frozen=True)
class MagnitudeConstrained:
    """The phases (N, C, height, width // 2 + 1) of waves whose strengths `spectrum` fixes.

    They start as normal noise of the given deviation. With `standardized`, each picture's phases are brought to mean 0
    and deviation 1 before they are used, as the authors' code does; such a canvas cannot start from a given picture.

    >>> canvases.Painting(canvases.MagnitudeConstrained(canvases.PowerLaw(1.2)), color=canvases.IMAGENET)
    Painting(basis=MagnitudeConstrained(spectrum=PowerLaw(exponent=1.2, ...)...)...)
    """

    spectrum: Spectrum = field(default_factory=PowerLaw)
    deviation: float = 1.0
    standardized: bool = False

    def start(self, count: int, channels: int, size: Size, generators: Generators) -> Parameters:
        """Return the phases to start from."""
        height, width = size
        shape = (channels, height, width // 2 + 1)
        return (drawn(torch.randn, count, shape, generators) * self.deviation,)

    def values(self, parameters: Parameters, size: Size) -> Tensor:
        """Return the sum of the waves at each pixel."""
        phases = parameters[0]
        magnitudes = torch.from_numpy(_magnitudes(self.spectrum, phases.shape[1], size)).to(phases)[None]
        return one_by_one(lambda one: self._waves(one, magnitudes, size), phases)

    def _waves(self, phases: Tensor, magnitudes: Tensor, size: Size) -> Tensor:
        if self.standardized:
            phases = (phases - phases.mean()) / (phases.std(correction=0) + 1e-5)
        phases = _of_a_real_picture(phases, size[1])
        waves: Tensor = torch.fft.irfft2(torch.polar(magnitudes, phases), s=size)
        return waves

    def inverse(self, values: Tensor) -> Parameters:
        """Return the phases of these values; their own magnitudes are lost."""
        return (torch.fft.rfft2(values).angle(),)


@lru_cache(maxsize=16)
def _magnitudes(spectrum: Spectrum, channels: int, size: Size) -> NDArray[np.floating[Any]]:
    return spectrum.magnitudes(channels, size)


def _of_a_real_picture(phases: Tensor, width: int) -> Tensor:
    """Return phases which waves of real numbers can have.

    In the first column of a half spectrum, and in the last of an even width, a wave appears twice, at rows y and -y
    with opposite phases: the upper one counts. The wave that is its own opposite can only be up or down. An inverse
    transform without this would average the two, which changes their magnitudes.
    """
    last = [] if width % 2 else [phases[..., -1:]]
    middle = phases[..., 1 : phases.shape[3] - len(last)]
    first, *last = (_opposed(column) for column in (phases[..., :1], *last))
    return torch.cat([first, middle, *last], dim=3)


def _opposed(column: Tensor) -> Tensor:
    """Return phases (N, C, height, 1) which are opposite at rows y and -y, and 0 or pi where the two are one."""
    rows = torch.arange(column.shape[2], device=column.device)[:, None]
    opposite = -rows % len(rows)
    up_or_down = (column.detach() / math.pi).round() * math.pi
    upper = torch.where(rows < opposite, column, up_or_down)
    return torch.where(rows > opposite, -upper[:, :, opposite[:, 0]], upper)
