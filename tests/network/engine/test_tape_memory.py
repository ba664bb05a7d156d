"""What a tape makes without numbers against what torch really makes on the same way."""

import pytest
import torch

from convscope import open_network
from convscope.network.engine.allocation_log import AllocationLog
from convscope.network.engine.tape_memory import filter_bytes, tape_events
from convscope.network.graph import Graph, Operation
from convscope.network.network import Network
from convscope.network.parameters import Parameters


@pytest.fixture(scope="module")
def builtin() -> Network:
    return open_network("builtin")


def most(events: list[tuple[int, int]]) -> int:
    sizes, found = dict[int, int](), 0
    for number, size in events:
        sizes[number] = size
        found = max(found, sum(sizes.values()))
    return found


def planned(network: Network, layer: str, side: int) -> int:
    events = tape_events(
        network.graph, [layer], {"input": (1, 3, side, side)}, lambda found: found[0].square().sum()
    )
    return most(events)


@pytest.mark.parametrize("layer", ["conv1", "mixed3a", "mixed4b"])
def test_it_is_what_torch_makes(builtin: Network, layer: str) -> None:
    side = 224
    forward, picture = builtin.forward_to([layer]), torch.rand(1, 3, side, side)
    forward(picture.clone().requires_grad_())  # packs the filters
    leaf = picture.requires_grad_()
    with AllocationLog() as noted:
        value = forward(leaf)[layer].square().sum()
        slope = torch.autograd.grad(value, leaf)
    assert slope[0].shape == picture.shape
    assert planned(builtin, layer, side) == pytest.approx(most(noted.events), rel=0.2)


@pytest.mark.parametrize("beta", [0.75, 0.5])
def test_a_normalization_makes_as_many_tensors_as_its_power_needs(beta: float) -> None:
    shape, settings = (1, 16, 32, 32), {"size": 5, "alpha": 1e-4, "beta": beta, "k": 1.0}
    norm = Operation("lrn_across_channels", "norm", "LRN", ("data",), ("norm",), {}, settings)
    graph = Graph("normalized", {"data": shape}, (norm,), ("norm",), Parameters({}, {}.__getitem__))
    forward = Network(graph, input_spec=None).forward_to(["norm"])
    # As a convolution would have made it: in another order it would be copied.
    leaf = torch.rand(shape).contiguous(memory_format=torch.channels_last).requires_grad_()
    forward(leaf)  # packs the filters
    with AllocationLog() as noted:
        torch.autograd.grad(forward(leaf)["norm"].square().sum(), leaf)
    planned = tape_events(graph, ["norm"], {"data": shape}, lambda found: found[0].square().sum())
    made, plan = (sum(size >= 4 * leaf.numel() for _, size in found) for found in (noted.events, planned))
    assert plan == made


def test_it_grows_with_the_pixels(builtin: Network) -> None:
    assert planned(builtin, "conv1", 512) == pytest.approx(4 * planned(builtin, "conv1", 256), rel=0.05)


def test_filters_are_held_three_times_and_transformed_ones_more_often(builtin: Network) -> None:
    parameters = builtin.graph.parameters.shapes
    keys = {key for op in builtin.graph.needed_for(["conv1"]) for key in op.parameters.values()}
    numbers = sum(torch.Size(parameters[key]).numel() for key in keys)
    assert filter_bytes(builtin.graph, ["conv1"], {"input": (1, 3, 64, 64)}) == 3 * 4 * numbers
    small, large = (
        filter_bytes(builtin.graph, ["mixed5b"], {"input": (1, 3, side, side)}) for side in (64, 1024)
    )
    assert large > small
