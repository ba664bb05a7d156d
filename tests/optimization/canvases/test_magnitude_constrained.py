"""Magnitudes stay what they are, whatever the phases become."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from canvases import generators, pictures
from convscope.errors import InputError
from convscope.optimization.canvases.magnitude_constrained import MagnitudeConstrained
from convscope.optimization.canvases.spectrum import PowerLaw, spectrum_of
from convscope.optimization.optimizers import Adam, GradientAscent


@settings(max_examples=30, deadline=None)
@given(
    st.tuples(st.integers(2, 40), st.integers(2, 40)),
    st.integers(0, 99),
    st.sampled_from([Adam(), GradientAscent("rms")]),
    st.booleans(),
    st.floats(0.1, 100),
)
def test_no_step_changes_a_magnitude(
    size: tuple[int, int], seed: int, optimizer: Adam | GradientAscent, standardized: bool, rate: float
) -> None:
    canvas = MagnitudeConstrained(standardized=standardized)
    (phases,) = canvas.start(1, 3, size, generators(seed))
    weights = torch.randn(1, 3, *size, generator=generators(seed + 1)[0])
    state = optimizer.start((phases,))
    expected = torch.from_numpy(PowerLaw().magnitudes(3, size))[None].float()
    for _ in range(3):
        phases.requires_grad_()
        (gradient,) = torch.autograd.grad((canvas.values((phases,), size) * weights).sum(), phases)
        phases = phases.detach()
        optimizer.ascend((phases,), (gradient,), state, rate=rate)
        found = torch.fft.rfft2(canvas.values((phases,), size)).abs()
        assert (found - expected).abs().max() < 1e-5 * expected.max()


def test_its_values_are_the_authors_where_both_have_real_waves() -> None:
    """MACO's own code: cos and sin of standardized phases times magnitudes, then the inverse transform."""
    size = (9, 9)
    canvas = MagnitudeConstrained(standardized=True)
    (phases,) = canvas.start(1, 3, size, generators(0))
    phases[..., 0] = (
        0  # the column where a wave and its opposite meet, which the authors leave to the transform
    )
    standard = phases.double().numpy()
    standard = (standard - standard.mean()) / (standard.std() + 1e-5)
    waves = np.exp(1j * standard) * PowerLaw().magnitudes(3, size)
    flat = np.fft.rfft2(np.fft.irfft2(waves, s=size))[..., 1:]
    found = np.fft.rfft2(canvas.values((phases,), size).double().numpy())[..., 1:]
    assert np.abs(found - flat).max() < 1e-5


def test_a_law_gives_values_of_its_deviation_without_a_mean() -> None:
    for size in ((40, 31), (128, 128)):
        canvas = MagnitudeConstrained(PowerLaw(deviation=1.5))
        values = canvas.values(canvas.start(1, 3, size, generators(0)), size)
        assert values.flatten(2).std(2, correction=0).numpy() == pytest.approx(1.5, rel=1e-5)
        assert values.mean((2, 3)).abs().max() < 1e-5


@pytest.mark.parametrize("size", [(48, 40), (17, 23)])
def test_a_measured_spectrum_of_another_size_has_the_same_deviation_and_law(size: tuple[int, int]) -> None:
    own = (64, 64)
    law = MagnitudeConstrained(PowerLaw(1.5), deviation=9.0)  # phases of every kind: no bright corner
    values = law.values(law.start(6, 3, own, generators(*range(6))), own).sigmoid()
    spectrum = spectrum_of(list(values.movedim(1, 3).numpy()), color=None)
    canvas = MagnitudeConstrained(spectrum)
    made = canvas.values(canvas.start(1, 3, size, generators(1)), size)
    assert (made.std((2, 3)) - 1).abs().max() < 0.1
    rows, columns = np.fft.fftfreq(size[0])[:, None], np.fft.rfftfreq(size[1])[None]
    speed = np.hypot(rows, columns)
    chosen = (speed > 0.06) & (speed < 0.5)
    slope = np.polyfit(np.log(speed[chosen]), np.log(spectrum.magnitudes(3, size).mean(0)[chosen]), 1)[0]
    assert abs(slope + 1.5) < 0.15


def test_spectra_with_equal_numbers_are_equal() -> None:
    some = list(pictures(2, 3, (8, 8)).movedim(1, 3).numpy())
    assert spectrum_of(some) == spectrum_of(some)
    assert spectrum_of(some) != spectrum_of(some[:1])
    assert spectrum_of(some).sha256 in repr(spectrum_of(some))


def test_what_cannot_be_measured_or_used_is_said() -> None:
    with pytest.raises(InputError, match="have one size; found no pictures"):
        spectrum_of([])
    with pytest.raises(InputError, match="was measured on 3 channels; the canvas has 1"):
        spectrum_of([np.full((4, 4, 3), 0.5)]).magnitudes(1, (4, 4))
