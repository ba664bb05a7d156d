"""A network with its channels last against the same network with its channels first."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from convscope import open_network
from convscope.errors import InputError, UnknownLayer
from convscope.formats.caffe.building import build_graph
from convscope.formats.caffe.text import read_text
from convscope.looking.activations import activations
from convscope.looking.classify import classify
from convscope.looking.filters import filters, read_filters
from convscope.looking.layer_table import layer_table
from convscope.looking.main_line import main_line
from convscope.looking.stages import stages, vectors
from convscope.looking.values import values
from convscope.network.axes import (
    shape_channels_first,
    shape_channels_last,
    to_channels_first,
    to_channels_last,
)
from convscope.network.engine.execution import cut
from convscope.network.fine_tuning import fine_tune
from convscope.network.graph import Graph
from convscope.network.network import Network
from convscope.pictures.photograph import open_photograph
from convscope.report.content import begin, gather
from convscope.report.context import ReportContext, ReportOptions
from planted import edge_picture, plain_picture, planted_network, with_channels_last

# At odd sizes: a wrong axis is right by accident on a square picture.
TEXT = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 dim: 13 dim: 11 } } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
        convolution_param { num_output: 8 kernel_size: 3 pad: 1 stride: 2 bias_term: false } }
layer { name: "bn1" type: "BatchNorm" bottom: "conv1" top: "conv1" }
layer { name: "scale1" type: "Scale" bottom: "conv1" top: "conv1" scale_param { bias_term: true } }
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
layer { name: "norm1" type: "LRN" bottom: "conv1" top: "norm1" lrn_param { local_size: 5 alpha: 0.5 } }
layer { name: "pool1" type: "Pooling" bottom: "norm1" top: "pool1" pooling_param { kernel_size: 2 stride: 2 } }
layer { name: "slice" type: "Slice" bottom: "norm1" top: "head" top: "tail" slice_param { slice_point: 3 } }
layer { name: "conv2" type: "Convolution" bottom: "pool1" top: "conv2"
        convolution_param { num_output: 6 kernel_size: 3 group: 2 pad: 1 } }
layer { name: "both" type: "Concat" bottom: "conv2" bottom: "pool1" top: "both" }
layer { name: "fc" type: "InnerProduct" bottom: "both" top: "fc" inner_product_param { num_output: 5 } }
layer { name: "relu2" type: "ReLU" bottom: "fc" top: "fc" }
layer { name: "prob" type: "Softmax" bottom: "fc" top: "prob" }
"""


@pytest.fixture
def graph() -> Graph:
    graph = build_graph(read_text(TEXT))
    random = torch.Generator().manual_seed(0)
    drawn = {key: torch.rand(shape, generator=random) for key, shape in graph.parameters.shapes.items()}
    return replace(graph, parameters=graph.parameters.replaced(drawn))


@pytest.fixture
def pair(graph: Graph) -> tuple[Network, Network]:
    return Network(graph, input_spec=None), Network(with_channels_last(graph), input_spec=None)


@pytest.fixture
def planted_pair() -> tuple[Network, Network]:
    return planted_network(), planted_network(channels_last=True)


