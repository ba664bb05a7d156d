"""What is looked at while pictures are made: which sizes fit, and what is said where none does."""

from dataclasses import replace

import pytest
import torch

from convscope.errors import InputError, UnknownLayer
from convscope.formats.caffe.building import build_graph
from convscope.formats.caffe.text import read_text
from convscope.network.input_spec import InputSpec
from convscope.network.network import Network
from convscope.optimization.objective_batch import objective_batch
from convscope.optimization.objectives import channel, layer, neuron
from planted import planted_network

TEXT = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 8 dim: 8 } } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
        convolution_param { num_output: 4 kernel_size: 3 } }
layer { name: "fc" type: "InnerProduct" bottom: "conv1" top: "fc" inner_product_param { num_output: 3 } }
"""


def test_a_fully_connected_layer_takes_its_own_size_and_those_before_it_any() -> None:
    network = Network(build_graph(read_text(TEXT)), input_spec=InputSpec((8, 8)))
    before, after = objective_batch(network, [layer("conv1")]), objective_batch(network, [layer("fc")])
    sizes = [(8, 8), (5, 9), (2, 2)]
    assert [before.accepts(size) for size in sizes] == [True, True, False]
    assert [after.accepts(size) for size in sizes] == [True, False, False]
    assert after.network_input(torch.rand(1, 3, 5, 9)).shape == (1, 3, 8, 8)  # resized where it does not fit
    assert before.network_input(torch.rand(1, 3, 5, 9)).shape == (1, 3, 5, 9)


def test_a_network_without_an_input_spec_says_so_and_not_that_a_size_is_wrong() -> None:
    network = planted_network()
    network = replace(network, input_spec=None)
    batch = objective_batch(network, [layer("conv1")])
    with pytest.raises(InputError, match="which no picture fits"):
        batch.accepts((32, 32))
    with pytest.raises(InputError, match="which no picture fits"):
        batch.scores(torch.rand(1, 3, 32, 32))


def test_a_position_beyond_a_small_picture_s_is_told() -> None:
    batch = objective_batch(planted_network(), [neuron("conv1", 0, (20, 3))])
    assert batch.scores(torch.rand(1, 3, 32, 32)).shape == (1,)
    with pytest.raises(UnknownLayer, match="conv1:0@20,3: the layer has 16 rows and 32 columns"):
        batch.scores(torch.rand(1, 3, 16, 32))


def test_a_channel_too_many_is_opacity_over_gray() -> None:
    batch = objective_batch(planted_network(), [channel("conv1", 0)])
    clear = torch.cat([torch.rand(1, 3, 32, 32), torch.zeros(1, 1, 32, 32)], 1)
    torch.testing.assert_close(batch.scores(clear), batch.scores(torch.full((1, 3, 32, 32), 0.5)))
