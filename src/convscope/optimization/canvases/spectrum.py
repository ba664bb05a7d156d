"""How strong each wave of a natural picture is: by a law, or measured on one's own pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from convscope.errors import InputError
from convscope.optimization.canvases.basis import frequencies
from convscope.optimization.canvases.color import IMAGENET, Color
from convscope.optimization.canvases.ranges import Range, Sigmoid
from convscope.optimization.settings import Size

_Array = NDArray[np.floating[Any]]


class Spectrum(Protocol):
    """The magnitudes of the half spectrum of a canvas's values."""

    def __hash__(self) -> int:
        """Return the same number for equal spectra: what they give is kept between steps."""

    def magnitudes(self, channels: int, size: Size) -> _Array:
        """Return the magnitudes (channels, height, width // 2 + 1) at any size."""


@dataclass(frozen=True)
class PowerLaw:
    """Magnitudes of 1 / frequency ** `exponent`, without a mean, for values of the given standard `deviation`.

    Photographs have about 1.1: 400 of Open Images, at 224 px, gave 1.21 for light and 1.13 and 1.02 for the colors
    (slope of the logarithms, in `Sigmoid`'s values of ImageNet's decorrelated colors).

    >>> canvases.PowerLaw().magnitudes(3, (128, 128)).shape
    (3, 128, 65)
    """

    exponent: float = 1.1
    deviation: float = 1.0

    def magnitudes(self, channels: int, size: Size) -> _Array:
        """Return the law's magnitudes, the same for every channel."""
        speed = frequencies(size)
        magnitudes: _Array = np.where(speed > 0, speed.clip(1 / max(size)) ** -self.exponent, 0)
        magnitudes = magnitudes * (self.deviation / max(deviation_of(magnitudes, size), 1e-12))
        return np.stack([magnitudes] * channels)


@dataclass(frozen=True)
class Measured:
    """The mean magnitudes of some pictures; `spectrum_of` makes it. At other sizes, of the same standard deviation.

    >>> canvases.spectrum_of([numpy.random.default_rng(0).random((64, 64, 3))]).size
    (64, 64)
    """

    sha256: str
    size: Size
    half: _Array = field(repr=False, compare=False)

    def magnitudes(self, channels: int, size: Size) -> _Array:
        """Return the magnitudes, interpolated between waves as fast where the size is another."""
        if channels != len(self.half):
            raise InputError(
                f"this spectrum was measured on {len(self.half)} channels; the canvas has {channels}"
            )
        if size == self.size:
            return self.half
        return np.stack([self._resized(one, size) for one in self.half])

    def _resized(self, one: _Array, size: Size) -> _Array:
        waves: _Array = one.copy()
        waves[0, 0] = waves[0, 1]  # the mean is no wave, and must not leak into the slow ones
        rows, columns = np.fft.fftfreq(self.size[0]), np.fft.rfftfreq(self.size[1])
        order = np.argsort(rows)
        waves = _interpolated(waves[order], rows[order], np.fft.fftfreq(size[0]))
        waves = _interpolated(waves.T, columns, np.fft.rfftfreq(size[1])).T
        waves[0, 0] = 0
        own = one.copy()
        own[0, 0] = 0
        waves = waves * (deviation_of(own, self.size) / max(deviation_of(waves, size), 1e-12))
        waves[0, 0] = one[0, 0] * np.prod(size) / np.prod(self.size)
        return waves


def _interpolated(waves: _Array, old: _Array, new: _Array) -> _Array:
    """Return each column of waves at other frequencies."""
    columns: _Array = np.stack([np.interp(new, old, column) for column in waves.T], axis=1)
    return columns


_SIGMOID = Sigmoid()


def spectrum_of(
    pictures: Sequence[ArrayLike], *, color: Color | None = IMAGENET, range: Range = _SIGMOID
) -> Measured:
    """Return the magnitudes of one's own pictures, (height, width, channels) in 0..1, all of one size.

    `color` and `range` have to be those of the painting that will use it.

    >>> from skimage import data
    >>> spectrum = canvases.spectrum_of([data.astronaut() / 255, data.astronaut()[::-1] / 255])
    >>> painting = canvases.Painting(canvases.MagnitudeConstrained(spectrum), color=canvases.IMAGENET)
    """
    shapes = {np.shape(picture) for picture in pictures}
    if len(shapes) != 1:
        raise InputError(f"the pictures of a spectrum have one size; found {sorted(shapes) or 'no pictures'}")
    values = range.inverse(
        torch.from_numpy(np.stack([np.asarray(p, np.float64) for p in pictures])).movedim(3, 1)
    )
    waves = torch.fft.rfft2(values if color is None else color.inverse(values))
    half = waves.abs().mean(0).numpy()
    half[:, 0, 0] = np.abs(waves[:, :, 0, 0].real.mean(0).numpy())
    digest = sha256(half.astype(np.float32).tobytes()).hexdigest()
    return Measured(digest, (values.shape[2], values.shape[3]), half)


def deviation_of(half: _Array, size: Size) -> float:
    """Return the standard deviation of what a half spectrum's waves add up to (Parseval); the first is no mean."""
    height, width = size
    once = half[:, 0].tolist() + ([] if width % 2 else half[:, -1].tolist())
    squares = 2 * np.square(half).sum() - np.square(once).sum()
    return float(np.sqrt(squares)) / (height * width)
