"""A network with weights drawn at random, in float64, and the same one written in torch: for gradients' oracles."""

import torch
from torch import Tensor, nn

from convscope.network.graph import Graph, Operation
from convscope.network.network import Network
from convscope.network.parameters import Parameters
from planted import with_channels_last

CLASSES = 4


def torch_network() -> nn.Sequential:
    """Return convolution, ReLU, max pooling, convolution, ReLU, fully connected: modules, none in place."""
    torch.manual_seed(1)
    network = nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 8, 3),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(8 * 4 * 4, CLASSES),
    )
    return network.double().eval()


def same_network(twin: nn.Sequential, *, channels_last: bool = False) -> Network:
    """Return `torch_network` as convscope has it: ReLUs in place, the weights and all answers the same.

    With `channels_last` its values are (batch, height, width, channels); it ends in the second ReLU.
    """
    weights = {name: value.detach() for name, value in twin.state_dict().items()}

    def learned(kind: str, name: str, before: str, after: str, index: int, **attributes: int) -> Operation:
        roles = {role: f"{index}.{role}" for role in ("weight", "bias")}
        return Operation(kind, name, kind, (before,), (after,), roles, attributes)

    operations = [
        learned("convolution", "conv1", "data", "conv1@conv1", 0, padding=1),
        Operation("relu", "relu1", "ReLU", ("conv1@conv1",), ("conv1",), in_place=True),
        Operation(
            "max_pool", "pool1", "Pooling", ("conv1",), ("pool1",), attributes={"kernel": 2, "stride": 2}
        ),
        learned("convolution", "conv2", "pool1", "conv2@conv2", 3),
        Operation(
            "clip", "relu2", "ReLU", ("conv2@conv2",), ("conv2",), attributes={"minimum": 0.0, "maximum": 1e9}
        ),
    ]
    if not channels_last:
        operations += [learned("dense", "scores", "conv2", "scores", 6)]
    output = operations[-1].outputs[0]
    parameters = Parameters({key: tuple(value.shape) for key, value in weights.items()}, weights.__getitem__)
    graph = Graph("twin", {"data": (1, 3, 12, 12)}, tuple(operations), (output,), parameters)
    return Network(with_channels_last(graph) if channels_last else graph, input_spec=None)


def random_input(seed: int = 0) -> Tensor:
    """Return an input of both signs, (1, 3, 12, 12), float64."""
    return torch.randn(1, 3, 12, 12, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
