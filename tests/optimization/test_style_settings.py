"""Sizes and weights of style transfers: what is passed through, what cannot be."""

import pytest

from convscope.errors import InputError
from convscope.optimization.style_settings import Scales, StyleSettings


def test_sizes_are_halved_down_to_the_smallest() -> None:
    assert Scales(2.0, 64).sizes((384, 512)) == ((48, 64), (96, 128), (192, 256), (384, 512))
    assert Scales(2.0, 64, most=2).sizes((384, 512)) == ((192, 256), (384, 512))
    assert Scales(2.0, 64).sizes((90, 120)) == ((90, 120),)


def test_a_panorama_does_not_begin_with_a_line() -> None:
    assert Scales(2.0, 64).sizes((64, 512)) == ((16, 128), (32, 256), (64, 512))


@pytest.mark.parametrize("weight", [-1.0, float("nan"), float("inf")])
def test_weights_are_numbers_from_0_on(weight: float) -> None:
    for name in ("content_weight", "style_weight", "smoothness_weight"):
        with pytest.raises(InputError, match=f"{name} is a number from 0 on"):
            StyleSettings({"a": 1.0}, {"a": 1.0}, **{name: weight})
