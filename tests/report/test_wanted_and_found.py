"""What planted units want, beside where they find it: a red square is found where it is, and nowhere else."""

from pathlib import Path

import numpy as np
import pytest
import torch

from convscope.errors import InputError
from convscope.formats.opening import open_network
from convscope.pictures.picture import Picture
from convscope.presentation.style import theme_named
from convscope.report.wanted_and_found import informative_units, laid_out, paired, wanted_and_found
from convscope.rerunning import rerun
from planted import edge_picture, planted_files, planted_network

RED = np.zeros((32, 32, 3), np.uint8)
RED[4:12, 20:28] = (255, 0, 0)


def test_light_falls_where_the_unit_finds_what_it_wants() -> None:
    wanted = {"conv1:0": Picture(np.full((8, 8, 3), 255, np.uint8))}
    left, right = paired(planted_network(), RED, wanted)
    assert left.address == left.words == "conv1:0" and left.colors.shape == right.colors.shape == (32, 32, 3)
    assert right.words.startswith("here: up to ")
    assert right.colors[6:10, 22:26, 0].min() > 200
    elsewhere = right.colors.copy()
    elsewhere[2:14, 18:30] = 0
    assert elsewhere.max() < 40


def test_the_pairs_are_found_once_and_laid_out_in_each_theme() -> None:
    pairs = paired(planted_network(), RED, {"prob:red": Picture(RED), "conv2:1": Picture(RED)})
    assert [panel.words for panel in pairs[::2]] == ["red", "conv2:1"]
    for theme in ("light", "dark"):
        made = laid_out(pairs, theme=theme)
        assert [tile.address for tile in made.tiles] == ["prob:red", "conv2:1"]
        assert bytes(made.array[0, 0]).hex() == theme_named(theme).page.removeprefix("#")
        assert "lit where it finds it" in made.caption


def test_the_recipe_makes_it_again(tmp_path: Path) -> None:
    network = open_network(planted_files(tmp_path / "network"))
    Picture(edge_picture()).save(tmp_path / "edge.png")
    made = wanted_and_found(network, tmp_path / "edge.png", ["conv1:3"], size=32, steps=2)
    assert rerun(made.save(tmp_path / "found.png")).encode() == made.encode()


def test_the_informative_units_are_those_that_answer_most() -> None:
    assert informative_units(planted_network(), RED, layers=1, each=1) == ["conv2:0"]
    assert informative_units(planted_network(), np.flip(RED, -1), layers=1, each=1) == ["conv2:2"]


def test_a_network_that_eats_no_pictures_finds_nothing() -> None:
    network = planted_network()
    network.input_spec = None
    for given in (RED, torch.zeros(1, 3, 32, 32)):
        with pytest.raises(InputError, match=r"planted eats .*, which no picture fits"):
            paired(network, given, {"conv1:0": Picture(RED)})
