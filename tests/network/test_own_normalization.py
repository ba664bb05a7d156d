"""A network that normalizes its pictures itself is not given normalized ones."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from convscope.formats.opening import open_network
from convscope.network.own_normalization import find_own_normalization

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Normalizing(nn.Module):
    def __init__(self, mean: tuple[float, ...], deviation: tuple[float, ...], swap: bool = False) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).reshape(1, -1, 1, 1))
        self.register_buffer("deviation", torch.tensor(deviation).reshape(1, -1, 1, 1))
        self.layers = nn.Sequential(
            nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 7)
        )
        self.swap = swap

    def forward(self, x: Tensor) -> Tensor:
        x = 1 - x if self.swap else (x - self.mean) / self.deviation  # type: ignore[operator]
        return self.layers(x)  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("mean", "deviation", "white"),
    [
        (MEAN, DEVIATION, 1.0),
        (tuple(255 * m for m in MEAN), tuple(255 * d for d in DEVIATION), 255.0),
        ((127.5,), (127.5,), 255.0),
        ((0.5,), (0.5,), 1.0),
        ((0.0,), (255.0,), 255.0),
        ((104.0, 117.0, 123.0), (1.0,), 255.0),
    ],
)
def test_pictures_are_normalized_once(
    mean: tuple[float, ...], deviation: tuple[float, ...], white: float
) -> None:
    torch.manual_seed(0)
    module = Normalizing(mean, deviation).eval()
    network = open_network(module, input_shape=(1, 3, 72, 80))
    spec = network.input_spec
    assert spec is not None
    assert (spec.raw_scale, spec.mean, spec.input_scale) == (white, (), 1.0)
    assert "inside the network" in spec.provenance["mean"]
    color = np.full((72, 80, 3), (200, 30, 90), np.uint8)
    expected = module(torch.tensor(color / 255 * white, dtype=torch.float32).movedim(-1, 0)[None])
    found = network.activations(network.preprocess(color), "layers")["layers"]
    torch.testing.assert_close(found, expected.detach(), rtol=1e-4, atol=1e-5)


def test_what_is_no_normalization_is_left() -> None:
    network = open_network(Normalizing(MEAN, DEVIATION, swap=True), input_shape=(1, 3, 72, 80))
    assert find_own_normalization(network.graph) is None
    assert network.input_spec is not None and len(network.input_spec.mean) == 3


def test_what_was_said_counts(tmp_path: Path) -> None:
    network = open_network(Normalizing(MEAN, DEVIATION), input_shape=(1, 3, 72, 80), raw_scale=255.0)
    assert network.input_spec is not None and network.input_spec.raw_scale == 255.0
