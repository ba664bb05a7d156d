"""What people reported of Caffe's files and its forks': each rebuilt small, with the right value restated."""

# ruff: noqa: E501  a layer is a line of text

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812

import convscope
from convscope import ConvscopeWarning
from convscope.errors import NetworkFileError

pytestmark = pytest.mark.filterwarnings("ignore::convscope.errors.ConvscopeWarning")

DATA = 'input: "data" input_shape { dim: 1 dim: 3 dim: 13 dim: 18 }\n'
CONV = (
    'layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" '
    'convolution_param { num_output: 4 kernel_size: 3 weight_filler { type: "xavier" } } }\n'
)
X = torch.from_numpy(np.random.default_rng(3).normal(size=(1, 3, 13, 18))).float()


def opened(folder: Path, text: str, says: str = "no weights beside it") -> convscope.Network:
    path = folder / "deploy.prototxt"
    path.write_text(f'name: "net"\n{text}')
    with pytest.warns(ConvscopeWarning, match=says):
        return convscope.open_network(path)


def test_crowdsource_23_and_opencv_9651_either_way_of_saying_what_goes_in(tmp_path: Path) -> None:
    """The old fields at the top, and the layer that came for them."""
    layer = 'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 13 dim: 18 } } }\n'
    (tmp_path / "old").mkdir()
    old, new = opened(tmp_path / "old", DATA + CONV), opened(tmp_path, layer + CONV)
    assert old.graph.inputs == new.graph.inputs == {"data": (1, 3, 13, 18)}
    assert torch.equal(old.activations(X, "conv")["conv"], new.activations(X, "conv")["conv"])


@pytest.mark.parametrize("field", ["ceil_mode: false", "round_mode: FLOOR"])
def test_densenet_37_windows_are_rounded_down(field: str, tmp_path: Path) -> None:
    """18 columns have 8 windows of 3, and not the 9 of a plain Caffe."""
    pool = f'layer {{ name: "pool" type: "Pooling" bottom: "data" top: "pool" pooling_param {{ kernel_size: 3 stride: 2 {field} }} }}'
    network = opened(tmp_path, DATA + CONV + pool)
    torch.testing.assert_close(network.activations(X, "pool")["pool"], F.max_pool2d(X, 3, 2))


def test_opencv_10718_a_norm_with_its_own_scale(tmp_path: Path) -> None:
    norm = (
        'layer { name: "bn" type: "BatchNorm" bottom: "conv" top: "bn" '
        'batch_norm_param { scale_filler { type: "constant" value: 1 } bias_filler { type: "constant" value: 0 } } }'
    )
    network = opened(tmp_path, DATA + CONV + norm)
    assert network.shapes["bn"] == (1, 4, 11, 16) and not network.graph.cut


def test_saw_1_a_layer_of_a_fork_nobody_has(tmp_path: Path) -> None:
    """Everything before it is there, and its own settings are no error."""
    own = (
        'layer { name: "hyper" type: "RandCatConv" bottom: "conv" top: "hyper" '
        "rand_cat_conv_param { rand_selection: true num_output: 100 } }"
    )
    network = opened(tmp_path, DATA + CONV + own, "'hyper' is cut off")
    assert list(network.layers) == ["data", "conv"]


def test_contrib_830_a_setting_that_no_version_has(tmp_path: Path) -> None:
    """What it would change is not known: the layer is cut, not computed without it, and the rest is there."""
    crop = (
        'layer { name: "crop" type: "Crop" bottom: "data" bottom: "conv" top: "crop" '
        "crop_param { axis: 2 offset: 1 } crop_param_ { axis: 2 } }"
    )
    network = opened(tmp_path, DATA + CONV + crop, "crop_param_.*'crop' is cut off")
    assert list(network.layers) == ["data", "conv"]


def test_segnet_1_maps_are_spread_out_to_the_size_that_is_said(tmp_path: Path) -> None:
    """Seven rows come of thirteen: twice as many would be one too many."""
    layers = (
        'layer { name: "pool" type: "Pooling" bottom: "data" top: "pool" top: "mask" pooling_param { kernel_size: 2 stride: 2 } }\n'
        'layer { name: "up" type: "Upsample" bottom: "pool" bottom: "mask" top: "up" '
        "upsample_param { scale: 2 upsample_w: 18 upsample_h: 13 } }"
    )
    network = opened(tmp_path, DATA + CONV + layers)
    values, places = F.max_pool2d(X, 2, 2, ceil_mode=True, return_indices=True)
    expected = F.max_unpool2d(values, places, 2, output_size=(13, 18))
    torch.testing.assert_close(network.activations(X, "up")["up"], expected)


def test_fusenet_1_an_unpooling_of_another_fork_never_blocks_the_encoder(tmp_path: Path) -> None:
    layers = (
        'layer { name: "pool" type: "Pooling" bottom: "conv" top: "pool" top: "mask" pooling_param { kernel_size: 2 stride: 2 } }\n'
        'layer { name: "unpool" type: "Unpooling" bottom: "pool" bottom: "mask" top: "unpool" '
        "unpooling_param { output_h: 11 output_w: 16 } }"
    )
    network = opened(tmp_path, DATA + CONV + layers, "'unpool' is cut off|no weights beside it")
    assert network.shapes["pool"] == (1, 4, 6, 8)


