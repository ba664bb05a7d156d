"""Extremal perturbation: its masks from a plain loop, and the part that was planted."""

from math import exp, hypot

import numpy as np
import pytest
import torch

import convscope
from convscope.attribution.extremal_perturbation import _faded, _levels, optimized_masks
from convscope.attribution.smooth_masks import SmoothMasks
from convscope.attribution.target import target_of
from convscope.errors import InputError
from planted import plain_picture, planted_network


def test_a_mask_is_the_smooth_maximum_over_the_nodes_near_a_pixel() -> None:
    masks = SmoothMasks((30, 21), step=4, sigma=6)
    nodes = torch.rand(masks.nodes, generator=torch.Generator().manual_seed(0))
    whole = masks.whole(nodes)
    border = 4  # whole steps within sigma
    for row, column in (
        (2, 6),
        (18, 14),
        (34, 22),
    ):  # the middle of a cell: no place of the fine grid is beside it
        terms = []
        for down in range(row // 4 - 3, row // 4 + 4):
            for across in range(column // 4 - 3, column // 4 + 4):
                inside = 0 <= down - 1 < nodes.shape[0] and 0 <= across - 1 < nodes.shape[1]
                number = float(nodes[down - 1, across - 1]) if inside else 0.0
                distance = hypot(4 * down - row, 4 * across - column) / 6
                terms.append(number * exp(-2 * max(0.0, distance - 0.5) ** 2))
        weights = np.exp(20 * np.array(terms))
        expected = float((weights / weights.sum() * terms).sum())
        around = whole[
            row - 1 : row + 1, column - 1 : column + 1
        ].mean()  # the fine grid's places are half a pixel off
        assert float(around) == pytest.approx(expected, abs=0.02)
    assert masks.inside(whole).shape == (30, 21)
    np.testing.assert_array_equal(masks.inside(whole), whole[border : border + 30, border : border + 21])
    assert float(masks.whole(torch.ones(masks.nodes))[10, 10]) == pytest.approx(1, abs=0.4)


def test_the_pyramid_lies_between_its_levels() -> None:
    pyramid = torch.arange(4.0).reshape(4, 1, 1, 1).expand(4, 2, 3, 3)
    mask = torch.linspace(0, 1, 9).reshape(3, 3)
    np.testing.assert_allclose(_faded(pyramid, mask, False)[0, 1], 3 * mask, rtol=1e-6)


@pytest.mark.parametrize("last", [False, True])
def test_the_part_that_is_enough_is_the_planted_one(last: bool) -> None:
    picture = plain_picture((0, 0, 0)).copy()
    picture[18:28, 3:13], picture[4:12, 19:29] = (230, 20, 10), (10, 210, 30)
    network = planted_network(channels_last=last)
    calls: list[tuple[int, int]] = []
    found = convscope.extremal_perturbation(
        network, picture, "red", steps=200, area=0.08, baseline="black", watch=lambda *now: calls.append(now)
    )
    assert calls[-1] == (200, 200) and found.values.shape == (32, 32, 3)
    inside = found.map[14:32, 0:17].sum() / found.map.sum()
    assert inside > 0.9 and found.map.max() > 0.8 and "of the picture" in found.how
    assert 0.02 < found.map.mean() < 0.25


def test_every_step_gives_a_mask_of_the_picture() -> None:
    target = target_of(planted_network(), plain_picture(), "red")
    levels = _levels(target, "blur")
    assert len(levels) == 8 and torch.equal(levels[-1:], target.input)
    shown = list(optimized_masks(target, levels, 0.2, 3))
    assert [mask.shape for mask in shown] == [(32, 32)] * 3
    with pytest.raises(InputError, match="between 0 and 1"):
        convscope.extremal_perturbation(target.network, plain_picture(), "red", area=1.0)
