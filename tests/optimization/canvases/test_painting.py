"""Every canvas: what is painted is what was started from, alone or in a batch, and gradients are right."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from canvases import SIZES, double, generators, pictures
from convscope.optimization.canvases.basis import Basis
from convscope.optimization.canvases.color import IMAGENET, Color
from convscope.optimization.canvases.fourier import Fourier
from convscope.optimization.canvases.magnitude_constrained import MagnitudeConstrained
from convscope.optimization.canvases.painting import Painting
from convscope.optimization.canvases.pixels import Pixels
from convscope.optimization.canvases.pyramid import Pyramid
from convscope.optimization.canvases.ranges import Linear
from convscope.optimization.canvases.spectrum import spectrum_of

BASES = [
    Pixels(),
    Fourier(),
    Fourier(decay=2.0),
    Pyramid(),
    Pyramid(levels=2),
    MagnitudeConstrained(),
    MagnitudeConstrained(standardized=True),
]
EXACT = [basis for basis in BASES if not isinstance(basis, MagnitudeConstrained)]


@pytest.mark.parametrize("basis", EXACT, ids=repr)
@pytest.mark.parametrize("color", [None, IMAGENET])
@settings(max_examples=12, deadline=None)
@given(st.tuples(st.integers(8, 40), st.integers(8, 40)), st.integers(0, 99), st.booleans())
def test_it_starts_from_any_picture(
    basis: Basis, color: Color | None, size: tuple[int, int], seed: int, alpha: bool
) -> None:
    painting = Painting(basis, color, alpha=alpha, shared=(2, 5))
    wanted = pictures(2, 3 + alpha, size, seed)
    assert (painting.paint(painting.inverse(wanted), size) - wanted).abs().max() < 1e-10


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("color", [None, IMAGENET])
def test_magnitudes_of_a_picture_paint_that_picture(size: tuple[int, int], color: Color | None) -> None:
    wanted = pictures(1, 3, size)
    spectrum = spectrum_of(wanted.movedim(1, 3).numpy(), color=color)
    painting = Painting(MagnitudeConstrained(spectrum), color)
    assert (painting.paint(painting.inverse(wanted), size) - wanted).abs().max() < 1e-10


@pytest.mark.parametrize("basis", EXACT, ids=repr)
def test_bytes_come_back_black_and_white_too(basis: Basis) -> None:
    values = torch.arange(256).view(1, 1, 16, 16) / 255
    painting = Painting(basis)
    painted = painting.paint(painting.inverse(values), (16, 16))
    assert ((painted * 255).round() == values * 255).all()


@pytest.mark.parametrize("basis", BASES, ids=repr)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("channels", [1, 3, 5])
def test_a_picture_alone_is_the_picture_in_a_batch(
    basis: Basis, size: tuple[int, int], channels: int
) -> None:
    painting = Painting(basis, IMAGENET if channels == 3 else None)
    together = painting.start(3, channels, size, generators(7, 8, 9))
    alone = painting.start(1, channels, size, generators(8))
    assert all((a[1:2] == b).all() for a, b in zip(together, alone, strict=True))
    painted = painting.paint(together, size)
    assert painted.shape == (3, channels, *size)
    assert (painted[1:2] == painting.paint(alone, size)).all()
    assert painted.min() > 0 and painted.max() < 1 and not (painted[0] == painted[1]).all()


@pytest.mark.parametrize("basis", BASES, ids=repr)
@pytest.mark.parametrize("size", [(6, 5), (8, 8)])
def test_gradients_are_those_of_finite_differences(basis: Basis, size: tuple[int, int]) -> None:
    painting = Painting(basis, IMAGENET, alpha=True, shared=(3,))
    start = double(painting.start(2, 3, size, generators(0, 1)))
    parameters = tuple(parameter.requires_grad_() for parameter in start)
    assert torch.autograd.gradcheck(lambda *values: painting.paint(values, size), parameters, fast_mode=True)


def test_shared_parts_are_the_same_in_every_picture_and_stay_so() -> None:
    painting = Painting(Pixels(deviation=0), shared=(4,))
    own, part = (
        parameter.requires_grad_() for parameter in painting.start(3, 1, (8, 8), generators(0, 1, 2))
    )
    weights = torch.randn(3, 1, 8, 8, generator=generators(3)[0])
    (gradient,) = torch.autograd.grad((painting.paint((own, part), (8, 8)) * weights).sum(), part)
    assert gradient.abs().min() > 0 and (gradient == gradient[0]).all()
    painted = painting.paint((own, part + gradient), (8, 8)).detach()
    assert (painted == painted[0]).all() and painted.std() > 0


def test_opacity_is_no_color() -> None:
    painting = Painting(Pixels(), IMAGENET, alpha=True)
    parameters = torch.zeros(1, 4, 4, 4)
    parameters[:, 3] = 2.0
    painted = painting.paint((parameters,), (4, 4))
    assert torch.allclose(painted[:, :3], torch.full((1, 3, 4, 4), 0.5))
    assert torch.allclose(painted[:, 3], torch.tensor(2.0).sigmoid())


def test_gray_levels_are_not_confined() -> None:
    painting = Painting(Pixels(deviation=500), range=Linear((0.4, 0.5, 0.6)))
    (parameters,) = painting.start(1, 3, (4, 4), generators(0))
    expected = parameters.numpy() / 255 + np.array([0.4, 0.5, 0.6]).reshape(3, 1, 1)
    painted = painting.paint((parameters,), (4, 4)).numpy()
    assert np.allclose(painted, expected, atol=1e-6) and painted.max() > 1