def test_opencv_12775_a_layer_that_is_used_again_under_its_own_name(tmp_path: Path) -> None:
    shared = 'param { name: "w" } param { name: "b" } convolution_param { num_output: 4 kernel_size: 3 weight_filler { type: "xavier" } }'
    text = "".join(
        f'layer {{ name: "conv1" type: "Convolution" bottom: "data" top: "conv1_{at}" {shared} }}\n'
        for at in (0, 2)
    )
    network = opened(tmp_path, DATA + text)
    found = network.activations(X, "conv1_0", "conv1_2")
    assert torch.equal(found["conv1_0"], found["conv1_2"])
    assert found["conv1_0"].std() > 0
    assert set(network.graph.parameters.shapes) == {"conv1.weight", "conv1.bias"}


def test_mobilenetv3_caffe_4_relu6_is_a_layer_of_forks(tmp_path: Path) -> None:
    network = opened(tmp_path, DATA + CONV + 'layer { name: "six" type: "ReLU6" bottom: "conv" top: "six" }')
    found = network.activations(9 * X, "conv", "six")
    assert torch.equal(found["six"], F.relu6(found["conv"]))
    assert (found["conv"] > 6).any()


def test_lowrankcnn_1_a_shared_filter_of_another_size_is_one_line(tmp_path: Path) -> None:
    text = "".join(
        f'layer {{ name: "{name}" type: "Convolution" bottom: "data" top: "{name}" param {{ name: "conv1_w" }} convolution_param {{ num_output: {count} kernel_size: 3 bias_term: false }} }}\n'
        for name, count in (("conv1_v", 5), ("conv1_h", 7))
    )
    path = tmp_path / "deploy.prototxt"
    path.write_text(DATA + text)
    with pytest.raises(NetworkFileError, match="'conv1_v' and 'conv1_h' share the parameter 'conv1_w'"):
        convscope.open_network(path)


def test_opencv_contrib_1173_the_largest_of_two_halves(tmp_path: Path) -> None:
    """Max-feature-map, as the light networks for faces have it: a Slice, then an Eltwise that says MAX."""
    text = (
        'layer { name: "halves" type: "Slice" bottom: "conv" top: "one" top: "other" }\n'
        'layer { name: "most" type: "Eltwise" bottom: "one" bottom: "other" top: "most" eltwise_param { operation: MAX } }'
    )
    network = opened(tmp_path, DATA + CONV + text)
    found = network.activations(X, "conv", "most")
    assert torch.equal(found["most"], torch.maximum(*found["conv"].split(2, 1)))


def test_mmdnn_640_and_deepdetect_38_a_data_layer_is_an_input(tmp_path: Path) -> None:
    """One says its pictures' size, the other leaves that to its database: a usual size, and a note."""
    memory = (
        'layer { name: "d" type: "MemoryData" top: "data" top: "label" memory_data_param '
        "{ batch_size: 1 channels: 3 height: 13 width: 18 } }\n"
    )
    database = 'layer { name: "d" type: "Data" top: "data" top: "label" data_param { batch_size: 1 } }\n'
    (tmp_path / "database").mkdir()
    network = opened(tmp_path, memory + CONV)
    other = opened(tmp_path / "database", database + CONV, "1x3x224x224 is a guess")
    assert network.graph.inputs == {"data": (1, 3, 13, 18)} and other.graph.inputs == {
        "data": (1, 3, 224, 224)
    }
    weight = network.graph.parameters["conv.weight"]
    torch.testing.assert_close(network.activations(X, "conv")["conv"], F.conv2d(X, weight))


def test_mmdnn_153_and_314_a_border_at_the_right_and_below_only(tmp_path: Path) -> None:
    """TensorFlow's "SAME" with a stride of 2 over an even number of columns: none before, one behind."""
    conv = CONV.replace("kernel_size: 3", "kernel_size: 3 stride: 2 pad_r: 1 pad_b: 0 pad_l: 0 pad_t: 0")
    network = opened(tmp_path, DATA + conv)
    expected = F.conv2d(F.pad(X, (0, 1, 0, 0)), network.graph.parameters["conv.weight"], stride=2)
    torch.testing.assert_close(network.activations(X, "conv")["conv"], expected)


@pytest.mark.parametrize(
    "words", ["bw_layer_in: 32 bw_params: 8 fl_params: 8", "scale_in: 1.5 bw_layer_out: 8"]
)
def test_clcaffe_111_and_chaidnn_31_a_layer_rounded_to_few_bits(words: str, tmp_path: Path) -> None:
    conv = CONV.replace('bottom: "data"', f'bottom: "data" quantization_param {{ {words} }}')
    network = opened(tmp_path, DATA + conv, "quantization_param is not obeyed")
    expected = F.conv2d(X, network.graph.parameters["conv.weight"])
    torch.testing.assert_close(network.activations(X, "conv")["conv"], expected)
