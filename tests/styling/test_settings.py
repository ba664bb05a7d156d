"""Sizes and weights of style transfers: what is passed through, what cannot be."""

import pytest

from convscope.errors import InputError
from convscope.styling.losses import GramLoss
from convscope.styling.settings import Scales, StyleSettings


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


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"pooling": "mean"}, "pooling cannot be 'mean'.* Possible: as it is, average"),
        ({"edges": "mirror"}, "edges cannot be 'mirror'.* Possible: zeros, reflect, replicate"),
        ({"start": "nois"}, "start cannot be 'nois'. Did you mean 'noise'"),
        ({"rate": -1.0}, "rate is a number above 0, not -1.0"),
        ({"rate": float("nan")}, "rate is a number above 0"),
        ({"style_scale": "2"}, "style_scale is a number above 0, not '2'"),
        ({"steps": 2.5}, "steps is a whole number above 0, not 2.5"),
        ({"first_steps": 0}, "first_steps is a whole number above 0, not 0"),
        ({"style_layers": {"a": -1.0}}, "the weight of a is a number from 0 on, not -1.0"),
    ],
)
def test_what_cannot_be_is_named(wrong: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        StyleSettings(**{"content_layers": {"a": 1.0}, "style_layers": {"a": 1.0}} | wrong)


@pytest.mark.parametrize("wrong", [{"smallest": 0}, {"smallest": float("nan")}, {"factor": 1.0}, {"most": 0}])
def test_sizes_that_cannot_be(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError, match=r"from 1 on|above 1"):
        Scales(**wrong)


def test_a_loss_is_one_of_a_few() -> None:
    with pytest.raises(
        InputError, match=r"divisor cannot be 'pixels'.* Possible: nothing, positions, volume"
    ):
        GramLoss("pixels")
    with pytest.raises(InputError, match=r"reduction cannot be 'means'. Did you mean 'mean'"):
        GramLoss(reduction="means")
