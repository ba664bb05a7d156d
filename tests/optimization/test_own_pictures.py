"""A unit's address stands for its picture where a picture is asked for; everything else is as it was given."""

from pathlib import Path

import numpy as np
import pytest

from convscope.errors import PictureError, UnknownLayer
from convscope.optimization.feature_visualization import feature_visualization
from convscope.optimization.own_pictures import SIZE, is_unit, picture_or_unit
from convscope.pictures.photograph import open_photograph
from convscope.styling.style_transfer import style_transfer
from planted import edge_picture, planted_network


@pytest.mark.parametrize("source", [Path("conv1:2"), np.zeros((4, 4, 3))])
def test_pictures_stay_what_they_are(source: object) -> None:
    assert not is_unit(planted_network(), source)
    assert picture_or_unit(planted_network(), source) is source


def test_a_name_is_a_picture() -> None:
    assert not is_unit(planted_network(), "coffee")
    np.testing.assert_array_equal(
        picture_or_unit(planted_network(), "coffee").pixels, open_photograph("coffee").pixels
    )


@pytest.mark.parametrize(
    ("source", "words"),
    [("conv1", "conv1 is a layer"), ("conv9:1", "no layer 'conv9'"), ("a:b.png", "no picture 'a:b.png'")],
)
def test_what_is_neither_is_told_why(source: str, words: str) -> None:
    assert not is_unit(planted_network(), source)
    with pytest.raises(PictureError, match=words):
        picture_or_unit(planted_network(), source)


def test_a_unit_is_what_it_wants_to_see() -> None:
    network = planted_network()
    expected = feature_visualization(network, "prob:red", size=SIZE)[0]
    np.testing.assert_array_equal(picture_or_unit(network, "prob:red").array, expected.array)
    with pytest.raises(UnknownLayer):
        picture_or_unit(network, "prob:purple")


def test_a_style_transfer_takes_a_unit_for_a_picture() -> None:
    network, content = planted_network(), edge_picture()
    own = feature_visualization(network, "conv2:1", size=SIZE)[0]
    options = {"changes": {"steps": 2}, "size": 32}
    by_address = style_transfer(network, content, {"conv2:1": 2.0}, **options)  # type: ignore[arg-type]
    np.testing.assert_array_equal(by_address.array, style_transfer(network, content, own, **options).array)  # type: ignore[arg-type]
    assert by_address.recipe is not None and by_address.recipe.arguments["styles"] == {"conv2:1": 2.0}
