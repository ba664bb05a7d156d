"""A file that claims the moon gets an answer, not the machine's memory."""

import pytest
import torch

from convscope.errors import InputError
from convscope.network.known_inputs import guess_caffe_input
from convscope.network.network import Network
from convscope.sources.caffe.building import build_graph
from convscope.sources.caffe.text import read_text

INPUT = 'layer {{ name: "d" type: "Input" top: "data" input_param {{ shape {{ dim: 1 dim: 3 dim: {0} dim: {0} }} }} }}'
HUGE_LAYERS = [
    'type: "Convolution" convolution_param { num_output: 2000000000 kernel_size: 3 }',
    'type: "InnerProduct" inner_product_param { num_output: 2000000000 }',
    'type: "Tile" tile_param { tiles: 2000000000 }',
    'type: "Convolution" convolution_param { num_output: 1 kernel_size: 1 pad: 1000000000 }',
]


@pytest.mark.parametrize("layer", HUGE_LAYERS)
def test_huge_layers(layer: str) -> None:
    text = INPUT.format(8) + f'layer {{ name: "huge" bottom: "data" top: "huge" {layer} }}'
    network = Network(build_graph(read_text(text)), input_spec=None)
    assert len(network.layers) == 2  # it can be looked at
    with pytest.raises(InputError, match=r"GB of memory, most of it for 'huge"):
        network.activations(torch.rand(1, 3, 8, 8))


def test_a_huge_input() -> None:
    text = INPUT.format(10**6) + 'layer { name: "relu" type: "ReLU" bottom: "data" top: "relu" }'
    graph = build_graph(read_text(text))
    network = Network(graph, input_spec=guess_caffe_input(graph.inputs["data"]))
    with pytest.raises(InputError, match="more than this machine's memory"):
        network.preprocess(torch.rand(4, 4, 3).numpy())
