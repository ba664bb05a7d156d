"""What memory cannot hold is refused before anything is made, with the size that would fit."""

from __future__ import annotations

import re

import numpy as np
import pytest

import convscope
from convscope.errors import InputError
from convscope.optimization import size_limits
from convscope.optimization.size_limits import network_bytes, picture_bytes, require_size_fits
from planted import planted_network

PICTURE = np.random.default_rng(0).integers(0, 256, (48, 64, 3)).astype(np.uint8)


@pytest.fixture(autouse=True)
def one_gigabyte(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(size_limits, "machine_memory", lambda: 10**9)


def test_the_size_that_is_named_fits_and_a_larger_one_does_not() -> None:
    with pytest.raises(
        InputError, match=r"needs about 960\.0 GB of memory, and this machine has 1.0 GB"
    ) as refused:
        require_size_fits("a dream", (100_000, 100_000), picture_bytes)
    longer = int(re.search(r"a size of ([0-9,]+) pixels would fit", str(refused.value))[1].replace(",", ""))
    require_size_fits("a dream", (longer, longer), picture_bytes)
    with pytest.raises(InputError):
        require_size_fits("a dream", (longer + 20, longer + 20), picture_bytes)


def test_a_network_takes_what_its_values_take() -> None:
    """conv1 of the planted network has 8 channels at the picture's size, after 3 of input."""
    network = planted_network()
    shapes = network.shapes_at((40, 60), ["conv1"])
    numbers = sum(int(np.prod(shape)) for shape in shapes.values() if shape)
    assert network_bytes(network, ["conv1"], (40, 60)) == pytest.approx(1.6 * 4 * numbers, abs=1)


@pytest.mark.parametrize("size", [5_000, 100_000])
def test_every_maker_refuses_before_it_begins(size: int) -> None:
    network = planted_network()
    for make in (
        lambda: convscope.deep_dream(network, PICTURE, "conv1", size=size),
        lambda: convscope.deep_dream(network, None, "conv1", size=size),
        lambda: convscope.style_transfer(
            network, PICTURE, PICTURE, size=size, content_layers="conv2", style_layers="conv1"
        ),
        lambda: convscope.feature_visualization(network, "conv1:0", size=size),
    ):
        with pytest.raises(InputError, match=r"needs about [\d,.]+ GB of memory.* pixels would fit"):
            make()
