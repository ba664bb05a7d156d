"""What a network says: planted colors, and the cat that Caffe's own network knows."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from convscope.errors import InputError
from convscope.formats.opening import open_network
from convscope.looking.classify import classify, predictions, probabilities
from convscope.looking.showing import show_output
from convscope.network.graph import Operation
from convscope.network.network import Network
from planted import plain_picture, planted_network


@pytest.mark.parametrize(
    ("color", "label", "address"),
    [((1, 0, 0), "red", "prob:0"), ((0, 1, 0), "green", "prob:1"), ((0, 0, 1), "blue", "prob:2")],
)
@pytest.mark.parametrize("order", ["RGB", "BGR"])
def test_a_color_is_recognized(color: tuple[float, ...], label: str, address: str, order: str) -> None:
    network = planted_network(channel_order=order)
    best = classify(network, plain_picture(color))
    assert (best[0].label, best[0].address) == (label, address)
    assert best[0].probability > 0.99
    assert len(best) == 3
    assert sum(found.probability for found in best) == pytest.approx(1, abs=1e-6)


def test_equal_probabilities_keep_the_order_of_the_classes() -> None:
    best = classify(planted_network(), plain_picture((0, 0, 0)))
    assert [found.label for found in best] == ["red", "green", "blue"]


def test_classes_without_labels_have_numbers() -> None:
    assert classify(planted_network(labels=None), plain_picture(), top=1)[0].label == "class 0"
    assert classify(planted_network(labels=["only"]), plain_picture((0, 0, 1)), top=1)[0].label == "class 2"


def test_top_and_input_are_checked() -> None:
    with pytest.raises(InputError, match="at least 1; not 0"):
        classify(planted_network(), plain_picture(), top=0)
    with pytest.raises(
        InputError, match="holds 2 pictures, and classes are those of one: give one at a time"
    ):
        classify(planted_network(), torch.zeros(2, 3, 32, 32))
    with pytest.raises(InputError, match="expects"):
        classify(planted_network(), torch.zeros(5))


def test_an_input_tensor_goes_for_a_picture() -> None:
    network = planted_network(name="")
    input = network.preprocess(plain_picture())
    for given in (input, input[0], input.double()):
        assert classify(network, given) == classify(network, plain_picture())
        for technique in (predictions, probabilities):
            found, expected = technique(network, given), technique(network, plain_picture(), bare=True)
            assert found.caption == expected.caption
            np.testing.assert_array_equal(found.array, expected.array)  # nor is "None" in its title
        assert show_output(network, given).caption == show_output(network, plain_picture()).caption


def test_the_pictures_say_what_they_show() -> None:
    network = planted_network()
    bars = predictions(network, plain_picture(), top=2)
    assert bars.caption == "What planted says: the 2 most probable classes; red 99.9%."
    plot = probabilities(network, plain_picture(), top=10)
    assert plot.caption.startswith("The probability of each of 3 classes; the highest: red 99.9%")
    assert bars.recipe is not None
    assert dict(bars.recipe.arguments) == {"top": 2, "theme": "light", "bare": False}


@pytest.mark.parametrize("technique", [predictions, probabilities])
def test_the_dark_theme_is_dark(technique: type) -> None:
    light, dark = (technique(planted_network(), plain_picture(), theme=name) for name in ("light", "dark"))
    assert light.array.shape == dark.array.shape
    assert np.median(light.array) > 200 > 60 > np.median(dark.array)


def test_the_cat_is_a_cat(shared_data: Path) -> None:
    network = open_network(shared_data / "caffe/bvlc_googlenet")
    best = classify(network, shared_data / "pictures/cat.jpg")
    assert [found.label for found in best[:3]] == ["tiger cat", "tabby", "Egyptian cat"]
    assert [found.probability for found in best[:3]] == pytest.approx([0.38, 0.27, 0.25], abs=0.01)
    assert best[0].address == "prob:282"
    assert network.probabilities(shared_data / "pictures/cat.jpg").sum() == pytest.approx(1, abs=1e-5)


def ending_in(kind: str) -> Network:
    """Return the planted network with another last step, "prob", on its scores (argmax: on its softmax)."""
    network = planted_network()
    *operations, last = network.graph.operations
    if kind == "argmax":
        operations += [last, Operation("argmax", "label", "ArgMax", ("prob",), ("label",), {}, {"axis": 1})]
    else:
        operations += [replace(last, kind=kind)]
    graph = replace(network.graph, operations=tuple(operations), outputs=operations[-1].outputs)
    return Network(graph, input_spec=network.input_spec, labels=network.labels)


def test_a_sigmoid_tells_each_class_on_its_own() -> None:
    network = ending_in("sigmoid")
    picture = plain_picture((1, 1, 0))
    scores = network.activations(network.preprocess(picture), "scores")["scores"][0]
    torch.testing.assert_close(network.probabilities(picture), scores.sigmoid())
    assert network.probabilities(picture).sum() > 1.2


def test_an_argmax_is_looked_through() -> None:
    network = ending_in("argmax")
    assert network.class_output == "prob" and network.class_count == 3
    picture = plain_picture((0, 1, 0))
    assert classify(network, picture) == classify(planted_network(), picture)


def test_predict_and_classify_say_the_same() -> None:
    network = planted_network(labels=["only"])
    found = [(one.label, one.probability) for one in classify(network, plain_picture(), top=2)]
    assert network.predict(plain_picture(), top=2) == found
    assert {label for label, _ in network.predict(plain_picture())} == {"only", "class 1", "class 2"}


def test_top_is_checked_everywhere() -> None:
    for technique in (classify, predictions, probabilities):
        with pytest.raises(InputError, match="at least 1; not 0"):
            technique(planted_network(), plain_picture(), top=0)
