"""Operations that run as one against the same operations one by one."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from convscope.formats.caffe.building import build_graph
from convscope.formats.caffe.text import read_text
from convscope.network.engine.execution import cut
from convscope.network.engine.fusion import find_chains
from convscope.network.graph import Graph, Operation
from convscope.network.network import Network
from convscope.network.parameters import Parameters

TEXT = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 dim: 13 dim: 11 } } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
        convolution_param { num_output: 8 kernel_size: 3 pad: 1 stride: 2 bias_term: false } }
layer { name: "bn1" type: "BatchNorm" bottom: "conv1" top: "conv1" }
layer { name: "scale1" type: "Scale" bottom: "conv1" top: "conv1" scale_param { bias_term: true } }
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
layer { name: "norm1" type: "LRN" bottom: "conv1" top: "norm1" lrn_param { local_size: 5 alpha: 0.5 beta: 0.6 k: 2 } }
layer { name: "conv2" type: "Convolution" bottom: "norm1" top: "conv2"
        convolution_param { num_output: 8 kernel_size: 3 group: 2 dilation: 2 pad: 2 } }
layer { name: "leaky" type: "ReLU" bottom: "conv2" top: "conv2" relu_param { negative_slope: 0.1 } }
layer { name: "conv3" type: "Convolution" bottom: "conv2" top: "conv3"
        convolution_param { num_output: 8 kernel_size: 1 } }
layer { name: "relu3" type: "ReLU" bottom: "conv3" top: "relu3" }
layer { name: "both" type: "Concat" bottom: "conv3" bottom: "relu3" top: "both" }
layer { name: "fc" type: "InnerProduct" bottom: "both" top: "fc" inner_product_param { num_output: 5 } }
layer { name: "relu4" type: "ReLU" bottom: "fc" top: "fc" }
"""


@pytest.fixture
def network() -> Network:
    graph = build_graph(read_text(TEXT))
    random = torch.Generator().manual_seed(0)
    drawn = {
        k: torch.rand(v, generator=random) + 0.2 * ("weight" not in k)
        for k, v in graph.parameters.shapes.items()
    }
    drawn |= {k: v - 0.5 for k, v in drawn.items() if k.startswith(("conv", "fc"))}
    return Network(replace(graph, parameters=graph.parameters.replaced(drawn)), input_spec=None)


def fused_kinds(network: Network, *targets: str) -> list[tuple[str, ...]]:
    chains = find_chains(network.graph, network.graph.needed_for(targets), targets)
    return [tuple(operation.kind for operation in chain.operations) for chain in chains.values()]


def test_which_operations_run_as_one(network: Network) -> None:
    assert fused_kinds(network, "fc") == [
        ("convolution", "batch_norm", "scale", "relu"),
        ("convolution",),  # a leaky ReLU is its own step
        ("convolution",),  # two layers read conv3
        ("dense", "relu"),
    ]
    assert fused_kinds(network, "conv1@bn1", "conv1") == [("convolution", "batch_norm")]
    assert fused_kinds(network, "relu3") == [*fused_kinds(network, "conv2"), ("convolution", "relu")]


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("targets", [(), ("fc",), ("conv1@bn1", "conv1@conv1", "fc"), ("relu3",)])
def test_the_values_are_the_plain_ones(network: Network, batch: int, targets: tuple[str, ...]) -> None:
    x = torch.randn(batch, 3, 13, 11, generator=torch.Generator().manual_seed(1))
    found = network.activations(x, *targets)
    plain = cut(network.graph, found)(x)
    for value, expected in zip(found.values(), plain, strict=True):
        torch.testing.assert_close(value, expected, rtol=1e-5, atol=1e-5 * float(expected.abs().max()))
        assert not value.requires_grad


