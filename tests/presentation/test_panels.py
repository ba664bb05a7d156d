"""Panels: every value is where it belongs, and the words fit."""

import numpy as np
import pytest

from convscope.errors import InputError
from convscope.presentation.panels import Panel, enlargement, panels


def test_each_panel_is_its_picture_enlarged_by_whole_pixels() -> None:
    random = np.random.default_rng(0)
    colors = [random.integers(0, 256, (20, 30, 3), np.uint8) for _ in range(3)]
    made = panels(
        [Panel(one, "words " * 30, address=f"conv1:{i}") for i, one in enumerate(colors)], columns=2
    )
    times = enlargement(colors[0])
    assert times == round(336 / 30)
    for tile, one in zip(made.tiles, colors, strict=True):
        left, top, right, bottom = tile.box
        shown = made.array[top:bottom, left:right]
        assert (shown[times // 2 :: times, times // 2 :: times] == one).all()
        assert len(np.unique(shown[:times, :times].reshape(-1, 3), axis=0)) == 1
    assert [tile.address for tile in made.tiles] == ["conv1:0", "conv1:1", "conv1:2"]
    assert made.tiles[2].box[1] > made.tiles[0].box[3]


def test_pictures_of_two_sizes_are_refused() -> None:
    with pytest.raises(InputError, match="panels are pictures of one size"):
        panels([Panel(np.zeros((4, 4, 3), np.uint8), ""), Panel(np.zeros((4, 5, 3), np.uint8), "")])
