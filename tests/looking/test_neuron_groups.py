"""Channels that answer together, against planted groups and SciPy's non-negative least squares."""

import numpy as np
import pytest
from scipy.optimize import nnls

from convscope.errors import InputError
from convscope.looking.neuron_groups import neuron_groups


def planted(random: np.random.Generator, groups: int) -> tuple[np.ndarray, np.ndarray]:
    """Return maps and shares of channels, most of both zero, the strongest group first."""
    maps = random.random((groups, 11, 7)) * (random.random((groups, 11, 7)) < 0.3)
    channels = random.random((groups, 23)) * (random.random((groups, 23)) < 0.4)
    channels /= np.linalg.norm(channels, axis=1, keepdims=True)
    return maps * np.arange(groups, 0, -1)[:, None, None], channels


def test_planted_groups_are_found() -> None:
    maps, channels = planted(np.random.default_rng(3), 3)
    found = neuron_groups(np.einsum("ghw,gc->chw", maps, channels), 3)
    assert found.explained > 0.999
    np.testing.assert_allclose(found.channels, channels, atol=0.03)
    np.testing.assert_allclose(found.maps, maps, atol=0.03 * maps.max())


def test_each_place_is_explained_as_well_as_its_groups_can() -> None:
    values = np.random.default_rng(5).random((9, 5, 6)) ** 3
    found = neuron_groups(values, 4)
    best = [nnls(found.channels.T, place)[0] for place in values.reshape(9, -1).T]
    np.testing.assert_allclose(found.maps.reshape(4, -1).T, best, atol=0.02)
    rest = values - np.einsum("ghw,gc->chw", found.maps, found.channels)
    assert found.explained == pytest.approx(1 - (rest**2).sum() / (values**2).sum())


def test_answers_without_anything_to_group() -> None:
    assert len(neuron_groups(np.full((5, 4, 4), -1.0), 3).maps) == 0
    one = np.zeros((5, 4, 4))
    one[2, 1, 3] = 7.0
    found = neuron_groups(one, 3)
    assert found.maps.shape == (1, 4, 4) and found.maps[0, 1, 3] == pytest.approx(7.0)
    for values, count in ((np.ones(5), 2), (np.ones((5, 1, 1)), 2), (np.ones((1, 4, 4)), 2), (one, 0)):
        with pytest.raises(InputError):
            neuron_groups(values, count)
