"""The Fourier canvas against numpy's sum of waves, and its 1/f law."""

import numpy as np
import pytest
import torch

from canvases import SIZES, generators
from convscope.optimization.canvases.fourier import Fourier


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("decay", [1.0, 0.5])
def test_it_is_numpys_sum_of_scaled_waves(size: tuple[int, int], decay: float) -> None:
    height, width = size
    canvas = Fourier(decay)
    (parameters,) = canvas.start(2, 3, size, generators(0, 1))
    waves = parameters.double().numpy() @ np.array([1, 1j])
    rows, columns = np.fft.fftfreq(height)[:, None], np.arange(width // 2 + 1)[None] / width
    speed = np.maximum(np.sqrt(rows**2 + columns**2), 1 / max(size))
    expected = np.fft.irfft2(waves * np.sqrt(height * width) / speed**decay, s=size) / 4
    assert np.abs(canvas.values((parameters,), size).numpy() - expected).max() < 1e-5


@pytest.mark.parametrize("decay", [0.0, 1.0, 2.0])
def test_slow_waves_are_stronger_by_the_law(decay: float) -> None:
    size = (128, 128)
    canvas = Fourier(decay)
    values = canvas.values(canvas.start(4, 3, size, generators(0, 1, 2, 3)), size)
    power = torch.fft.rfft2(values)[..., 1:-1].abs().square().mean((0, 1)).numpy()
    speed = np.hypot(np.fft.fftfreq(128)[:, None], np.arange(1, 64)[None] / 128)
    slope = np.polyfit(np.log(speed.ravel()), np.log(power.ravel()), 1)[0]
    assert abs(slope + 2 * decay) < 0.05


def test_noise_of_one_deviation_makes_values_of_one_deviation_at_any_size() -> None:
    """The scale makes the transform keep lengths, so that a rate suits all sizes: lucid's square root of pixels."""
    deviations = [
        float(Fourier(0.0).values(Fourier(0.0).start(1, 3, size, generators(0)), size).std())
        for size in ((32, 32), (128, 96))
    ]
    assert abs(deviations[0] / deviations[1] - 1) < 0.05
