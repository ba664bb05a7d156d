"""What planted units want, beside where they find it: a red square is found where it is, and nowhere else."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from convscope.attribution.target import target_of
from convscope.errors import ConvscopeError, InputError
from convscope.network.network import Network
from convscope.optimization.feature_visualization import visualize
from convscope.optimization.rendering import Progress
from convscope.pictures.photograph import open_photograph
from convscope.report.context import Counter, ReportContext, ReportOptions
from convscope.report.units import UnitPlate, informative_units, unit_parts, units, units_of, where_found
from planted import planted_network

RED = np.zeros((32, 32, 3), np.uint8)
RED[4:12, 20:28] = (255, 0, 0)


def context() -> ReportContext:
    return ReportContext(planted_network(), open_photograph(RED), ReportOptions())


def test_light_falls_where_the_unit_finds_what_it_wants() -> None:
    network = planted_network()
    lit, words = where_found(target_of(network, RED, "conv1:0"), open_photograph(RED))
    assert lit.shape == (32, 32, 3) and "answers up to " in words
    assert lit[6:10, 22:26, 0].min() > 0.78
    lit[2:14, 18:30] = 0
    assert lit.max() < 0.16


def test_each_unit_has_a_plate_with_its_verdict_and_its_command() -> None:
    about, seen = context(), list[int]()
    total = unit_parts(about)
    made: list[UnitPlate] = list(units(about, Counter(total, lambda done, of, _: seen.append(done))))
    assert [plate.wanted.address for plate in made] == units_of(about)
    assert made[0].title == about.classes[0].label
    assert all("activation " in plate.wanted.caption or "could not" in plate.wanted.caption for plate in made)
    assert all(f"'{plate.wanted.address}', size=128, steps=32)[0]" in plate.wanted.command for plate in made)
    assert seen == list(range(1, total + 1))


def test_a_unit_that_cannot_be_made_is_told_of_when_the_others_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """It ended the section, with the units that were to come."""
    about, seen = context(), list[int]()
    total, (broken, *others) = unit_parts(about), units_of(about)

    def visualized(network: Network, group: list[str], *rest: Any) -> Iterator[Progress]:
        if group == [broken]:
            raise InputError("too large")
        return visualize(network, group, *rest)

    monkeypatch.setattr("convscope.report.units.visualize", visualized)
    plates = units(about, Counter(total, lambda done, of, _: seen.append(done)))
    assert [next(plates).wanted.address for _ in others] == others
    with pytest.raises(InputError, match="too large"):
        next(plates)
    assert seen == list(range(1, total + 1))


def test_the_units_are_the_class_and_the_channels_of_the_tree_or_those_that_answer_most() -> None:
    about = context()
    assert not isinstance(about.tree, ConvscopeError)
    parts = about.tree.root.parts
    behind = [part.parts[0].address for part in parts if part.parts]
    expected = [about.classes[0].address, *(part.address for part in parts), *behind]
    informative = informative_units(about.network, about.picture, layers=2)
    assert units_of(about) == list(dict.fromkeys([*expected, *informative]))[:5] and len(expected) > 2
    without = replace(about, options=ReportOptions(sections=("features",)))
    assert units_of(without)[1:] == informative


def test_the_informative_units_are_those_that_answer_most() -> None:
    assert informative_units(planted_network(), RED, layers=1, each=1) == ["conv2:0"]
    assert informative_units(planted_network(), np.flip(RED, -1), layers=1, each=1) == ["conv2:2"]


def test_a_network_that_expects_no_pictures_finds_nothing() -> None:
    network = planted_network()
    network = replace(network, input_spec=None)
    for given in (RED, torch.zeros(1, 3, 32, 32)):
        with pytest.raises(InputError, match=r"planted .*, which no picture fits"):
            where_found(target_of(network, given, "conv1:0"), given)
