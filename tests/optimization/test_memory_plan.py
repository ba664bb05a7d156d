"""Plans of memory: what is counted without numbers against what torch really holds, and the tiles that fit."""

import pytest
import torch

from convscope import open_network
from convscope.errors import InputError
from convscope.network.network import Network
from convscope.network.tape_memory import tape_bytes
from convscope.optimization.memory_plan import bytes_of, memory_plan, needed_bytes


@pytest.fixture(scope="module")
def builtin() -> Network:
    return open_network("builtin")


@pytest.mark.parametrize(
    ("text", "count"), [("2GB", 2 * 10**9), ("512 MB", 512 * 10**6), ("1.5g", 1_500_000_000), ("64", 64)]
)
def test_amounts(text: str, count: int) -> None:
    assert bytes_of(text) == count


def test_what_is_no_amount() -> None:
    with pytest.raises(InputError, match="'much' is no amount of memory: write 2GB or 512MB"):
        bytes_of("much")


def test_a_tape_takes_memory_by_the_pixel(builtin: Network) -> None:
    small, large = (tape_bytes(builtin.graph, ["mixed4a"], {"input": (1, 3, s, s)}) for s in (128, 256))
    assert large == pytest.approx(4 * small, rel=0.05)
    conv1 = 4 * torch.tensor(builtin.shape_channels_first("conv1")).prod() * (128 / 80) ** 2
    assert small > conv1


def test_the_largest_tile_that_fits_is_chosen(builtin: Network) -> None:
    size, layers = (1024, 1024), ["mixed3b"]
    assert memory_plan(builtin, layers, size).tile is None
    whole = needed_bytes(builtin, layers, size)
    plan = memory_plan(builtin, layers, size, int(0.6 * whole))
    assert plan.tile is not None
    assert plan.needed <= 0.6 * whole
    assert f"in tiles of {plan.tile}" in str(plan)
    with pytest.raises(InputError, match=r"1 MB is too little.*give at least"):
        memory_plan(builtin, layers, size, 10**6)
