"""The plot of a fully-connected layer: its words are its numbers."""

import pytest
from matplotlib.axes import Axes

from convscope.errors import InputError
from convscope.looking.values import values
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


@pytest.mark.parametrize(
    ("address", "noun"),
    [("scores", "unit"), ("scores:1", "unit"), ("conv1:0", "position"), ("conv1", "value")],
)
def test_the_axis_says_what_is_counted(address: str, noun: str, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(Axes, "set_xlabel", lambda _, words, **__: said.append(words))
    values(planted_network(), plain_picture(), address)
    values(planted_network(), plain_picture(), address, order="strongest")
    ordered, _, falling, _ = said
    assert ordered == noun and falling.startswith(f"{noun}s, the highest first")


def test_what_cannot_be_plotted_is_answered() -> None:
    with pytest.raises(InputError, match="a neuron has one value"):
        values(planted_network(), plain_picture(), "conv1:0@1,1")
    with pytest.raises(InputError, match="between 1 and 10000"):
        values(planted_network(), plain_picture(), "scores", bins=0)
