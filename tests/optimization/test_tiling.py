"""Tiles against the whole: the same objective and the same gradient, on real networks and at awkward sizes."""

from pathlib import Path

import pytest
import torch

from convscope import open_network
from convscope.dreaming.gradients import gradient_of, tiled_gradient_of
from convscope.dreaming.objectives import dream_terms
from convscope.dreaming.steps import DreamSettings
from convscope.errors import InputError
from convscope.network.network import Network
from convscope.optimization.tiling import AxisPositions, strips, tiling
from precision import in_double_precision


@pytest.fixture(scope="module")
def builtin() -> Network:
    return open_network("builtin")


def test_strips_give_every_position_to_one_window() -> None:
    grids = {"deep": AxisPositions(13, 16, -20, 60), "shallow": AxisPositions(100, 2, -3, 8)}
    found = strips(grids, 200, 64)
    for name, grid in grids.items():
        owned = [index for strip in found for index in range(*strip.own[name])]
        assert owned == list(range(grid.count))
    for strip in found:
        assert strip.window[0] % 16 == 0
        assert (strip.window[1] - strip.window[0]) % 16 == 200 % 16
        for name, grid in grids.items():
            first, last = strip.own[name]
            assert strip.window[0] <= max(0, first * grid.stride + grid.start)
            assert strip.window[1] >= min(200, (last - 1) * grid.stride + grid.start + grid.size)


@pytest.mark.parametrize(("height", "width"), [(192, 231), (199, 187)])
@pytest.mark.parametrize(
    ("layers", "measure"),
    [
        ({"mixed3a": 1.0, "mixed4b": 0.5}, "mean_square"),
        ({"mixed3b:17": 1.0}, "mean"),
        ({"mixed3b": 1.0}, "maximum"),
        ({"mixed3b": 1.0}, "inner_mean_square"),
    ],
)
def test_tiles_are_exact(builtin: Network, height: int, width: int, layers, measure) -> None:
    # In double precision: where a maximum or a ReLU hangs by a rounding, its gradient jumps.
    network = in_double_precision(builtin)
    values = torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    terms, settings = dream_terms(layers, measure), DreamSettings(black=0, white=1)
    expected, wanted = gradient_of(network, terms, settings)(values)
    found, slope = tiled_gradient_of(network, terms, settings, 64)(values)
    assert torch.allclose(found, expected, rtol=1e-9)
    assert (slope - wanted).norm() < 1e-9 * wanted.norm()


def test_tiles_are_exact_with_rounding_up(shared_data: Path) -> None:
    network = in_double_precision(open_network(shared_data / "caffe" / "bvlc_googlenet"))
    values = torch.rand(1, 3, 277, 221, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 255
    terms, settings = dream_terms({"inception_3b/output": 1.0}, "mean_square"), DreamSettings()
    expected, wanted = gradient_of(network, terms, settings)(values)
    found, slope = tiled_gradient_of(network, terms, settings, 96)(values)
    assert torch.allclose(found, expected, rtol=1e-9)
    assert (slope - wanted).norm() < 1e-9 * wanted.norm()


def test_what_has_no_maps_is_not_tiled(builtin: Network) -> None:
    with pytest.raises(InputError, match="head has no rows and columns"):
        tiling(builtin, ["head"], (256, 256), 64)


def test_a_side_that_every_position_sees_all_of_is_not_cut(builtin: Network) -> None:
    tiles = tiling(builtin, ["mixed4c"], (72, 1024), 64).tiles
    assert len(tiles) == 16
    assert {tile.rows.window for tile in tiles} == {(0, 72)}
    assert len(tiling(builtin, ["mixed5b"], (128, 128), 64).tiles) == 1


def test_one_position_has_no_tiles(builtin: Network) -> None:
    with pytest.raises(
        InputError, match="mixed3b:17@3,5 is one position, which tiles have none of: leave out"
    ):
        tiled_gradient_of(builtin, dream_terms({"mixed3b:17@3,5": 1.0}, "mean"), DreamSettings(), 64)
