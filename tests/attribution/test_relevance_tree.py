"""The tree of relevance: its shares against what is lost without each channel, and on a network whose way is known."""

from pathlib import Path

import numpy as np
import pytest

import convscope
from convscope.attribution.relevance_tree import RelevanceTree
from convscope.errors import ConvscopeError
from planted import FEATURES, plain_picture, planted_network
from torch_cases import branches, noise

ORANGE = (1.0, 0.4, 0.1)


def tree(**options: object) -> RelevanceTree:
    return convscope.relevance_tree(planted_network(), plain_picture(ORANGE), "red", steps=1, **options)


def test_shares_are_what_is_lost_without_each_channel() -> None:
    """Behind `mix` only an average and a linear layer follow: what a channel gives is what its absence takes."""
    network = convscope.open_network(branches(), input_shape=(1, 3, 24, 24))
    found = convscope.relevance_tree(network, noise(), 3, layers=["mix"], channels=6, steps=1)
    lost = convscope.importance(network, "mix", noise(), 3)
    expected = {f"mix:{unit}": share for unit, share in enumerate(lost.effects / lost.whole) if share > 0}
    assert {part.address: part.share for part in found.root.parts} == pytest.approx(expected, rel=1e-4)
    rest = 1 - sum(expected.values())
    assert found.root.rest == pytest.approx(rest, rel=1e-4) and abs(rest) > 0.01


def test_nothing_is_lost_on_the_way_where_nothing_has_a_bias() -> None:
    found = tree(layers=["conv2", "conv1"], channels=8, rule="z_plus")
    nodes = [node for node in found.root if node.parts]
    assert len(nodes) == 2 and all(node.rest == pytest.approx(0, abs=1e-5) for node in nodes)


def test_it_finds_the_way_that_was_planted() -> None:
    found = tree()
    assert found.layers == ("conv2", "pool1")
    (color,) = found.root.parts
    assert color.address == "conv2:0" and color.share == pytest.approx(1, abs=1e-4)
    strongest = color.parts[0]
    assert strongest.address == f"pool1:{FEATURES.index('red')}" and strongest.share > 0.9
    assert strongest.map.shape == (32, 32) and np.ptp(strongest.map[8:24, 8:24]) < 1e-6


def test_its_picture_shows_each_node(tmp_path: Path) -> None:
    found = tree()
    shown = {tile.address for tile in found.tiles}
    assert shown == {node.address for node in found.root}
    assert "“red”" in found.caption and "conv2" in found.caption
    assert found.to_dict()["parts"][0]["address"] == "conv2:0"
    assert found.save(tmp_path / "tree.png").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layers": ["scores"]}, "is no layer before"),
        ({"layers": ["conv1", "conv2"]}, "'conv2' is not on the way from conv1:"),
        ({"channels": 0}, "at least 1; not 0"),
    ],
)
def test_what_is_no_tree_is_said(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConvscopeError, match=message):
        tree(**options)
