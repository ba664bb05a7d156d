"""DiFull: the network that sees four pictures apart says of each what the whole one says of it alone."""

import numpy as np
import pytest
import torch

import convscope
from convscope.attribution.difull import disconnected
from convscope.attribution.target import target_of
from convscope.attribution.trust import trust
from convscope.errors import InputError
from convscope.network.network import Network
from planted import planted_network
from torch_cases import branches

SIDE = 32


@pytest.mark.parametrize("channels_last", [False, True])
def test_each_picture_has_the_score_that_it_has_alone(channels_last: bool) -> None:
    network = planted_network(channels_last=channels_last)
    torch.manual_seed(5)
    pictures = list(torch.rand((4, 1, SIDE, SIDE, 3) if channels_last else (4, 1, 3, SIDE, SIDE)))
    down, across = (1, 2) if channels_last else (2, 3)
    grid = torch.cat([torch.cat(pictures[:2], across), torch.cat(pictures[2:], across)], down)
    classes = [2, 0, 1, 2]
    targets = disconnected(network).targets(grid, classes)
    for place, (picture, number, target) in enumerate(zip(pictures, classes, targets, strict=True)):
        alone = convscope.gradient_times_input(network, picture, number)
        assert target.score == pytest.approx(alone.target.score, abs=1e-5)
        whole = convscope.gradient_times_input(target.network, grid, target).map
        top, left = SIDE * (place // 2), SIDE * (place % 2)
        own = whole[top : top + SIDE, left : left + SIDE]
        np.testing.assert_allclose(own, alone.map, atol=1e-6)
        assert own.any() and np.count_nonzero(whole) == np.count_nonzero(own)


def test_branches_that_meet_are_apart_too() -> None:
    network = convscope.open_network(branches(), input_shape=(1, 3, 24, 24))
    grid = torch.rand(1, 3, 48, 48, generator=torch.Generator().manual_seed(1))
    for place, target in enumerate(disconnected(network).targets(grid, [4, 3, 2, 1])):
        top, left = 24 * (place // 2), 24 * (place % 2)
        own = grid[:, :, top : top + 24, left : left + 24]
        assert target.score == pytest.approx(target_of(network, own, 4 - place).score, abs=1e-5)


def sure_network() -> Network:
    """Return a network of four classes, sure of each, whose filters answer to more than one color."""
    module = torch.nn.Sequential(
        torch.nn.Conv2d(3, 3, 1),
        torch.nn.ReLU(),
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
        torch.nn.Linear(3, 4),
    )
    rows = [[1, -1, -1], [-1, 1, -1], [-1, -1, 1], [0.5, 0.5, 0.5]]
    with torch.no_grad():
        module[0].weight.copy_(torch.eye(3).reshape(3, 3, 1, 1))
        module[0].bias.zero_()
        module[4].weight.copy_(40.0 * torch.tensor(rows))
        module[4].bias.zero_()
    opened = convscope.open_network(module.eval(), input_shape=(1, 3, SIDE, SIDE))
    spec = convscope.InputSpec((SIDE, SIDE), provenance={"size": "input shape"})
    return Network(opened.graph, input_spec=spec, labels=("red", "green", "blue", "white"))


def test_grad_cam_lights_what_the_class_cannot_see_and_hires_cam_does_not() -> None:
    """Its weights are means over all positions, so it also lights the white picture for red: a known fault."""
    colors = [(1.0, 0, 0), (0, 1.0, 0), (0, 0, 1.0), (0.9, 0.9, 0.9)]
    pictures = [np.broadcast_to(np.array(color) * 255, (SIDE, SIDE, 3)).astype(np.uint8) for color in colors]
    methods = ["grad-cam", "hires-cam", "eigen-cam", "saliency"]
    table = trust(sure_network(), pictures, methods=methods, measures=["single-deletion", "difull"], grids=2)
    worth = {row.method: row.means["difull"] for row in (*table.rows, *table.controls)}
    share = {name: mean.mean for name, mean in worth.items() if mean is not None}
    assert share["saliency"] == 1 and share["hires_cam"] > 0.95
    assert share["eigen_cam"] < 0.6 and share["grad_cam"] < 0.95
    assert share["centered blob"] == pytest.approx(0.25, abs=0.01)
    assert "DiFull" in str(table) and "2 grids" in str(table)


def test_a_network_without_positions_cannot_see_pictures_apart() -> None:
    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 8 * 8, 4)).eval()
    with pytest.raises(InputError, match="a layer with positions on the way"):
        disconnected(convscope.open_network(module, input_shape=(1, 3, 8, 8)))
