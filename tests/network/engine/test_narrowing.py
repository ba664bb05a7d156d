"""Wanted channels alone against the same channels of the whole layer."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
import torch

from convscope.formats.caffe.building import build_graph
from convscope.formats.caffe.text import read_text
from convscope.network.engine.execution import cut
from convscope.network.engine.narrowing import narrowed
from convscope.network.graph import Graph

TEXT = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 12 dim: 12 } } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
        convolution_param { num_output: 6 kernel_size: 3 pad: 1 } }
layer { name: "bn1" type: "BatchNorm" bottom: "conv1" top: "conv1" }
layer { name: "scale1" type: "Scale" bottom: "conv1" top: "conv1" scale_param { bias_term: true } }
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
layer { name: "a" type: "Convolution" bottom: "conv1" top: "a" convolution_param { num_output: 4 kernel_size: 1 } }
layer { name: "relu_a" type: "ReLU" bottom: "a" top: "a" }
layer { name: "b" type: "Convolution" bottom: "conv1" top: "b"
        convolution_param { num_output: 6 kernel_size: 3 pad: 1 group: 2 } }
layer { name: "pool" type: "Pooling" bottom: "conv1" top: "pool"
        pooling_param { pool: MAX kernel_size: 3 stride: 1 pad: 1 } }
layer { name: "both" type: "Concat" bottom: "a" bottom: "b" bottom: "pool" top: "both" }
layer { name: "mean" type: "Pooling" bottom: "both" top: "mean" pooling_param { pool: AVE global_pooling: true } }
layer { name: "sum" type: "Eltwise" bottom: "conv1" bottom: "b" top: "sum" eltwise_param { operation: SUM } }
layer { name: "norm" type: "LRN" bottom: "sum" top: "norm" }
layer { name: "fc" type: "InnerProduct" bottom: "both" top: "fc" inner_product_param { num_output: 5 } }
layer { name: "prob" type: "Softmax" bottom: "fc" top: "prob" }
"""


@pytest.fixture(scope="module")
def graph() -> Graph:
    graph = build_graph(read_text(TEXT))
    random = torch.Generator().manual_seed(0)
    drawn = {key: torch.rand(shape, generator=random) for key, shape in graph.parameters.shapes.items()}
    return replace(graph, parameters=graph.parameters.replaced(drawn))


@pytest.mark.parametrize(
    ("channels", "others"),
    [
        ({"conv1": [5, 0]}, []),
        ({"conv1": [5, 0]}, ["a"]),
        ({"both": [1]}, []),
        ({"both": [4, 9, 9, 3, 15, 0]}, []),
        ({"both": [15], "sum": [2, 1]}, ["pool"]),
        ({"sum": [0, 5]}, []),
        ({"mean": [9, 2]}, []),
        ({"norm": [3]}, []),
        ({"fc": [4, 2]}, []),
        ({"prob": [4, 2]}, []),
        ({"data": [1]}, []),
    ],
)
def test_they_are_the_layers_own(
    graph: Graph, channels: Mapping[str, Sequence[int]], others: Sequence[str]
) -> None:
    x = torch.rand(2, 3, 12, 12, generator=torch.Generator().manual_seed(1))
    targets = [*channels, *others]
    small, made = narrowed(graph, channels, targets)
    assert list(made) == targets
    found = dict(zip(targets, cut(small, made.values())(x), strict=True))
    for value, expected in zip(targets, cut(graph, targets)(x), strict=True):
        wanted = expected[:, list(channels[value])] if value in channels else expected
        torch.testing.assert_close(found[value], wanted)


def operations_for(graph: Graph, channels: Mapping[str, Sequence[int]]) -> list[str]:
    small, made = narrowed(graph, channels, list(channels))
    return [operation.name for operation in small.needed_for(made.values())]


def test_only_their_branch_runs(graph: Graph) -> None:
    stem = ["conv1", "bn1", "scale1", "relu1"]
    assert operations_for(graph, {"both": [2]}) == [*stem, "a", "relu_a"]
    assert operations_for(graph, {"both": [10]}) == [*stem, "channels (0,)", "pool"]
    assert operations_for(graph, {"mean": [2]}) == [*stem, "a", "relu_a", "mean"]
    assert operations_for(graph, {"conv1": [2]}) == stem


def test_one_filter_is_left_of_the_last_convolution(graph: Graph) -> None:
    small, made = narrowed(graph, {"both": [2]}, ["both"])
    convolution = small.needed_for(made.values())[-2]
    assert small.parameters.shapes[convolution.parameters["weight"]] == (1, 6, 1, 1)
