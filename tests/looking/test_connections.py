"""What feeds a planted unit and what it feeds, where both are known; and the classes a unit changes, by hand."""

import numpy as np
import pytest
import torch

from convscope.address import Address
from convscope.atlas.unit_links import neighbors
from convscope.looking.connections import fed_by_it, feeding
from convscope.pictures.photograph import open_photograph
from convscope.web.unit_facts import unit_effects, unit_facts
from planted import plain_picture, planted_network


def test_red_is_fed_by_red_and_held_back_by_the_others() -> None:
    found = feeding(planted_network(), "conv2", 0, most=3)
    assert [(one.layer, one.channel) for one in found] == [("pool1", 0), ("pool1", 1), ("pool1", 2)]
    assert [round(one.strength, 6) for one in found] == [1.0, -0.5, -0.5]


def test_through_the_pooling_red_feeds_red() -> None:
    first, *others = fed_by_it(planted_network(), "conv1", 0, most=3)
    assert (first.layer, first.channel, first.strength) == ("conv2", 0, 1.0)
    assert {(one.channel, one.strength) for one in others} == {(1, -0.5), (2, -0.5)}


def test_a_filter_of_the_picture_is_shown_and_not_connected() -> None:
    network = planted_network()
    facts = unit_facts(network, network.resolve("conv1:3"), None)
    assert facts["fedBy"] == []
    assert np.array(facts["filter"]).shape == (5, 5, 3)


def test_where_it_answers_and_what_that_place_sees() -> None:
    picture = np.zeros((32, 32, 3), np.uint8)
    picture[20, 7] = 255
    network = planted_network()
    facts = unit_facts(network, network.resolve("conv1:6"), open_photograph(picture))
    assert facts["position"] == (20, 7)
    assert facts["box"] == [18, 5, 23, 10]


@pytest.mark.parametrize("color", [0, 1])
def test_effects_are_the_scores_without_the_unit(color: int) -> None:
    network, photograph = planted_network(), open_photograph(plain_picture((0.9, 0.3, 0.2)))
    found = unit_effects(network, Address("conv2", color), photograph)

    def scores(setting: dict[str, float]) -> torch.Tensor:
        changed = network.with_units(setting)
        return changed.activations(changed.preprocess(photograph), "scores")["scores"][0]

    expected = scores({}) - scores({f"conv2:{color}": 0.0})
    for effect in found:
        assert effect["change"] == pytest.approx(float(expected[effect["index"]]), abs=1e-6)
    assert found[0]["index"] == color or float(expected.abs().max()) == 0


@pytest.mark.parametrize("layer", ["conv1", "pool1"])
def test_what_comes_of_a_filter_of_the_picture_shows_that_filter(layer: str) -> None:
    """A ReLU of its own or a pool said that channels are mixed before it."""
    network = planted_network()
    found = unit_facts(network, Address(layer, 5), None)["filter"]
    assert np.shape(found) == (5, 5, 3)
    rgb = network.parameters["conv1.weight"][5].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(found, rgb, atol=1e-6)
    assert (
        neighbors(network, ("conv1", "pool1", "conv2"), (layer, 5))["filter"] == found
    )  # the atlas has it too
    assert unit_facts(network, Address("conv2", 0), None)["filter"] is None
