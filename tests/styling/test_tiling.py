"""Style losses in tiles against the whole: the same losses and gradients, on real networks and at awkward sizes."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from convscope import open_network
from convscope.errors import InputError
from convscope.network.network import Network
from convscope.optimization.regularizers import TotalVariation
from convscope.styling.losses import GramLoss, MomentsLoss, StyleLoss, WassersteinLoss, sum_of_squares
from convscope.styling.settings import StyleSettings
from convscope.styling.targets import Style, targets_of
from convscope.styling.tiling import described, part_of_sums, shares, tiled_targets_of

LAYERS = {"conv2": 1.0, "mixed3a": 0.5}
GOOGLENET = {"conv2/3x3": 1.0, "inception_3b/output": 0.5}


@pytest.fixture(scope="module")
def builtin() -> Network:
    return open_network("builtin")


def _noise(*shape: int, seed: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def _require_equal(network: Network, settings: StyleSettings, styles: list[Style], tile: int) -> None:
    content, values = _noise(1, 3, 200, 231, seed=0), settings.values(_noise(1, 3, 200, 231, seed=1))
    expected, wanted = targets_of(network, content, styles, settings).gradient(values)
    tiled = tiled_targets_of(network, content, styles, settings, tile)
    assert len(tiled.windows.cut.tiles) > 4
    found, slope = tiled.gradient(values)
    assert found.keys() == expected.keys()
    for name, loss in expected.items():
        assert float(found[name]) == pytest.approx(float(loss), rel=1e-5)
    assert float((slope - wanted).norm()) < 1e-4 * float(wanted.norm())


@pytest.mark.parametrize("style", [GramLoss(), GramLoss("nothing", "sum"), WassersteinLoss()])
def test_tiles_are_exact(builtin: Network, style: StyleLoss) -> None:
    settings = StyleSettings({"mixed3a": 1.0}, LAYERS, style=style, smoothness=TotalVariation(1e-3))
    _require_equal(builtin, settings, [Style(_noise(1, 3, 187, 150, seed=2) ** 2)], 64)


def test_units_are_those_of_the_whole(builtin: Network) -> None:
    settings = StyleSettings(
        {"mixed3a": 1.0},
        LAYERS,
        style=MomentsLoss(),
        smoothness=TotalVariation(1.0),
        smoothness_weight=0.1,
        in_units=True,
    )
    styles = [Style(_noise(1, 3, 187, 150, seed=2) ** 2, 2.0), Style(_noise(1, 3, 99, 140, seed=3) ** 0.5)]
    _require_equal(builtin, settings, styles, 64)


@pytest.mark.parametrize("style", [GramLoss("nothing", "sum"), WassersteinLoss()])
def test_regions_and_masks_are_exact(builtin: Network, style: StyleLoss) -> None:
    left = torch.zeros(1, 1, 200, 231)
    left[..., :101] = 1
    styles = [
        Style(_noise(1, 3, 160, 203, seed=2) ** 2, 2.0, mask=_noise(1, 1, 160, 203, seed=4), region=left),
        Style(_noise(1, 3, 99, 140, seed=3) ** 0.5, region=1 - left),
    ]
    settings = StyleSettings({"conv2": 1.0}, LAYERS, content=sum_of_squares, style=style)
    _require_equal(builtin, settings, styles, 64)


@pytest.mark.parametrize("style", [GramLoss(), WassersteinLoss()])
def test_tiles_are_exact_with_rounding_up(shared_data: Path, style: StyleLoss) -> None:
    network = open_network(shared_data / "caffe" / "bvlc_googlenet")
    settings = StyleSettings({"inception_3b/output": 1.0}, GOOGLENET, style=style, white=255.0)
    _require_equal(network, settings, [Style(_noise(1, 3, 150, 187, seed=2) ** 2)], 64)


def test_sums_of_parts_are_the_whole() -> None:
    value, region = _noise(1, 5, 12, 9, seed=0) + 3, _noise(1, 1, 12, 9, seed=1)
    for style in (GramLoss(), GramLoss("positions"), GramLoss("nothing"), MomentsLoss(), WassersteinLoss()):
        share = shares(style, region)
        parts = [
            part_of_sums(style, value[:, :, rows], share[:, :, rows]) for rows in (slice(5), slice(5, 12))
        ]
        assert torch.allclose(
            described(style, sum(parts)),
            style.describe(value.double(), region.double()),
            rtol=1e-5,
            atol=1e-7,
        )


def test_a_picture_of_one_tile_is_looked_at_at_once(builtin: Network) -> None:
    settings = StyleSettings({"mixed5b": 1.0}, {"mixed4a": 1.0})
    content = _noise(1, 3, 96, 90, seed=0)
    tiled = tiled_targets_of(builtin, content, [Style(content**2)], settings, 96)
    assert len(tiled.windows.cut.tiles) == 1
    assert tiled.gradient(content)[1].shape == content.shape


def test_what_sees_everything_is_one_window(builtin: Network) -> None:
    settings = StyleSettings({"mixed5b": 1.0}, {"mixed3a": 1.0})
    content = _noise(1, 3, 128, 128, seed=0)
    assert len(tiled_targets_of(builtin, content, [Style(content)], settings, 64).windows.cut.tiles) == 1


def test_one_position_has_no_tiles(builtin: Network) -> None:
    settings = StyleSettings({"mixed3a:3@1,2": 1.0}, {"conv2": 1.0})
    content = _noise(1, 3, 128, 128, seed=0)
    with pytest.raises(InputError, match="mixed3a:3@1,2 is one position"):
        tiled_targets_of(builtin, content, [Style(content)], settings, 64)