@pytest.fixture
def x() -> torch.Tensor:
    return torch.randn(2, 3, 13, 11, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("shape", [(2, 3), (2, 5, 3), (2, 5, 7, 3), (2, 5, 7, 6, 3)])
def test_there_and_back(shape: tuple[int, ...]) -> None:
    value = torch.randn(shape)
    first = to_channels_first(value)
    assert tuple(first.shape) == shape_channels_first(shape) and first.shape[1] == 3
    assert torch.equal(to_channels_last(first), value) and first.data_ptr() == value.data_ptr()
    assert shape_channels_last(shape_channels_first(shape)) == shape


def test_every_value_is_the_same_in_the_other_order(pair: tuple[Network, Network], x: torch.Tensor) -> None:
    first, last = pair
    expected, found = first.activations(x), last.activations(to_channels_last(x))
    assert list(found) == list(expected)
    for name, value in found.items():
        assert tuple(value.shape) == last.shapes[name]
        assert last.shape_channels_first(name) == first.shapes[name]
        torch.testing.assert_close(last.channels_first(name, value), expected[name])


def test_gradients_are_the_same_in_the_other_order(pair: tuple[Network, Network], x: torch.Tensor) -> None:
    first, last = pair
    for address in ("conv1:3", "conv2@1,2", "tail:4@0,1", "fc:2"):
        expected = first.gradient(x, address)
        found = last.gradient(to_channels_last(x), address)
        assert found.shape == (2, 13, 11, 3)
        torch.testing.assert_close(to_channels_first(found), expected, msg=address)


def test_an_address_means_the_same_channel_and_neuron(pair: tuple[Network, Network], x: torch.Tensor) -> None:
    asked = ("conv1:7", "conv1:7@6,4", "conv1@6,4", "fc:4")
    expected, found = (
        network.activations(value, *asked)
        for network, value in zip(pair, (x, to_channels_last(x)), strict=True)
    )
    for address in asked:
        torch.testing.assert_close(found[address], expected[address])
    with pytest.raises(UnknownLayer, match="has 8 channels, 0 to 7; there is no 8"):
        pair[1].resolve("conv1:8")
    with pytest.raises(UnknownLayer, match="has 7 rows and 6 columns here"):
        pair[1].activations(to_channels_last(x), "conv1@6,6")


def test_chains_run_packed_without_a_copy_between(pair: tuple[Network, Network], x: torch.Tensor) -> None:
    _, last = pair
    x = to_channels_last(x).contiguous()
    packed = last._runner.module(("fc",), last._runner.inputs(x, ("fc",)))
    assert sum(node.op == "call_module" for node in packed.graph.nodes) == 3  # two convolutions and fc
    turns = [
        node.target for node in packed.graph.nodes if node.target in (to_channels_first, to_channels_last)
    ]
    assert turns == [to_channels_first, to_channels_last]  # the input and the answer
    torch.testing.assert_close(packed(x), cut(last.graph, ["fc"])(x))


def test_an_input_of_other_channels_is_refused_and_of_another_size_taken(graph: Graph) -> None:
    whole = with_channels_last(graph)
    network = Network(whole, input_spec=None)
    assert network.activations(torch.zeros(1, 40, 50, 3), "conv2")["conv2"].shape == (1, 10, 13, 6)
    with pytest.raises(InputError, match=r"has shape \(1, 3, 13, 11\); the network expects \(2, 13, 11, 3\)"):
        network.activations(torch.zeros(1, 3, 13, 11), "conv2")


def test_what_a_network_is_made_of_reads_the_same(planted_pair: tuple[Network, Network]) -> None:
    first, last = planted_pair
    tables = layer_table(first), layer_table(last)
    for expected, found in zip(*(table.rows for table in tables), strict=True):
        assert replace(found, shape=shape_channels_first(found.shape or ())) == expected
    assert last.layers["conv1"].shape == (1, 32, 32, 8)
    assert main_line(last) == main_line(first) and vectors(last) == vectors(first)
    assert stages(last) == stages(first)
    assert last.class_count == 3 and last.resolve("prob:blue").channel == 2


@pytest.mark.parametrize(
    "shown",
    [
        lambda network: activations(network, edge_picture(), "conv1"),
        lambda network: activations(network, edge_picture(), "conv1:3@16,5"),
        lambda network: values(network, edge_picture(), "pool2"),
        lambda network: filters(network, "conv1"),
        lambda network: filters(network, "scores"),
    ],
    ids=["channels", "neuron", "values", "filters", "dense filters"],
)
def test_pictures_are_the_same(
    planted_pair: tuple[Network, Network], shown: Callable[[Network], Any]
) -> None:
    expected, found = map(shown, planted_pair)
    assert np.array_equal(found.array, expected.array) and found.caption == expected.caption


def test_the_filters_of_a_layer_that_reads_maps_are_maps(graph: Graph) -> None:
    """The same numbers, whether the layer flattens channels first or reads the values as they lie."""
    network = Network(with_channels_last(graph), input_spec=None)
    expected = read_filters(Network(graph, input_spec=None), "fc").weights
    assert np.array_equal(read_filters(network, "fc").weights, expected)
    fc = next(operation for operation in graph.operations if operation.name == "fc")
    weight = graph.parameters["fc.weight"].reshape(5, 14, 4, 3).permute(0, 2, 3, 1).reshape(5, -1)
    as_it_lies = [
        replace(operation, attributes={}) if operation.name == fc.name else operation
        for operation in network.graph.operations
    ]
    parameters = graph.parameters.replaced({"fc.weight": weight})
    other = Network(
        replace(network.graph, operations=tuple(as_it_lies), parameters=parameters), input_spec=None
    )
    assert np.array_equal(read_filters(other, "fc").weights, expected)
    x = torch.rand(2, 13, 11, 3)
    torch.testing.assert_close(other.activations(x, "fc")["fc"], network.activations(x, "fc")["fc"])


def test_a_network_classifies_learns_and_is_reported_on(
    planted_pair: tuple[Network, Network], tmp_path: Path, photograph: Path
) -> None:
    first, last = planted_pair
    picture = plain_picture((0, 0, 1))
    assert classify(last, picture) == classify(first, picture)
    assert last.preprocess(picture).shape == (1, 32, 32, 3)
    assert np.array_equal(last.deprocess(last.preprocess(picture)), picture / np.float32(255))
    losses = [
        [step.loss for step in fine_tune(network, ([photograph], [1]), layers=["conv2"], steps=3)]
        for network in planted_pair
    ]
    assert losses[1] == pytest.approx(losses[0]) and losses[1][0] > losses[1][-1]
    sections = ("predictions", "filters", "activations", "values")
    options = ReportOptions(3, everything=True, sections=sections)
    contexts = [ReportContext(network, open_photograph(photograph), options) for network in planted_pair]
    for context in contexts:
        gather(context, begin(context), lambda done, of, section: None)
    assert contexts[1].stages == contexts[0].stages


def test_it_is_saved_and_opened_as_it_is(
    pair: tuple[Network, Network], x: torch.Tensor, tmp_path: Path
) -> None:
    _, last = pair
    opened = open_network(last.save(tmp_path / "last.convscope"))
    assert opened.graph.channels_last and opened.shapes == last.shapes
    x = to_channels_last(x)
    assert torch.equal(opened.activations(x, "prob")["prob"], last.activations(x, "prob")["prob"])
