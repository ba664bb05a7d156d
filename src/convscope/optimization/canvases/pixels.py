"""Pixels as they are: the plainest canvas, whose pictures crowd with high frequencies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from convscope.optimization.canvases.basis import drawn
from convscope.optimization.settings import Generators, Parameters, Size


@dataclass(frozen=True)
class Pixels:
    """Noise, one number a pixel and channel: "normal" around `mean` by `deviation`, or "uniform" with the same meaning.

    `whole` rounds the noise down to whole numbers, as where it was drawn as gray levels.

    >>> noise = canvases.Pixels().start(1, 3, (8, 8), [torch.Generator()])
    >>> canvases.Pixels().values(noise, (8, 8)).shape
    torch.Size([1, 3, 8, 8])
    """

    deviation: float = 0.01
    mean: float = 0.0
    noise: Literal["normal", "uniform"] = "normal"
    whole: bool = False

    def start(self, count: int, channels: int, size: Size, generators: Generators) -> Parameters:
        """Return the noise."""
        shape = (channels, *size)
        if self.noise == "normal":
            values = drawn(torch.randn, count, shape, generators)
        else:
            values = (drawn(torch.rand, count, shape, generators) - 0.5) * 12**0.5
        values = values * self.deviation + self.mean
        return (values.floor() if self.whole else values,)

    def values(self, parameters: Parameters, size: Size) -> Tensor:
        """Return the pixels."""
        return parameters[0]

    def inverse(self, values: Tensor) -> Parameters:
        """Return the pixels."""
        return (values.clone(),)
