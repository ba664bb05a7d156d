"""What a gradient is asked: the target an address means, and its gradient, against finite differences in float64."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from convscope.attribution.target import AT_ONCE, ask, in_rgb
from convscope.errors import InputError, UnknownLayer
from convscope.network.graph import Operation
from convscope.network.network import Network
from gradient_cases import random_input, same_network, torch_network
from planted import plain_picture, planted_network


@pytest.mark.parametrize(
    "address", [None, "scores:2", "conv2:5", "conv2:5@1,2", "conv1", "conv1@conv1:3", "pool1"]
)
def test_the_gradient_is_the_one_of_finite_differences(address: str | None) -> None:
    question = ask(same_network(torch_network()), random_input(), address)
    gradient = question.gradient()
    random, step = torch.Generator().manual_seed(2), 1e-6
    directions = torch.randn(12, *gradient.shape[1:], generator=random, dtype=torch.float64)
    with torch.no_grad():
        rise = question.scores(question.input + step * directions) - question.scores(
            question.input - step * directions
        )
    torch.testing.assert_close(
        (directions * gradient).flatten(1).sum(1), rise / (2 * step), rtol=1e-6, atol=1e-8
    )


def test_a_batch_gives_what_each_input_gives_alone() -> None:
    question = ask(same_network(torch_network()), random_input(), "scores:1")
    inputs = torch.cat([random_input(seed) for seed in range(AT_ONCE + 3)])
    scores, gradients = question.gradients(inputs)
    for index in (0, AT_ONCE - 1, AT_ONCE, AT_ONCE + 2):
        alone = question.gradients(inputs[index : index + 1])
        torch.testing.assert_close(scores[index : index + 1], alone[0])
        torch.testing.assert_close(gradients[index : index + 1], alone[1])


def test_channels_last_gives_the_same_gradient_in_its_own_order() -> None:
    twin, input = torch_network(), random_input()
    first = ask(same_network(twin), input, "conv2:3")
    last = ask(same_network(twin, channels_last=True), input.permute(0, 2, 3, 1), "conv2:3")
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
    here, there = ask(plain, picture, "scores:1"), ask(network, picture, "scores:1")
    np.testing.assert_allclose(there.pixels(there.gradient()), here.pixels(here.gradient()), atol=1e-6)
    assert there.pixels(there.gradient()).any()


def test_the_default_is_the_most_probable_class_before_the_softmax() -> None:
    network = planted_network()
    assert network.class_scores == "scores"
    question = ask(network, plain_picture((0, 1, 0)))
    assert str(question.target) == "scores:1"
    assert question.words == "the score of “green” (scores:1)"


def test_a_label_alone_is_its_score_and_with_the_output_its_probability() -> None:
    network, picture = planted_network(), plain_picture()
    assert str(ask(network, picture, "blue").target) == "scores:2"
    assert ask(network, picture, "prob:blue").words == "the probability of “blue” (prob:2)"
    with pytest.raises(
        UnknownLayer, match=r"no layer 'blu'.*; and none of the 3 classes is called 'blu'.*'blue'"
    ):
        ask(network, picture, "blu")


def test_colors_come_as_red_green_blue_whatever_the_network_eats() -> None:
    for order in ("RGB", "BGR"):
        network = planted_network(channel_order=order)
        question = ask(network, plain_picture((1, 0, 0)), "conv1:0@16,16")
        gradient = question.pixels(question.gradient())
        assert gradient[16, 16, 0] > 0
        assert not gradient[:, :, 1:].any()


def test_of_ten_crops_the_center_one_is_looked_at() -> None:
    network = planted_network()
    network.input_spec = network.input_spec.replace(crops=10, resize="squash", resize_size=40)  # type: ignore[union-attr]
    question = ask(network, plain_picture(), "conv1:0")
    assert question.input.shape[0] == 1
    assert question.seen is not None and question.seen.shape == (32, 32, 3)


def test_what_cannot_be_asked_is_said() -> None:
    network = planted_network()
    with pytest.raises(InputError, match="one picture, not for an input of"):
        ask(network, torch.zeros(2, 3, 32, 32), "conv1:0")
    with pytest.raises(UnknownLayer, match="32 rows and 32 columns here"):
        ask(network, plain_picture(), "conv1:0@40,2").gradient()


def test_gray_is_three_equal_colors() -> None:
    values = np.arange(4.0).reshape(2, 2, 1)
    assert (in_rgb(values) == values).all() and in_rgb(values).shape == (2, 2, 3)
