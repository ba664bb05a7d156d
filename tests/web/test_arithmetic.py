"""The number on paper is the number that the network computed, at every place, with padding, strides and groups."""

import pytest
import torch

from convscope.address import Address
from convscope.errors import InputError
from convscope.network.graph import Graph, Operation
from convscope.network.input_spec import InputSpec
from convscope.network.network import Network
from convscope.network.parameters import Parameters
from convscope.pictures.photograph import open_photograph
from convscope.web.arithmetic import arithmetic
from planted import planted_network


def strided_network() -> Network:
    """A convolution of three groups, with a stride, a dilation and more padding at the top than at the left."""
    generator = torch.Generator().manual_seed(5)
    weights = {"w": torch.randn(6, 1, 3, 2, generator=generator), "b": torch.randn(6, generator=generator)}
    attributes = {"stride": (2, 3), "padding": (2, 1), "dilation": (2, 1), "groups": 3}
    shapes = {name: tuple(value.shape) for name, value in weights.items()}
    step = Operation("convolution", "conv", "Conv", ("x",), ("y",), {"weight": "w", "bias": "b"}, attributes)
    relu = Operation("relu", "relu", "Relu", ("y",), ("z",))
    graph = Graph(
        "strided", {"x": (1, 3, 17, 23)}, (step, relu), ("z",), Parameters(shapes, weights.__getitem__)
    )
    return Network(graph, input_spec=InputSpec((17, 23)))


@pytest.mark.parametrize("place", [(0, 0), (3, 4), (8, 7), (8, 0)])
@pytest.mark.parametrize("channel", [0, 3, 5])
def test_it_adds_up(place: tuple[int, int], channel: int) -> None:
    network, photograph = strided_network(), open_photograph("chelsea")
    found = arithmetic(network, Address("y", channel, place), photograph)
    value = network.activations(network.preprocess(photograph), "y")["y"][0, channel, place[0], place[1]]
    assert found["sum"] == pytest.approx(float(value), abs=1e-5)
    assert found["answers"] == pytest.approx(float(value), abs=1e-5)
    assert [term["channel"] for term in found["terms"]] == [channel // 2]


def test_what_follows_in_place_is_named() -> None:
    found = arithmetic(planted_network(), Address("conv2", 0, (3, 5)), open_photograph("coffee"))
    assert found["steps"] == ["ReLU"]
    assert found["answers"] == pytest.approx(max(0.0, found["sum"]), abs=1e-6)
    assert found["others"]["count"] == 4
    assert found["sum"] == pytest.approx(
        sum(term["sum"] for term in found["terms"]) + found["others"]["sum"] + found["bias"], abs=1e-9
    )


@pytest.mark.parametrize(
    "address", [Address("pool1", 0, (1, 1)), Address("conv1", 0), Address("scores", 0, (0, 0))]
)
def test_what_is_no_convolution_says_so(address: Address) -> None:
    with pytest.raises(InputError):
        arithmetic(planted_network(), address, open_photograph("coffee"))
