"""The plot of a fully-connected layer: its words are its numbers."""

import numpy as np
import pytest
from matplotlib.axes import Axes

from convscope import open_network
from convscope.errors import InputError
from convscope.looking.values import values
from convscope.presentation.style import theme_named
from convscope.presentation.value_plots import values_and_histogram
from planted import plain_picture, planted_network


def test_the_caption_counts() -> None:
    picture = values(planted_network(), plain_picture(), "scores")
    assert picture.caption.startswith(
        "scores: 3 values in order, 0 to 7.6"
    )  # 8 times the red of 32 x 32, borders less
    assert "1 of 3 values are positive (33.3%)" in picture.caption


def test_any_layer_and_a_channel_may_be_plotted() -> None:
    assert values(planted_network(), plain_picture(), "conv1").caption.startswith("conv1: 8,192 values")
    assert values(planted_network(), plain_picture(), "conv1:0").caption.startswith("conv1:0: 1,024 values")
    assert values(planted_network(), plain_picture(), "scores:1").caption.startswith("scores:1: 1 value: ")


@pytest.mark.parametrize(
    ("address", "noun"),
    [("scores", "class"), ("conv1:0", "position"), ("conv1", "value")],
)
def test_the_axis_says_what_is_counted(address: str, noun: str, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(Axes, "set_xlabel", lambda _, words, **__: said.append(words))
    values(planted_network(), plain_picture(), address)
    values(planted_network(), plain_picture(), address, order="strongest")
    ordered, _, falling, _ = said
    assert ordered == noun and falling.startswith(f"{noun}s, the highest first")


def test_the_highest_classes_are_named_by_their_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    """They had numbers, which say nothing of a network that names 200 classes."""
    network, said = open_network("builtin"), []
    monkeypatch.setattr(Axes, "annotate", lambda _, words, *__, **___: said.append(words))
    picture = values(network, "coffee", "prob")
    assert picture.caption.split("the highest: ")[1].startswith("espresso (0.9")
    assert [words.split(":")[0] for words in said if words.startswith("espresso")] == ["espresso"]
    labels = {network.labels[number] for number in network.probabilities("coffee").argsort()[-5:]}
    assert {words.split(":  ")[0] for words in said} == labels
    assert values(network, "coffee", "pooling").caption.split("the highest: ")[1][0].isdigit()


def test_what_cannot_be_plotted_is_answered() -> None:
    with pytest.raises(InputError, match="a neuron has one value"):
        values(planted_network(), plain_picture(), "conv1:0@1,1")
    with pytest.raises(InputError, match="between 1 and 10000"):
        values(planted_network(), plain_picture(), "scores", bins=0)


@pytest.mark.parametrize("positive", [[0.176], [3.0, 3.0, 3.0], [1e-9, 0.4]])
def test_the_histogram_has_a_bar_for_every_value(positive: list[float]) -> None:
    """Of numbers that are all alike the bins reached past the axis, and nothing was drawn."""
    picture = values_and_histogram(np.array([*positive, -0.2, -0.01]), bins=20)
    below = picture.array[round(picture.array.shape[0] * 0.62) :]
    accent = np.all(below == np.array(bytearray.fromhex(theme_named("light").accent.lstrip("#"))), axis=-1)
    columns = np.flatnonzero(accent.any(axis=0))
    bars = 1 + np.count_nonzero(np.diff(columns) > 1)
    assert (len(columns) > 0, bars) == (True, len(set(positive)))
