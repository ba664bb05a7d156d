"""The bases a picture can be written in: what they share."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from convscope.optimization.settings import Generators, Parameters, Size


class Basis(Protocol):
    """How numbers become values (N, C, H, W) of any sign and size, before color and range make a picture of them."""

    def start(self, count: int, channels: int, size: Size, generators: Generators) -> Parameters:
        """Return the numbers to start from, one generator a picture."""

    def values(self, parameters: Parameters, size: Size) -> Tensor:
        """Return the values (N, C, *size)."""

    def inverse(self, values: Tensor) -> Parameters:
        """Return the numbers that give these values, or come closest."""


def drawn(draw: Callable[..., Tensor], count: int, shape: tuple[int, ...], generators: Generators) -> Tensor:
    """Return (count, *shape) random numbers, each picture's from its own generator."""
    return torch.stack([draw(shape, generator=generators[index]) for index in range(count)])


def one_by_one(change: Callable[[Tensor], Tensor], values: Tensor) -> Tensor:
    """Return what `change` makes of each picture, computed alone.

    Fast Fourier transforms and vectorized exponentials round differently in larger batches; a picture must not.
    """
    return torch.cat([change(one) for one in torch.split(values, 1)])


@lru_cache(maxsize=16)
def frequencies(size: Size) -> NDArray[np.float64]:
    """Return how fast each wave of a real picture's half spectrum is, (height, width // 2 + 1), in cycles a pixel."""
    height, width = size
    lengths: NDArray[np.float64] = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    return lengths
