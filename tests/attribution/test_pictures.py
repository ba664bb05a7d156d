"""Pictures of gradients: their pixels are the numbers, their words say what they show, and they can be made again."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from skimage import metrics

import convscope
from convscope.attribution.gradients import channel_gradients, each_channel, layer_gradients, pooling_layers
from convscope.attribution.registry import METHODS
from convscope.attribution.sanity_check import randomized, sanity_check, similarity, structural_similarity
from convscope.attribution.target import target_of
from convscope.errors import InputError
from convscope.pictures.picture import Picture
from planted import edge_picture, plain_picture, planted_files, planted_network

TECHNIQUES = ("saliency", "gradient_times_input", "smoothgrad", "integrated_gradients")
RELU_TECHNIQUES = ("guided_backprop", "deconvnet")


def tile(picture: Picture, address: str) -> Any:
    (found,) = (one for one in picture.tiles if one.address == address)
    left, top, right, bottom = found.box
    return picture.array[top:bottom, left:right].astype(int)


@pytest.mark.parametrize("name", [*TECHNIQUES, *RELU_TECHNIQUES])
def test_every_technique_says_what_it_shows_and_is_made_again(name: str, tmp_path: Path) -> None:
    planted_files(tmp_path / "planted")
    network = convscope.open_network(tmp_path / "planted")
    picture = getattr(convscope, name)(
        network, "coffee", "conv2:0", panels=("picture", "map", "colors", "overlay")
    )
    for words in (
        "conv2:0, averaged over its positions",
        "clipped at percentile 99",
        "middle gray is zero",
        "is lit",
    ):
        assert words in picture.caption
    assert "sanity checks" in picture.caption.lower()
    path = picture.save(tmp_path / "made.png")
    assert convscope.rerun(path).save(tmp_path / "again.png").read_bytes() == path.read_bytes()


@pytest.mark.parametrize("name", RELU_TECHNIQUES)
def test_what_fails_the_sanity_checks_warns(name: str) -> None:
    assert "Take care" in getattr(convscope, name)(planted_network(), "coffee").caption


def test_red_speaks_for_an_answer_and_blue_against_it() -> None:
    """The score of red rises with red pixels and falls with green ones."""
    network = planted_network()
    for color, channel in (((1.0, 0.2, 0.0), 0), ((1.0, 0.2, 0.0), 1)):
        picture = convscope.gradient_times_input(
            network, plain_picture(color), f"conv2@conv2:{channel}", panels=["map"]
        )
        middle = tile(picture, f"conv2@conv2:{channel}")[168, 168]
        assert (middle[0] > middle[2]) == (channel == 0)


def test_a_panel_that_is_not_there_is_offered_the_others() -> None:
    with pytest.raises(InputError, match=r"no panel 'overlap'. Did you mean 'overlay'"):
        convscope.saliency(planted_network(), "coffee", panels=["overlap"])


def test_what_cannot_change_is_said() -> None:
    caption = convscope.saliency(planted_network(), plain_picture(), "conv1:7").caption
    assert "nothing in the picture changes the answer" in caption


def test_layers_are_the_pooling_ones_and_dead_ones_are_named() -> None:
    network = planted_network()
    assert pooling_layers(network) == ["pool1"]
    caption = layer_gradients(network, edge_picture(), ["conv1", "conv1:7"]).caption
    assert "conv1 (" not in caption and "Nothing reaches the picture from conv1:7" in caption
    assert [one.address for one in layer_gradients(network, edge_picture()).tiles] == ["pool1"]


def test_a_layer_glows_where_it_looks_and_the_range_of_its_gradient_stands_below() -> None:
    """Half of the picture is red, and red is all that the channel answers to: that half glows, the other is gray."""
    picture = plain_picture((1, 0, 0))
    picture[:, picture.shape[1] // 2 :] = (0, 0, 1)
    shown = layer_gradients(planted_network(), picture, ["conv1:0"])
    left, top, _, bottom = shown.tiles[0].box
    glowing = np.asarray(shown.array)[top:bottom, : left - 10].astype(int)
    quarter = glowing.shape[1] // 4
    glow = np.abs(glowing[..., 0] - glowing[..., 2]).mean(0)
    assert glow[quarter : 2 * quarter].mean() > 40 and glow[-quarter:].mean() < 2


def test_a_layer_is_the_gradient_of_the_strongest_channel_at_each_position() -> None:
    """On plain red, the strongest feature everywhere is red: only red pixels matter, and more of them excites it."""
    shown = tile(layer_gradients(planted_network(), plain_picture((1, 0, 0)), ["conv1"]), "conv1")
    middle = shown[168, 168]
    assert middle[0] > 250 and abs(middle[1] - 128) <= 1 and abs(middle[2] - 128) <= 1


def test_each_channel_is_its_own_gradient() -> None:
    network = planted_network(channels_last=True)
    target = target_of(network, edge_picture(), "conv1")
    for index, found in zip((3, 0), each_channel(target, (3, 0)), strict=True):
        alone = target_of(network, edge_picture(), f"conv1:{index}")
        np.testing.assert_allclose(found, alone.pixels(alone.gradient()), atol=1e-7)
    made = channel_gradients(network, edge_picture(), "conv1", channels=[3, 0])
    assert [one.address for one in made.tiles] == ["conv1:3", "conv1:0"]
    assert "2 of the 8 channels of conv1" in made.caption
    with pytest.raises(InputError, match="from 0 to 7"):
        channel_gradients(network, edge_picture(), "conv1", channels=[8])


def test_each_layer_and_channel_is_an_attribution_of_its_own() -> None:
    network, picture = planted_network(), edge_picture()
    channels = channel_gradients(network, picture, "conv1", channels=[3, 0], percentile=98.0)
    layers = layer_gradients(network, picture, ["pool1", "conv1:0"], percentile=98.0)
    for found, address in zip([*channels, *layers], ("conv1:3", "conv1:0", "pool1", "conv1:0"), strict=True):
        alone = convscope.saliency(network, picture, address, panels=("picture", "colors"), percentile=98.0)
        np.testing.assert_allclose(found.values, alone.values, atol=1e-7)
        np.testing.assert_allclose(found.map, alone.map, atol=1e-7)
        assert str(found.target) == address and found.recipe == alone.recipe
        assert found.caption == alone.caption and found.array.shape == alone.array.shape
    assert len(channels) == 2 and channels.recipe is not None
    assert channels.recipe.function == "channel_gradients"
    assert np.array_equal(np.asarray(channels), channels.picture().array)


def test_similarity_is_1_of_a_map_with_itself_and_near_0_of_noise() -> None:
    first, second = np.random.default_rng(0).normal(size=(2, 40, 40))
    assert similarity(first, first) == pytest.approx((1, 1))
    assert similarity(first, -first) == pytest.approx((1, 1))
    assert abs(similarity(first, second)[0]) < 0.1
    assert similarity(first, np.zeros((40, 40))) == (0, 0)


@pytest.mark.parametrize(("shape", "window"), [((40, 53), 7), ((9, 6), 5)])
def test_structural_similarity_is_scikit_images(shape: tuple[int, int], window: int) -> None:
    random = np.random.default_rng(1)
    first = random.random(shape)
    second = (first + random.normal(0, 0.2, shape)).clip(0, 1)
    expected = metrics.structural_similarity(first, second, data_range=1.0, win_size=window)
    assert structural_similarity(first, second, window=window) == pytest.approx(expected, abs=1e-12)


def test_weights_are_shuffled_from_the_last_layer_down() -> None:
    target = target_of(planted_network(), "coffee", "scores:0")
    found = list(randomized(target, "saliency", 3))
    assert [(one.layers, one.down_to) for one in found] == [(1, "scores"), (2, "conv2"), (3, "conv1")]
    assert found[-1].rank_correlation < 0.9
    fresh = planted_network().parameters
    assert all((value == fresh[name]).all() for name, value in target.network.parameters.items())


def test_the_sanity_check_says_what_it_found() -> None:
    made = sanity_check(planted_network(), "coffee", method="gradient_times_input", maps=2)
    assert "with all 3 layers shuffled" in made.caption
    assert "rank correlation" in made.caption
    with pytest.raises(InputError, match=r"no method 'salience'. Did you mean 'saliency'"):
        sanity_check(planted_network(), "coffee", method="salience")
    assert {*TECHNIQUES, *RELU_TECHNIQUES} <= METHODS.keys()
