"""What speech recognizers make of a sound before their first layer: its spectrum over time, and its mel cepstrum.

The arithmetic is TensorFlow's, of its ``AudioSpectrogram`` and ``Mfcc``: a periodic Hann window, then triangles on the
mel scale (1127 log(1 + f / 700)), which take in amplitudes, their logarithm, and a cosine transform.
"""

from __future__ import annotations

from math import log1p, pi, sqrt

import torch
from torch import Tensor

from convscope.errors import InputError
from convscope.network.operations.checks import dimensions
from convscope.network.operations.registry import operation

_LEAST = 1e-12  # what is said of a silent band


@operation(sees="map")
def sound_spectrogram(input: Tensor, *, window: int, stride: int, squared: bool = False) -> Tensor:
    """Return (channels, times, frequencies) of (samples, channels): how strong each frequency is around each time.

    From 0 to half the sampling rate; the window is filled up with zeros to the next power of two.
    """
    if input.dim() != 2:
        raise InputError(f"{dimensions(input.shape)} is no sound of samples and channels")
    length = 1 << max(window - 1, 0).bit_length()
    if len(input) < window:
        return input.new_zeros(input.shape[1], 0, length // 2 + 1)
    fade = torch.hann_window(window, dtype=torch.float64, device=input.device)
    pieces = input.T.to(torch.float64).unfold(-1, window, stride) * fade
    waves = torch.fft.rfft(pieces, length)
    power = waves.real.square() + waves.imag.square()
    return (power if squared else _root(power)).to(input.dtype)


@operation(sees="map")
def mel_cepstrum(
    input: Tensor, *, rate: float, lowest: float, highest: float, bands: int, coefficients: int
) -> Tensor:
    """Return so many coefficients of each spectrum of squared amplitudes, along the last axis, of such a rate."""
    weights, cosines = mel_triangles(input.shape[-1], rate, lowest, highest, bands), _cosines(bands)
    strengths = _root(input.to(torch.float64)) @ weights.to(input.device)
    heard = strengths.clamp(min=_LEAST).log() @ cosines[:, :coefficients].to(input.device)
    return heard.to(input.dtype)


def mel_triangles(count: int, rate: float, lowest: float, highest: float, bands: int) -> Tensor:
    """Return how much of each of `count` frequencies goes into each band, (frequencies, bands)."""
    first, last = _mel(lowest), _mel(highest)
    centers = [first + (last - first) * (band + 1) / (bands + 1) for band in range(bands + 1)]
    apart = 0.5 * rate / (count - 1)
    begin, end = int(1.5 + lowest / apart), int(highest / apart)
    weights, band = torch.zeros(count, bands + 2, dtype=torch.float64), 0
    for place in range(begin, end + 1):
        mel = _mel(place * apart)
        while band < bands and centers[band] < mel:
            band += 1
        low = centers[band - 1] if band else first
        falling = (centers[band] - mel) / (centers[band] - low)
        weights[place, band], weights[place, band + 1] = falling, 1 - falling
    return weights[:, 1:-1]


def _cosines(bands: int) -> Tensor:
    numbers = torch.arange(bands, dtype=torch.float64)
    return sqrt(2 / bands) * torch.cos(numbers * pi / bands * (numbers[:, None] + 0.5))


def _mel(frequency: float) -> float:
    return 1127.0 * log1p(frequency / 700.0)


def _root(power: Tensor) -> Tensor:
    """Return square roots whose slope at 0, of silence, is 0 and not beyond all numbers."""
    heard = power > 0
    return torch.where(heard, torch.where(heard, power, 1.0).sqrt(), 0.0)