def test_the_same_input_gives_the_same_bits_whatever_ran_before(network: Network) -> None:
    x = torch.randn(1, 3, 13, 11, generator=torch.Generator().manual_seed(1))
    first = network.activations(x, "fc")["fc"]
    for size in (5, 7, 9, 21, 33):
        network.activations(torch.randn(1, 3, size, size), "conv1")
    assert torch.equal(network.activations(x, "fc")["fc"], first)
    assert torch.equal(network.activations(x, "fc", "conv1")["fc"], first)


@pytest.mark.parametrize(
    "after",
    [
        'type: "Scale" scale_param { num_axes: -1 bias_term: true }',
        'type: "Scale" scale_param { num_axes: 2 }',
        'type: "Scale" scale_param { axis: 2 num_axes: 1 }',
        'type: "BatchNorm" batch_norm_param { use_global_stats: false }',
    ],
)
def test_only_what_has_one_number_a_channel_is_folded(after: str) -> None:
    text = TEXT[: TEXT.index('layer { name: "conv1"')]
    text += """layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
                       convolution_param { num_output: 11 kernel_size: 3 pad: 1 } }"""
    graph = build_graph(read_text(f'{text} layer {{ name: "last" bottom: "conv" top: "last" {after} }}'))
    random = torch.Generator().manual_seed(0)
    drawn = {key: torch.randn(shape, generator=random) for key, shape in graph.parameters.shapes.items()}
    network = Network(replace(graph, parameters=graph.parameters.replaced(drawn)), input_spec=None)
    x = torch.randn(2, 3, 13, 11, generator=random)
    (expected,) = cut(network.graph, ["last"])(x)
    torch.testing.assert_close(network.activations(x, "last")["last"], expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("roles", [("weight", "bias"), ("weight",), ("bias",)])
def test_a_batch_normalization_with_scale_and_bias_of_its_own_is_folded(roles: tuple[str, ...]) -> None:
    random = torch.Generator().manual_seed(0)
    shapes = {
        "conv": (5, 3, 3, 3),
        "offset": (5,),
        "mean": (5,),
        "variance": (5,),
        "weight": (5,),
        "bias": (5,),
    }
    drawn = {key: torch.rand(shape, generator=random) + 0.1 for key, shape in shapes.items()}
    keys = {role: role for role in ("mean", "variance", *roles)}
    graph = Graph(
        "folded",
        {"x": (1, 3, 8, 8)},
        (
            Operation(
                "convolution", "conv", "Conv2d", ("x",), ("conv",), {"weight": "conv", "bias": "offset"}
            ),
            Operation("batch_norm", "bn", "BatchNorm2d", ("conv",), ("bn",), keys),
        ),
        ("bn",),
        Parameters(shapes, drawn.__getitem__),
    )
    network = Network(graph, input_spec=None)
    assert fused_kinds(network, "bn") == [("convolution", "batch_norm")]
    x = torch.randn(2, 3, 8, 8, generator=random)
    (expected,) = cut(graph, ["bn"])(x)
    torch.testing.assert_close(network.activations(x, "bn")["bn"], expected, rtol=1e-5, atol=1e-5)


def with_one(number: float) -> Tensor:
    weight = torch.full((5, 1144), 0.5)
    weight[3, 1000] = number
    return weight


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_weights_that_are_broken_are_not_packed(network: Network, number: float) -> None:
    chain = find_chains(network.graph, network.graph.needed_for(["fc"]), ["fc"])["fc@fc"]
    assert chain.filters(network.parameters)
    for role, broken in (("weight", with_one(number)), ("bias", torch.tensor([0, 0, number, 0, 0]))):
        assert chain.filters(network.parameters.replaced({chain.first.parameters[role]: broken})) is None


def test_a_look_for_broken_weights_takes_no_memory(network: Network) -> None:
    """`isfinite` writes its way there down: weights' own size once and a quarter of it thrice."""
    chain = find_chains(network.graph, network.graph.needed_for(["fc"]), ["fc"])["fc@fc"]
    chain.filters(network.parameters)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as watched:
        chain.filters(network.parameters)
    taken = sum(max(0, event.self_cpu_memory_usage) for event in watched.events())
    assert taken < 1000
