"""What is explained: the target an address means, and its gradient, against finite differences in float64."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from convscope.attribution.measures import cell_losses
from convscope.attribution.target import AT_ONCE, in_rgb, shared_targets, target_of
from convscope.errors import InputError, UnknownLayer
from convscope.looking.answers import answer, seen_by
from convscope.network.given_input import center_of_ten
from convscope.network.graph import Operation
from convscope.network.network import Network
from convscope.pictures.photograph import open_photograph
from gradient_cases import random_input, same_network, torch_network
from planted import edge_picture, plain_picture, planted_network


@pytest.mark.parametrize(
    "address", [None, "scores:2", "conv2:5", "conv2:5@1,2", "conv1", "conv1@conv1:3", "pool1"]
)
def test_the_gradient_is_the_one_of_finite_differences(address: str | None) -> None:
    target = target_of(same_network(torch_network()), random_input(), address)
    gradient = target.gradient()
    random, step = torch.Generator().manual_seed(2), 1e-6
    directions = torch.randn(12, *gradient.shape[1:], generator=random, dtype=torch.float64)
    with torch.no_grad():
        rise = target.scores(target.input + step * directions) - target.scores(
            target.input - step * directions
        )
    torch.testing.assert_close(
        (directions * gradient).flatten(1).sum(1), rise / (2 * step), rtol=1e-6, atol=1e-8
    )


def test_a_batch_gives_what_each_input_gives_alone() -> None:
    target = target_of(same_network(torch_network()), random_input(), "scores:1")
    inputs = torch.cat([random_input(seed) for seed in range(AT_ONCE + 3)])
    scores, gradients = target.gradients(inputs)
    for index in (0, AT_ONCE - 1, AT_ONCE, AT_ONCE + 2):
        alone = target.gradients(inputs[index : index + 1])
        torch.testing.assert_close(scores[index : index + 1], alone[0])
        torch.testing.assert_close(gradients[index : index + 1], alone[1])


def test_channels_last_gives_the_same_gradient_in_its_own_order() -> None:
    twin, input = torch_network(), random_input()
    first = target_of(same_network(twin), input, "conv2:3")
    last = target_of(same_network(twin, channels_last=True), input.permute(0, 2, 3, 1), "conv2:3")
    torch.testing.assert_close(last.gradient().permute(0, 3, 1, 2), first.gradient())
    np.testing.assert_allclose(last.pixels(last.gradient()), first.pixels(first.gradient()))


def test_a_network_that_turns_its_input_over_itself_is_shown_upright() -> None:
    plain = planted_network()
    (name, shape), *_ = plain.graph.inputs.items()
    turned = Operation(
        "permute", "turned", "Transpose", ("eaten",), (name,), attributes={"order": (0, 3, 1, 2)}
    )
    graph = replace(
        plain.graph,
        inputs={"eaten": (shape[0], *shape[2:], shape[1])},
        operations=(turned, *plain.graph.operations),
        parameters=plain.graph.parameters.replaced({}),
    )
    assert plain.input_spec is not None
    spec = plain.input_spec.replace(layout="NHWC")
    network = Network(graph, input_spec=spec, labels=plain.labels)
    picture = plain_picture((0, 1, 0))
    here, there = target_of(plain, picture, "scores:1"), target_of(network, picture, "scores:1")
    np.testing.assert_allclose(there.pixels(there.gradient()), here.pixels(here.gradient()), atol=1e-6)
    assert there.pixels(there.gradient()).any()


def test_the_default_is_the_most_probable_class_before_the_softmax() -> None:
    network = planted_network()
    assert network.class_scores == "scores"
    target = target_of(network, plain_picture((0, 1, 0)))
    assert str(target.address) == "scores:1"
    assert target.words == "the score of “green” (scores:1)"


def test_a_label_alone_is_its_score_and_with_the_output_its_probability() -> None:
    network, picture = planted_network(), plain_picture()
    assert str(target_of(network, picture, "blue").address) == "scores:2"
    assert target_of(network, picture, "prob:blue").words == "the probability of “blue” (prob:2)"
    with pytest.raises(
        UnknownLayer, match=r"no layer 'blu'.*; and none of the 3 classes is called 'blu'.*'blue'"
    ):
        target_of(network, picture, "blu")


def test_colors_come_as_red_green_blue_whatever_the_network_eats() -> None:
    for order in ("RGB", "BGR"):
        network = planted_network(channel_order=order)
        target = target_of(network, plain_picture((1, 0, 0)), "conv1:0@16,16")
        gradient = target.pixels(target.gradient())
        assert gradient[16, 16, 0] > 0
        assert not gradient[:, :, 1:].any()


def test_of_ten_crops_the_center_one_is_looked_at() -> None:
    """By every technique, and shown as what the network sees."""
    plain = planted_network()
    assert plain.input_spec is not None
    network = replace(plain, input_spec=plain.input_spec.replace(crops=10, resize="squash", resize_size=40))
    picture = np.random.default_rng(6).integers(0, 256, (40, 40, 3), np.uint8)
    center = picture[4:36, 4:36]
    target = target_of(network, picture, "conv1:0")
    torch.testing.assert_close(target.input, plain.preprocess(center))
    assert target.seen is not None
    for seen in (target.seen, seen_by(network, picture)):
        np.testing.assert_allclose(seen, center / 255, atol=1e-6)
    np.testing.assert_allclose(answer(network, picture, "conv1"), answer(plain, center, "conv1"), atol=1e-6)
    others = network.preprocess(picture)[:3]
    assert center_of_ten(network, others) is others and center_of_ten(plain, others) is others


def test_what_cannot_be_explained_is_said() -> None:
    network = planted_network()
    with pytest.raises(InputError, match="one picture is explained at a time, not an input of"):
        target_of(network, torch.zeros(2, 3, 32, 32), "conv1:0")
    with pytest.raises(UnknownLayer, match="32 rows and 32 columns here"):
        target_of(network, plain_picture(), "conv1:0@40,2").gradient()


def test_gray_is_three_equal_colors() -> None:
    values = np.arange(4.0).reshape(2, 2, 1)
    assert (in_rgb(values) == values).all() and in_rgb(values).shape == (2, 2, 3)


def test_the_difference_of_two_is_a_target() -> None:
    network, picture = planted_network(), plain_picture((0.9, 0.4, 0.1))
    red, green = (target_of(network, picture, one).score for one in ("red", "green"))
    both = target_of(network, picture, "red - green")
    assert both.score == pytest.approx(red - green) and both.score != 0
    assert str(both) == "scores:0 - scores:1"
    assert both.words == "the score of “red” (scores:0) - the score of “green” (scores:1)"
    half = target_of(network, picture, {"red": 0.5, 1: -2})
    assert half.score == pytest.approx(red / 2 - 2 * green) and str(half) == "0.5 scores:0 - 2 scores:1"
    assert target_of(network, picture, half).score == half.score
    with pytest.raises(UnknownLayer, match="'rot'"):
        target_of(network, picture, "red - rot")


def test_a_number_alone_is_a_class() -> None:
    network, picture = planted_network(), plain_picture()
    for one in (2, "2", np.int64(2)):
        assert str(target_of(network, picture, one).address) == "scores:2"
    with pytest.raises(UnknownLayer, match="3 channels, 0 to 2; there is no 3"):
        target_of(network, picture, 3)
    with pytest.raises(InputError, match="or an address, not a list"):
        target_of(network, picture, ["red"])  # type: ignore[arg-type]


def test_a_region_is_the_mean_over_its_rows_and_columns() -> None:
    network = planted_network()
    picture = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    target = target_of(network, picture, "conv2:1@3:9,2:5")
    maps = network.activations(network.preprocess(picture), "conv2")["conv2"]
    assert target.score == pytest.approx(float(maps[0, 1, 3:9, 2:5].mean())) and target.score > 0
    assert str(target) == "conv2:1@3:9,2:5" and target.words == "conv2:1@3:9,2:5, averaged over that region"
    gradient = target.pixels(target.gradient()).any(2)
    assert gradient[2:22, :14].any() and not gradient[22:].any() and not gradient[:, 14:].any()
    with pytest.raises(InputError, match="conv2:1@3:40,2:5 is no region of conv2, which has 16 rows"):
        target_of(network, picture, "conv2:1@3:40,2:5").gradient()


def test_within_a_block_the_same_target_of_the_same_picture_is_measured_once() -> None:
    network, picture = planted_network(), open_photograph(edge_picture())
    with shared_targets():
        first = target_of(network, picture)
        assert target_of(network, picture) is first and cell_losses(first) is cell_losses(first)
        assert target_of(network, open_photograph(edge_picture())) is not first
        assert target_of(planted_network(), picture) is not first
        assert target_of(network, picture, 1) is not target_of(network, picture, 2)
    assert target_of(network, picture) is not first
