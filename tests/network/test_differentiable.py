"""The fast way to values and gradients against the plain operations in float64."""

import pytest
import torch
from torch import Tensor

from convscope.errors import UnknownLayer
from convscope.network.network import Network
from planted import planted_network


def picture(network: Network, seed: int = 0, batch: int = 1) -> Tensor:
    shape = next(iter(network.graph.inputs.values()))
    return torch.rand(batch, *shape[1:], generator=torch.Generator().manual_seed(seed))


def test_it_gives_the_values_asked_for_by_the_names_asked_with() -> None:
    network = planted_network()
    x = picture(network, batch=2)
    found = network.forward_to(["conv1", "conv2"])(x)
    assert list(found) == ["conv1", "conv2"]
    for name, value in found.items():
        torch.testing.assert_close(value, network.activations(x, name)[name], rtol=1e-5, atol=1e-6)


def test_of_a_layer_only_the_wanted_channels_in_their_order() -> None:
    network = planted_network()
    x = picture(network, batch=2)
    found = network.forward_to(["conv1", "conv2"], channels={"conv2": [2, 0]})(x)
    assert found["conv1"].shape[1] == 8
    torch.testing.assert_close(
        found["conv2"], network.activations(x, "conv2")["conv2"][:, [2, 0]], rtol=1e-5, atol=1e-6
    )


def test_a_channel_or_a_layer_that_is_not_there_is_named() -> None:
    network = planted_network()
    with pytest.raises(UnknownLayer, match="'conv2' has 3 channels, 0 to 2; there is no 3"):
        network.forward_to(["conv2"], channels={"conv2": [0, 3]})
    with pytest.raises(UnknownLayer, match="Did you mean 'conv2'"):
        network.forward_to(["conv3"])
