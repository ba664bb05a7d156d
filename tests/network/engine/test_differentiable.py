"""The fast way to values and gradients against the plain operations in float64."""

import warnings
from dataclasses import replace
from math import prod, sqrt
from pathlib import Path

import pytest
import torch
from torch import Tensor

import convscope
from convscope.dreaming.options import DreamOptions
from convscope.errors import UnknownLayer
from convscope.formats.caffe.building import build_graph
from convscope.formats.caffe.text import read_text
from convscope.network.engine import differentiable
from convscope.network.graph import Graph
from convscope.network.network import Network
from planted import planted_network, with_channels_last
from precision import in_double_precision
from zoo import ZOO


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


def drawn(graph: Graph, seed: int = 0) -> Graph:
    """Return the graph with weights that keep the numbers' size from layer to layer (He et al., 2015)."""
    random = torch.Generator().manual_seed(seed)
    parameters = {}
    for key, shape in graph.parameters.shapes.items():
        value = torch.randn(shape, generator=random)
        filters = len(shape) > 1
        parameters[key] = value * sqrt(2 / prod(shape[1:])) if filters else 1 + 0.1 * value
    return replace(graph, parameters=graph.parameters.replaced(parameters))


def error(found: Tensor, expected: Tensor) -> float:
    return float((found.detach() - expected.detach()).norm() / expected.detach().norm())


def compared(network: Network, targets: list[str], x: Tensor) -> tuple[float, float]:
    """Return how far values and gradients are from the plain operations' in float64, in L2."""
    plain = in_double_precision(network)
    exact = x.double().requires_grad_()
    x = x.requires_grad_()
    expected, found = plain.activations(exact, *targets), network.forward_to(targets)(x)
    expected = {name: plain.channels_first(name, value) for name, value in expected.items()}
    random = torch.Generator().manual_seed(2)
    pulls = {name: torch.randn(value.shape, generator=random) for name, value in found.items()}
    (gradient,) = torch.autograd.grad([(found[name] * pulls[name]).sum() for name in targets], x)
    (wanted,) = torch.autograd.grad([(expected[name] * pulls[name]).sum() for name in targets], exact)
    return max(error(found[name], expected[name]) for name in targets), error(gradient, wanted)


SMALL = [
    "caffenet",
    "vgg",
    "nin",
    "resnet",
    "googlenet",
    "mobilenet",
    "densenet",
    "deeplab",
    "squeezenet",
    "hed",
]


