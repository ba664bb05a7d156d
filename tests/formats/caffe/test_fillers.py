"""Fillers against the closed forms of Caffe's filler.hpp and test_filler.cpp."""

import numpy as np
import pytest

from convscope.errors import NetworkFileError
from convscope.formats.caffe.layers import fill
from convscope.formats.caffe.message import Message

SHAPE = (40, 30, 5, 5)


def filled(shape=SHAPE, **fields):
    return fill(Message("FillerParameter", **fields), shape, np.random.default_rng(0))


def test_a_constant():
    assert np.array_equal(filled(value=0.25), np.full(SHAPE, 0.25))
    assert filled(()).shape == ()


def test_uniform_numbers_stay_between():
    values = filled(type="uniform", min=1, max=2)
    assert values.min() >= 1
    assert values.max() <= 2
    assert values.mean() == pytest.approx(1.5, abs=0.01)


def test_gaussian_numbers():
    values = filled(type="gaussian", mean=2, std=0.1)
    assert values.mean() == pytest.approx(2, abs=0.01)
    assert values.std() == pytest.approx(0.1, rel=0.02)


def test_sparse_gaussian_numbers():
    """About `sparse` of the 40 outputs an input has are not 0."""
    assert (filled(type="gaussian", sparse=8) != 0).mean() == pytest.approx(8 / 40, abs=0.01)


def test_unit_balls_are_positive_and_sum_to_one():
    values = filled(type="positive_unitball")
    assert values.min() >= 0
    np.testing.assert_allclose(values.sum((1, 2, 3)), 1, rtol=1e-5)


@pytest.mark.parametrize(("norm", "count"), [("FAN_IN", 750), ("FAN_OUT", 1000), ("AVERAGE", 875)])
def test_deviation_follows_the_fan(norm, count):
    xavier = filled(type="xavier", variance_norm=norm)
    assert np.abs(xavier).max() <= np.sqrt(3 / count) + 1e-6
    assert xavier.std() == pytest.approx(np.sqrt(1 / count), rel=0.02)
    assert filled(type="msra", variance_norm=norm).std() == pytest.approx(np.sqrt(2 / count), rel=0.02)


def test_a_bilinear_kernel_enlarges_smoothly():
    """The kernel Caffe's FCN uses for a factor of 2: 1/4 and 3/4 along each axis."""
    row = np.array([0.25, 0.75, 0.75, 0.25])
    values = filled((3, 1, 4, 4), type="bilinear")
    np.testing.assert_allclose(values, np.broadcast_to(np.outer(row, row), (3, 1, 4, 4)))
    odd = np.array([1 / 3, 2 / 3, 1, 2 / 3, 1 / 3])
    np.testing.assert_allclose(filled((1, 1, 5, 5), type="bilinear")[0, 0], np.outer(odd, odd), rtol=1e-6)


@pytest.mark.parametrize("type_name", ["uniform", "gaussian", "xavier", "msra", "positive_unitball"])
def test_the_same_seed_gives_the_same_numbers(type_name):
    first, second = filled(type=type_name), filled(type=type_name)
    assert first.dtype == np.float32
    assert first.shape == SHAPE
    assert np.array_equal(first, second)
    assert np.unique(first).size > 1000


def test_what_cannot_be_filled_is_refused():
    with pytest.raises(NetworkFileError, match=r"there is no filler 'gausian'.* Did you mean 'gaussian'"):
        filled(type="gausian")
    with pytest.raises(NetworkFileError, match="square 4-d weights"):
        filled((3, 4), type="bilinear")
