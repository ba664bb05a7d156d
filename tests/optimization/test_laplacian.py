"""The Laplacian pyramid against scipy's convolution and the published sizes."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import convolve2d

from convscope.optimization.laplacian import merge, split


@settings(deadline=None, max_examples=25)
@given(st.integers(17, 90), st.integers(17, 90), st.integers(1, 4), st.integers(0, 99))
def test_merging_gives_the_picture_back(height: int, width: int, levels: int, seed: int) -> None:
    picture = torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(seed))
    assert (merge(split(picture, levels)) - picture).abs().max() < 1e-5


@pytest.mark.parametrize(
    ("size", "sizes"),
    [
        ((224, 224), [(224, 224), (112, 112), (56, 56), (28, 28), (14, 14)]),
        ((313, 439), [(313, 439), (157, 220), (79, 110), (40, 55), (20, 28)]),
    ],
)
def test_levels_have_the_published_sizes(size: tuple[int, int], sizes: list[tuple[int, int]]) -> None:
    assert [tuple(level.shape[-2:]) for level in split(torch.rand(1, 3, *size), 4)] == sizes


@pytest.mark.parametrize("size", [(20, 24), (21, 25), (20, 25)])
def test_the_small_picture_is_the_binomial_filter_at_every_second_pixel(size: tuple[int, int]) -> None:
    picture = torch.rand(1, 1, *size, dtype=torch.float64)
    line = np.array([1, 4, 6, 4, 1]) / 16
    filtered = convolve2d(picture[0, 0].numpy(), np.outer(line, line), mode="same")
    first = [1 if length % 2 == 0 else 0 for length in size]  # SAME padding puts the odd pixel behind
    expected = filtered[first[0] :: 2, first[1] :: 2]
    assert np.abs([*split(picture, 1)][1][0, 0].numpy() - expected).max() < 1e-12