@pytest.mark.parametrize("name", SMALL)
def test_values_and_gradients_are_those_of_float64(name: str) -> None:
    network = Network(drawn(build_graph(read_text(ZOO[name]()))), input_spec=None)
    maps = [value for value, shape in network.shapes.items() if shape and len(shape) == 4][1:]
    for targets in ([maps[-1]], [maps[len(maps) // 2], maps[-1]], maps):
        values, gradient = compared(network, targets, picture(network, batch=2))
        assert values < 1e-5
        assert gradient < 1e-5


def test_channels_last_networks_too() -> None:
    graph = with_channels_last(drawn(build_graph(read_text(ZOO["resnet"]()))))
    values, gradient = compared(Network(graph, input_spec=None), ["res3a"], torch.rand(2, 33, 33, 3))
    assert max(values, gradient) < 1e-5


def test_every_size_has_its_own_tape_and_the_same_filters() -> None:
    network = Network(drawn(build_graph(read_text(ZOO["resnet"]()))), input_spec=None)
    forward = network.forward_to(["res2a"])
    for size in (33, 40, 33, 64):
        x = torch.rand(1, 3, size, size + 2, generator=torch.Generator().manual_seed(size))
        expected = network.activations(x, "res2a")["res2a"]
        torch.testing.assert_close(forward(x)["res2a"], expected, rtol=1e-4, atol=1e-5)


def test_a_batch_gives_what_each_picture_gives_alone() -> None:
    network = Network(drawn(build_graph(read_text(ZOO["googlenet"]()))), input_spec=None)
    forward = network.forward_to(["inception_3a/output"])
    x = picture(network, batch=3).requires_grad_()
    (together,) = torch.autograd.grad(forward(x)["inception_3a/output"].square().sum(), x)
    for index in range(3):
        one = x[index : index + 1].detach().requires_grad_()
        (alone,) = torch.autograd.grad(forward(one)["inception_3a/output"].square().sum(), one)
        torch.testing.assert_close(together[index : index + 1], alone, rtol=1e-4, atol=1e-5)


def test_the_gradient_given_is_not_written_over() -> None:
    network = planted_network()
    x = picture(network).requires_grad_()
    value = network.forward_to(["conv1"])(x)["conv1"]
    pull = torch.ones_like(value)
    torch.autograd.grad(value, x, pull)
    assert torch.equal(pull, torch.ones_like(value))


def test_the_way_back_is_there_once() -> None:
    network = planted_network()
    x = picture(network).requires_grad_()
    total = network.forward_to(["conv2"])(x)["conv2"].sum()
    torch.autograd.grad(total, x, retain_graph=True)
    with pytest.raises(RuntimeError, match="run the network again"):
        torch.autograd.grad(total, x)


@pytest.mark.parametrize("is_fast", [True, False])
def test_speed_that_the_processor_does_not_have_is_told(
    is_fast: bool, monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    warnings.simplefilter("always")
    monkeypatch.setattr(differentiable, "bfloat16_is_fast", lambda: is_fast)
    assert DreamOptions(fast=True).settings().precision == "bfloat16"
    assert ["half precision is not faster" in str(each.message) for each in recwarn] == [True] * (not is_fast)


def test_bfloat16_is_right_to_a_few_hundredths_and_given_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    there = torch.ops.mkldnn._is_mkldnn_bf16_supported()  # fast or not
    monkeypatch.setattr(differentiable, "bfloat16_is_fast", lambda: there)
    network = Network(drawn(build_graph(read_text(ZOO["googlenet"]()))), input_spec=None)
    x = picture(network).requires_grad_()
    found = network.forward_to(["inception_3a/output"], precision="bfloat16")(x)["inception_3a/output"]
    (gradient,) = torch.autograd.grad(found.sum(), x)
    assert found.dtype == gradient.dtype == torch.float32
    assert error(found, network.activations(x, "inception_3a/output")["inception_3a/output"]) < 0.03


def test_a_network_in_float64_goes_the_plain_way() -> None:
    network = in_double_precision(planted_network())
    forward = network.forward_to(["prob"], channels={"prob": [1]})
    x = picture(network).double()
    assert torch.equal(forward(x)["prob"], network.activations(x, "prob")["prob"][:, [1]])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("bvlc_googlenet", "inception_3b/output"),
        ("bvlc_googlenet", "inception_5b/output"),
        ("squeezenet_v1.1", "fire9/concat"),
    ],
)
def test_trained_networks(shared_data: Path, name: str, target: str) -> None:
    folder = shared_data / "caffe" / name
    weights = next(folder.glob("*.caffemodel"))
    network = convscope.open_network(folder / "deploy.prototxt", weights=weights)
    # Noise: where neighbors of a photograph are equal, rounding says which of them a maximum is.
    values, gradient = compared(network, [target], 100 * picture(network) - 50)
    assert values < 1e-5
    assert gradient < 1e-4


def test_the_built_in_network() -> None:
    network = convscope.open_network("builtin")
    target = [name for name, shape in network.shapes.items() if shape and len(shape) == 4][-2]
    assert network.input_spec is not None
    noise = torch.rand(1, 3, 80, 80, generator=torch.Generator().manual_seed(0))
    values, gradient = compared(network, [target], network.input_spec.from_rgb(noise))
    assert values < 1e-5
    assert gradient < 1e-4
