"""An unknown layer never blocks the rest: where Caffe networks are cut, and what is said about it."""

import pytest
import torch

from convscope.errors import ConvscopeWarning, UnsupportedLayer
from convscope.formats.caffe.building import build_graph
from convscope.formats.caffe.text import read_text
from convscope.network.network import Network
from zoo import conv, expects, layer

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


@pytest.mark.parametrize("top", ["odd", "conv1"])
@pytest.mark.filterwarnings("ignore::convscope.errors.ConvscopeWarning")
def test_the_last_before_a_cut_is_no_map_of_classes(top: str) -> None:
    """As in Keras's and ONNX's networks; what nobody reads is an output as ever."""
    whole = opened(HEAD)
    network = opened(HEAD + f'layer {{ name: "odd" type: "Odd" bottom: "conv1" top: "{top}" }}')
    last = network.graph.outputs[0]
    assert [str(output) for output in network.outputs] == [
        f"{last}: a map of numbers, 4 × 7 × 5; the network is cut behind it"
    ]
    assert network.class_count is None and not whole.graph.ends
    assert not opened(HEAD + INFO + PROPOSAL).graph.ends  # "beside" is its output


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


def test_a_layer_that_prepares_pictures_gives_the_networks_input() -> None:
    """DetectNet's training text: nothing of it was open, as its first layer is a fork's."""
    data = layer("Data", "d", "", "data label", data_param="batch_size: 2")
    odd, of_picture = (
        layer("OddTransformation", "odd", read, "better boxes") for read in ("data label", "data")
    )
    trained = conv("c", "better", 4, 3) + layer("SoftmaxWithLoss", "loss", "c boxes")
    with pytest.warns(
        ConvscopeWarning, match="'odd' .* is not known to convscope: what it gives is taken for the"
    ):
        network = opened(data + odd + trained)
    assert dict(network.graph.inputs) == {"better": (2, 3, 224, 224)} and not network.graph.cut
    assert network.shapes["loss"] == (2, 4, 222, 222)
    with pytest.warns(
        ConvscopeWarning, match="is taken for the network's input"
    ):  # as large as what it reads
        assert dict(opened(expects(1, 3, 9, 7) + of_picture + trained).graph.inputs) == {
            "better": (1, 3, 9, 7)
        }
    with pytest.warns(
        ConvscopeWarning, match="'odd' is cut off"
    ):  # where anything else is computed, it is cut
        assert set(opened(HEAD + of_picture).graph.cut) == {"better", "boxes"}


def test_what_lies_beside_a_picture_is_as_large() -> None:
    """FCN's networks of color and depth, and of color and another coding of depth."""
    data = layer("Python", "d", "", "color %s label", python_param='module: "d" layer: "D"')
    with pytest.warns(ConvscopeWarning, match="'color' is: 1x3x224x224 is a guess"):
        two = opened(data.replace("%s", "hha") + conv("a", "color", 4, 3) + conv("b", "hha", 4, 3))
    assert dict(two.graph.inputs) == {"color": (1, 3, 224, 224), "hha": (1, 3, 224, 224)}
    with pytest.warns(ConvscopeWarning, match="is a guess"):
        depth = opened(
            data.replace("%s", "depth") + layer("Concat", "both", "color depth") + conv("a", "both", 4, 3)
        )
    assert depth.shapes["both"] == (1, 4, 224, 224)
    three = (
        data.replace("%s", 'depth" top: "edges')
        + layer("Concat", "both", "depth color edges")
        + conv("a", "both", 4, 3)
    )
    with pytest.warns(ConvscopeWarning, match="is a guess"):
        assert opened(three).shapes["both"] == (1, 5, 224, 224)


def test_an_unpooling_that_states_its_size_tells_the_pictures() -> None:
    """SegNet's training text: its data layer says nothing of 360 x 480, its Upsample does."""
    text, read = layer("DenseImageData", "data", "", "data label"), "data"
    for at in range(4):
        text += layer("Pooling", f"p{at}", read, f"p{at} m{at}", pooling_param="kernel_size: 2 stride: 2")
        read = f"p{at}"
    text += layer("Upsample", "u", "p3 m3", upsample_param="scale: 2 upsample_w: 60 upsample_h: 45")
    text += layer("Upsample", "v", "u m2", upsample_param="scale: 2")
    text += layer("SoftmaxWithLoss", "loss", "v label", loss_param="weight_by_label_freqs: true")
    with pytest.warns(ConvscopeWarning) as said:
        network = opened(text)
    assert any("1x3x360x480 is a guess" in str(one.message) for one in said)
    assert network.shapes["loss"] == (1, 3, 90, 120) and not network.graph.cut


def test_a_shape_that_fits_nothing_cuts_behind_regions_too() -> None:
    text = HEAD + INFO + conv("s", "conv1", 18, 1) + conv("b", "conv1", 36, 1)
    proposal = """module: 'rpn.proposal_layer' layer: 'ProposalLayer' param_str: "'feat_stride': 2" """
    text += layer("Python", "rois", "s b im_info", python_param=proposal)
    size = "pooled_w: 1 pooled_h: 1 spatial_scale: 0.5"
    text += layer("ROIPooling", "r", "conv1 rois", roi_pooling_param=size)
    text += layer("Reshape", "flat", "r", reshape_param="shape { dim: -1 dim: 7 dim: 11 }")
    with pytest.warns(ConvscopeWarning, match="'flat': its Reshape cannot take 'r' 300x4x1x1"):
        network = opened(text)
    assert list(network.graph.cut) == ["flat"] and "r" in network.graph.outputs


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
