"""Sizes of published runs, and resizes against scipy's zoom and the definitions."""

from typing import Any

import numpy as np
import pytest
import torch
from scipy import ndimage

from convscope.errors import InputError
from convscope.optimization.octaves import Octaves
from convscope.pictures.resizing import resized


def test_googles_published_run() -> None:
    assert Octaves(4, 1.4).sizes((575, 1024)) == ((210, 373), (293, 522), (411, 731), (575, 1024))


def test_a_growing_dream_starts_at_the_pictures_size() -> None:
    assert Octaves(3, 1.4, grow=True, rounding="down").sizes((224, 224)) == (
        (224, 224),
        (313, 313),
        (438, 438),
    )


def test_exponents_go_around_the_pictures_size() -> None:
    sizes = Octaves(scale=1.3, exponents=(-1, 0, 1), rounding="down").sizes((100, 200))
    assert sizes == ((76, 153), (100, 200), (130, 260))


def test_too_small_octaves_say_what_to_change() -> None:
    with pytest.raises(InputError, match=r"smallest octave would be 21 x 21.*fewer octaves \(now 5\)"):
        Octaves(5, 1.4).sizes((80, 80))


def test_a_picture_too_small_for_one_octave_is_told_so() -> None:
    for octaves in (Octaves(), Octaves(3)):
        with pytest.raises(
            InputError, match=r"a picture of 31 x 90 is below 32 pixels: use a larger picture$"
        ):
            octaves.sizes((31, 90))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"count": 10**9}, "octaves is at most 1,000, not 1000000000"),
        ({"count": 0}, "octaves is a whole number, at least 1, not 0"),
        ({"count": "x"}, "octaves is a whole number, at least 1, not 'x'"),
        ({"count": 1.5}, "not 1.5"),
        ({"scale": 1}, "octave_scale is a number above 1, not 1"),
        ({"scale": float("nan")}, "above 1, not nan"),
        ({"scale": "1.4"}, "above 1, not '1.4'"),
    ],
)
def test_octaves_that_are_none(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        Octaves(**changes)


@pytest.mark.parametrize("size", [(31, 47), (64, 40), (20, 80)])
def test_corners_is_scipys_zoom(size: tuple[int, int]) -> None:
    picture = torch.rand(1, 2, 40, 57, dtype=torch.float64)
    expected = ndimage.zoom(picture.numpy(), (1, 1, size[0] / 40, size[1] / 57), order=1)
    assert np.abs(resized(picture, size, "corners").numpy() - expected).max() < 1e-12


@pytest.mark.parametrize("size", [7, 13, 29])
def test_legacy_looks_at_the_index_times_the_ratio(size: int) -> None:
    line = np.random.default_rng(0).random(13)
    expected = np.interp(np.arange(size) * 13 / size, np.arange(13), line)
    found = resized(torch.from_numpy(line).expand(1, 1, 13, 13), (13, size), "legacy")
    assert np.abs(found[0, 0, 5].numpy() - expected).max() < 1e-12
