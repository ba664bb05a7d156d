"""An unknown layer never blocks the rest: where Caffe networks are cut, and what is said about it."""

import pytest
import torch

from convscope.errors import ConvscopeWarning, UnsupportedLayer
from convscope.formats.caffe.building import build_graph
from convscope.formats.caffe.text import read_text
from convscope.network.network import Network

HEAD = """
name: "cut"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 9 dim: 7 } } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
        convolution_param { num_output: 4 kernel_size: 3 } }
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
"""
PROPOSAL = """
layer { name: "proposal" type: "Python" bottom: "conv1" bottom: "im_info" top: "rois" top: "scores"
        python_param { module: "my.proposals" layer: "Mine" } }
layer { name: "fc" type: "InnerProduct" bottom: "rois" top: "fc" inner_product_param { num_output: 3 } }
layer { name: "relu2" type: "ReLU" bottom: "fc" top: "fc" }
layer { name: "beside" type: "Pooling" bottom: "conv1" top: "beside" pooling_param { kernel_size: 2 stride: 2 } }
"""
INFO = 'layer { name: "info" type: "Input" top: "im_info" input_param { shape { dim: 1 dim: 3 } } }'


def opened(text: str) -> Network:
    return Network(build_graph(read_text(text)), input_spec=None)


def test_what_is_before_and_beside_works() -> None:
    with pytest.warns(
        ConvscopeWarning, match=r"'proposal' runs Python code .* cut off, and so 'fc', 'relu2' are"
    ):
        network = opened(HEAD + INFO + PROPOSAL)
    x = torch.rand(1, 3, 9, 7, generator=torch.Generator().manual_seed(0))
    weight, bias = network.parameters["conv1.weight"], network.parameters["conv1.bias"]
    expected = torch.nn.functional.conv2d(x, weight, bias).relu()
    values = network.activations(x)
    torch.testing.assert_close(values["conv1"], expected)
    torch.testing.assert_close(values["beside"], torch.nn.functional.max_pool2d(expected, 2, ceil_mode=True))
    assert list(network.layers) == ["data", "conv1", "beside"]
    assert list(network.graph.inputs) == ["data"], "the input that only cut layers read is not asked for"
    assert list(network.graph.cut) == ["rois", "scores", "fc@fc", "fc"]
    assert network.graph.outputs == ("beside",)


def test_a_layer_that_is_cut_in_place_leaves_what_it_wrote_over() -> None:
    text = HEAD + 'layer { name: "odd" type: "Odd" bottom: "conv1" top: "conv1" }'
    with pytest.warns(ConvscopeWarning, match="'odd' has the type 'Odd'"):
        network = opened(text)
    assert list(network.layers) == ["data", "conv1@relu1"]
    with pytest.raises(UnsupportedLayer, match=r"'odd' \(Odd\) is cut off: layer 'odd' has the type 'Odd'"):
        network.resolve("odd")
    assert network.resolve("conv1").layer == "conv1@conv1"  # the layer of that name, whose filters are there


def test_an_unknown_layer_that_makes_nothing_is_left_out() -> None:
    with pytest.warns(ConvscopeWarning, match="'odd' .Odd. makes nothing: left out"):
        network = opened(HEAD + 'layer { name: "odd" type: "Odd" bottom: "conv1" }')
    assert not network.graph.cut
    assert network.graph.outputs == ("conv1",)


def test_a_network_that_is_cut_at_its_first_layer_is_refused() -> None:
    text = 'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 } } }'
    with pytest.raises(UnsupportedLayer, match="'odd' has the type 'Odd'"):
        opened(text + 'layer { name: "odd" type: "Odd" bottom: "data" top: "odd" }')


def test_regions_of_a_data_layer_in_python_are_an_input_beside_the_picture() -> None:
    with pytest.warns(ConvscopeWarning, match="does not say how big its input 'data' is"):
        network = opened(
            """
layer { name: "data" type: "Python" top: "data" top: "rois" top: "labels" python_param { module: "d" layer: "RoI" } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" convolution_param { num_output: 4 kernel_size: 3 } }
layer { name: "pool5" type: "ROIPooling" bottom: "conv" bottom: "rois" top: "pool5"
  roi_pooling_param { pooled_h: 2 pooled_w: 3 spatial_scale: 0.5 } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "pool5" bottom: "labels" top: "loss" }
"""
        )
    assert list(network.graph.inputs) == ["data", "rois"] and network.graph.inputs["rois"] == (1, 5)
    assert network.shapes["pool5"] == (1, 4, 2, 3)


def test_a_guessed_picture_is_one_whose_halves_and_doubles_meet_again() -> None:
    """Five halvings of 224 make 7, six 4, and 4 doubled are 8, as five halvings of 227 are."""
    layers = ['layer { name: "data" type: "DenseImageData" top: "c0" }']
    layers += [
        f'layer {{ name: "c{at + 1}" type: "Convolution" bottom: "c{at}" top: "c{at + 1}" '
        "convolution_param { num_output: 2 kernel_size: 3 pad: 1 stride: 2 } }"
        for at in range(6)
    ]
    layers.append(
        'layer { name: "up" type: "Deconvolution" bottom: "c6" top: "up" '
        "convolution_param { num_output: 2 kernel_size: 4 pad: 1 stride: 2 } } "
        'layer { name: "both" type: "Concat" bottom: "up" bottom: "c5" top: "both" }'
    )
    with pytest.warns(ConvscopeWarning, match="1x3x227x227 is a guess"):
        network = opened("\n".join(layers))
    assert network.shapes["both"] == (1, 4, 8, 8) and not network.graph.cut
