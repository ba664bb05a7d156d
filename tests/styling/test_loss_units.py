"""Units against what they say: the pictures themselves lose 1, at every size, and nothing is divided by nothing."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from convscope import open_network
from convscope.network.network import Network
from convscope.optimization.regularizers import NeighborDifference
from convscope.styling.loss_units import units
from convscope.styling.losses import GramLoss
from convscope.styling.settings import StyleSettings
from convscope.styling.steps import style_steps
from convscope.styling.targets import Style, targets_of
from planted import planted_files

SETTINGS = StyleSettings(
    {"conv2": 1.0},
    {"conv1": 0.5, "conv2": 0.5},
    style=GramLoss("positions", "share"),
    smoothness=NeighborDifference(1.0),
    content_weight=2.0,
    style_weight=3.0,
    smoothness_weight=0.5,
    rate=0.02,
    in_units=True,
)


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Network:
    return open_network(planted_files(Path(tmp_path_factory.mktemp("planted"))))


def picture(seed: int, size: int) -> Tensor:
    coarse = torch.rand(1, 3, 6, 6, generator=torch.Generator().manual_seed(seed))
    return coarse.repeat_interleave(size // 6, 2).repeat_interleave(size // 6, 3)


@pytest.mark.parametrize("size", [48, 96])
def test_the_pictures_themselves_lose_one_at_every_size(network: Network, size: int) -> None:
    content, style = picture(0, size), picture(1, size)
    targets = targets_of(network, content, [Style(style)], SETTINGS)
    ours, theirs = targets.losses(content), targets.losses(style)
    assert float(ours["content"]) == 0
    assert float(ours["style"]) == pytest.approx(3, rel=1e-5)
    assert float(theirs["content"]) == pytest.approx(2, rel=1e-5)
    assert float(theirs["style"]) == pytest.approx(0, abs=1e-5)


def test_smoothness_one_is_the_style_s_pixels_in_any_order(network: Network) -> None:
    # Two pixels at random differ by twice the variance; a third of 4 straight pairs and a twelfth of 4 diagonal ones
    # from both sides are 10 / 3 of it.
    for size in (96, 192):
        content, style = picture(0, size), picture(1, size)
        expected = float(style.var((2, 3), correction=0).mean()) * 10 / 3
        targets = targets_of(network, content, [Style(style)], SETTINGS)
        weight = targets.settings.smoothness_weight
        assert 0.5 / weight == pytest.approx(expected, rel=0.05)


def test_units_of_several_styles_are_their_mean_by_weight(network: Network) -> None:
    content, styles = picture(0, 48), [picture(1, 48), picture(2, 48) ** 4]
    targets = targets_of(network, content, [Style(styles[0]), Style(styles[1])], SETTINGS)
    alone = [units(targets, content, [(1.0, style)]) for style in styles]
    both = units(targets, content, [(1.0, styles[0]), (3.0, styles[1])])
    for name in ("content", "smoothness"):
        assert both[name] == pytest.approx((alone[0][name] + 3 * alone[1][name]) / 4)


def test_a_content_that_a_layer_hardly_answers_to_does_not_explode(network: Network) -> None:
    content, style = torch.full((1, 3, 48, 48), 0.5), picture(1, 48)
    content[..., :4, :4] += 0.01
    targets = targets_of(network, content, [Style(style)], SETTINGS)
    wanted = targets.content["conv2"]
    # A program that divides by the content's own answers would have a loss of this many times its weight.
    away = (targets.batch.values(style)["conv2"] - wanted).square().sum()
    assert float(away) > 1e3 * float((wanted - wanted.mean((2, 3), keepdim=True)).square().sum())
    steps = [*style_steps(targets, content, 30)]
    assert max(step.losses["content"] for step in steps) < 1.5 * SETTINGS.content_weight
    assert steps[-1].losses["style"] < 0.5 * steps[0].losses["style"]


def test_pictures_that_are_the_same_divide_by_no_zero(network: Network) -> None:
    content = picture(0, 48)
    for style in (content, torch.full_like(content, 0.5)):
        for photograph in (content, torch.full_like(content, 0.5)):
            targets = targets_of(network, photograph, [Style(style)], SETTINGS)
            losses = [float(loss) for loss in targets.losses(picture(3, 48)).values()]
            assert all(0 <= loss < 1e3 for loss in losses)
