"""Decorrelated colors: the published matrix, one's own, and what cannot be."""

import numpy as np
import pytest
import torch

from convscope.errors import InputError
from convscope.optimization.canvases.color import IMAGENET, color_of


def test_imagenets_matrix_is_the_published_one() -> None:
    """The normalized numbers as other tools print them."""
    expected = [
        [0.56282854, 0.19482528, 0.04329450],
        [0.58447580, 0.0, -0.10823626],
        [0.58447580, -0.19482528, 0.06494176],
    ]
    assert np.allclose(IMAGENET.matrix, expected, atol=1e-7)


def test_mixing_and_its_inverse() -> None:
    values = torch.randn(2, 3, 5, 4, dtype=torch.float64)
    mixed = IMAGENET.mixed(values)
    assert torch.allclose(mixed[1, :, 2, 3], torch.tensor(IMAGENET.matrix).double() @ values[1, :, 2, 3])
    assert torch.allclose(IMAGENET.inverse(mixed), values)


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_ones_own_colors_are_uncorrelated_in_any_number_of_channels(channels: int) -> None:
    chance = np.random.default_rng(channels)
    colors = chance.normal(size=(50, 40, channels)) @ chance.normal(size=(channels, channels))
    color = color_of([colors[:25], colors[25:]])
    values = color.inverse(torch.from_numpy(colors).movedim(2, 0)[None])[0].flatten(1).numpy()
    covariance = np.atleast_2d(np.cov(values))
    assert np.allclose(covariance, covariance[0, 0] * np.eye(channels), atol=1e-9 * covariance[0, 0])
    assert (np.sum(color.matrix, axis=0) >= 0).all()  # more of a number is brighter


def test_gray_pictures_have_no_colors_to_decorrelate() -> None:
    gray = np.repeat(np.random.default_rng(0).random((8, 8, 1)), 3, axis=2)
    with pytest.raises(InputError, match="3 channels of these pictures hold fewer independent colors"):
        color_of([gray])


def test_colors_for_another_number_of_channels_are_refused() -> None:
    with pytest.raises(InputError, match="for 3 channels, and the picture has 1"):
        IMAGENET.mixed(torch.zeros(1, 1, 2, 2))
