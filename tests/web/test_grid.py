"""What is sent of a layer: read back, it is the layer's answer to within half a level."""

import numpy as np
import pytest

from convscope.web.grid import LARGEST_TILE, grid_message
from web.reading import grid_of


def test_small_maps_come_back_to_half_a_level() -> None:
    values = np.random.default_rng(3).normal(size=(7, 9, 5)).astype(np.float32) * 13 - 4
    found = grid_of(grid_message("conv", values))
    span = found["high"] - found["low"]
    back = found["low"][:, None, None] + found["tiles"] / 255 * span[:, None, None]
    assert np.abs(back - values).max() <= span.max() / 510 * 1.001
    np.testing.assert_allclose(found["mean"], values.mean((1, 2)), rtol=1e-5)
    for channel in range(7):
        place = (channel, found["row"][channel], found["column"][channel])
        assert values[place] == values[channel].max() == found["high"][channel]


def test_large_maps_are_averaged_and_keep_their_exact_peak() -> None:
    values = np.zeros((2, 112, 224), np.float32)
    values[1, 37, 101] = 9.5
    found = grid_of(grid_message("conv", values))
    assert found["tiles"].shape == (2, LARGEST_TILE // 2, LARGEST_TILE)
    assert (found["row"][1], found["column"][1], found["high"][1]) == (37, 101, 9.5)
    assert found["tiles"][1].max() == found["tiles"][1, 9, 25] == round(255 / 16)


def test_a_vector_is_tiles_of_one_number() -> None:
    found = grid_of(grid_message("fc", np.array([1.0, -2.0, 0.5], np.float32)))
    assert found["tiles"].shape == (3, 1, 1)
    assert found["high"].tolist() == found["low"].tolist() == [1.0, -2.0, 0.5]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_counted(bad: float) -> None:
    values = np.ones((2, 3, 3), np.float32)
    values[1, 2, 0] = bad
    found = grid_of(grid_message("conv", values))
    assert found["nonfinite"] == 1
    assert np.isfinite(found["high"]).all()
