"""A description beside the net that its weights were trained as: every other setting or order of layers is named."""

import re
import warnings
from pathlib import Path

import numpy as np
import pytest

from convscope import caffe, open_network
from convscope.errors import ConvscopeWarning
from convscope.formats.caffe.building import build_graph
from convscope.formats.caffe.text import read_text
from convscope.formats.caffe.upgrade import upgrade
from protobuf_oracle import parse_binary, parse_text, to_text
from zoo import alexnet, caffenet, conv, expects, layer
from zoo_files import first_generation, second_generation, with_weights

GENERATIONS = (first_generation, second_generation, lambda net: net)
SIDE = expects(1, 4, 13, 11) + conv("c", "data", 4, 3, "bias_term: true")
FORK = 'layer { name: "x" type: "%s" bottom: "c" top: "x" %s }'


def blobs(text: str) -> dict[str, list[np.ndarray]]:
    """Return numbers for the layers of a net, by layer; here only their shapes matter."""
    parameters = build_graph(upgrade(read_text(text))).parameters
    found: dict[str, list[np.ndarray]] = {}
    for key in parameters:
        found.setdefault(key.rpartition(".")[0], []).append(parameters[key].numpy())
    return found


def opened(folder: Path, text: str, trained: str, generation=GENERATIONS[2]) -> list[str]:
    """Open a description with the weights of another; return what is said, or nothing."""
    net = parse_text(trained)
    full = generation(with_weights(net, blobs(trained)))
    (folder / "net.prototxt").write_text(to_text(parse_text(text)))
    (folder / "trained.caffemodel").write_bytes(full.SerializeToString())
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", ConvscopeWarning)
        open_network(folder / "net.prototxt", weights=folder / "trained.caffemodel")
    return [str(one.message) for one in said if "was trained with another description" in str(one.message)]


def differing(folder: Path, text: str, trained: str, generation=GENERATIONS[2]) -> list[str]:
    (said,) = opened(folder, text, trained, generation)
    found = re.fullmatch(
        r"\S*trained.caffemodel was trained with another description: (.*)\. The given one is computed: "
        r"unless that is meant, use the weights' own prototxt",
        said,
    )
    assert found, said
    return found[1].split("; ")


@pytest.mark.parametrize("generation", GENERATIONS)
def test_settings_of_three_generations(tmp_path: Path, generation) -> None:
    net = expects(1, 3, 23, 23) + conv("c", "data", 4, 5, "pad: %s stride: %s group: 1")
    net += layer("Pooling", "p", "c", pooling_param="pool: %s kernel_size: %s stride: %s") + layer(
        "LRN", "n", "p", lrn_param="local_size: %s alpha: %s beta: %s"
    )
    ours = (2, 1, "MAX", 3, 2, 5, 1e-4, 0.75)
    assert opened(tmp_path, net % ours, net % ours, generation) == []
    assert differing(tmp_path, net % ours, net % (1, 1, "AVE", 3, 2, 5, 1e-4, 0.75), generation) == [
        "layer 'c' has padding 2, in the weights 1",
        "layer 'p' is max pool, in the weights average pool",
    ]
    assert differing(tmp_path, net % ours, net % (2, 2, "MAX", 2, 1, 3, 1e-3, 0.5), generation) == [
        "layer 'c' has stride 1, in the weights 2",
        "layer 'p' has kernel 3, in the weights 2",
        "layer 'p' has stride 2, in the weights 1",
        "and 3 more",
    ]


@pytest.mark.parametrize("generation", GENERATIONS)
def test_the_order_of_layers(tmp_path: Path, generation) -> None:
    """CaffeNet's weights in AlexNet's description: names, types and shapes are the same."""
    swapped = caffenet().replace('"conv1" top: "pool1"', '"norm1" top: "pool1"')
    swapped = swapped.replace('"pool1" top: "norm1"', '"conv1" top: "norm1"')
    swapped = swapped.replace('bottom: "norm1" top: "conv2"', 'bottom: "pool1" top: "conv2"')
    lines = swapped.splitlines(keepends=True)
    at = next(index for index, line in enumerate(lines) if 'name: "pool1"' in line)
    lines[at : at + 2] = lines[at : at + 2][::-1]
    assert differing(tmp_path, "".join(lines), caffenet(), generation) == [
        "layer 'norm1' reads 'conv1' of layer 'relu_conv1' (ReLU), in the weights 'pool1' of layer 'pool1' (Pooling)",
        "layer 'pool1' reads 'norm1' of layer 'norm1' (LRN), in the weights 'conv1' of layer 'relu_conv1' (ReLU)",
        "layer 'conv2' reads 'pool1' of layer 'pool1' (Pooling), in the weights 'norm1' of layer 'norm1' (LRN)",
    ]
    assert opened(tmp_path, caffenet(), caffenet(), generation) == []
    assert opened(tmp_path, alexnet(), alexnet(), generation) == []


def test_a_layer_that_the_description_forgot(tmp_path: Path) -> None:
    assert differing(tmp_path, caffenet().replace(layer("ReLU", "relu_conv3", "conv3", "conv3"), ""), caffenet()) == [
        "layer 'conv4' reads 'conv3' of layer 'conv3' (Convolution), "
        "in the weights 'conv3' of layer 'relu_conv3' (ReLU)"
    ]  # fmt: skip


@pytest.mark.parametrize(
    "type_name, setting, ours, theirs, said",
    [
        ("ReLU", "relu_param", "negative_slope: 0.1", "", "negative_slope 0.1, in the weights 0"),
        ("ELU", "elu_param", "", "alpha: 0.3", "alpha 1, in the weights 0.3"),
        ("Power", "power_param", "shift: -1", "power: 2", "power 1, in the weights 2"),
        ("Exp", "exp_param", "", "base: 2", "base None, in the weights 2"),
        ("Clip", "clip_param", "min: 0 max: 6", "min: 0 max: 7", "maximum 6, in the weights 7"),
        ("Threshold", "threshold_param", "threshold: 0.5", "", "threshold 0.5, in the weights 0"),
        ("MVN", "mvn_param", "across_channels: true", "", "across_channels True, in the weights False"),
        ("Softmax", "softmax_param", "axis: 2", "", "axis 2, in the weights 1"),
        ("Flatten", "flatten_param", "axis: 2", "", "axis 2, in the weights 1"),
        ("Reduction", "reduction_param", "operation: MEAN", "operation: ASUM", "operation mean, in"),
        ("Tile", "tile_param", "tiles: 2", "tiles: 3", "tiles 2, in the weights 3"),
        ("Pooling", "pooling_param", "kernel_h: 3 kernel_w: 2", "kernel_size: 2", "kernel 3x2, in the weights 2"),
        ("Pooling", "pooling_param", "kernel_size: 3 pad: 1", "kernel_size: 3", "padding 1, in the weights 0"),
        ("Pooling", "pooling_param", "kernel_size: 2 round_mode: FLOOR", "kernel_size: 2", "rounding floor, in"),
        ("LRN", "lrn_param", "k: 2", "k: 1", "k 2, in the weights 1"),
        ("BatchNorm", "batch_norm_param", "eps: 0.001", "", "epsilon 0.001, in the weights 1e-05"),
        ("Reshape", "reshape_param", "shape { dim: 1 dim: -1 dim: 3 }", "shape { dim: 9 dim: -1 dim: 4 }",
         "shape -1x3, in the weights -1x4"),
        ("Deconvolution", "convolution_param", "num_output: 4 kernel_size: 2 group: 4",
         "num_output: 4 kernel_size: 2 group: 4 stride: 2", "stride 1, in the weights 2"),
        ("Convolution", "convolution_param", "num_output: 4 kernel_size: 2 dilation: 2",
         "num_output: 4 kernel_size: 2", "dilation 2, in the weights 1"),
    ],
)  # fmt: skip
def test_settings_of_each_kind(
    tmp_path: Path, type_name: str, setting: str, ours: str, theirs: str, said: str
) -> None:
    text, trained = (SIDE + FORK % (type_name, f"{setting} {{ {words} }}") for words in (ours, theirs))
    assert f"layer 'x' has {said}" in differing(tmp_path, text, trained)[0]
    assert opened(tmp_path, text, text) == []


def test_branches(tmp_path: Path) -> None:
    two = SIDE + conv("d", "data", 4, 3)
    concat = two + layer("Concat", "x", "c d", concat_param="axis: %s")
    assert differing(tmp_path, concat % 1, concat % 2) == ["layer 'x' has axis 1, in the weights 2"]
    assert differing(tmp_path, concat % 1, (concat % 1).replace('"c" bottom: "d"', '"d" bottom: "c"'))
    joined = two + layer("Eltwise", "x", "c d", eltwise_param="operation: %s")
    says = ["layer 'x' is eltwise sum, in the weights eltwise max"]
    assert differing(tmp_path, joined % "SUM", joined % "MAX") == says
    assert (
        opened(tmp_path, joined % "SUM", (joined % "SUM").replace('"c" bottom: "d"', '"d" bottom: "c"')) == []
    )
    scaled = joined % "SUM coeff: 1 coeff: %s"
    assert differing(tmp_path, scaled % 2, scaled % -1) == [
        "layer 'x' has coefficients 1x2, in the weights 1x-1"
    ]


@pytest.mark.parametrize("name", ["x", "renamed"])
def test_an_order_that_counts(tmp_path: Path, name: str) -> None:
    """c - d for d - c, which coefficients of 1 and -1 tell from c + d."""
    two = SIDE + conv("d", "data", 4, 3)
    minus = (
        two
        + layer("Eltwise", name, "%s %s", eltwise_param="operation: SUM coeff: 1 coeff: -1")
        + conv("e", name, 2, 1)
    )
    said = differing(tmp_path, minus % ("c", "d"), minus.replace(f'"{name}"', '"x"') % ("d", "c"))
    assert said[0].startswith(
        "layer 'x' reads 'c' of layer 'relu_c'" if name == "x" else "layer 'e' reads 'renamed'"
    )
    plus = minus.replace("coeff: -1", "coeff: 1")
    assert opened(tmp_path, plus % ("c", "d"), plus.replace(f'"{name}"', '"x"') % ("d", "c")) == []


def test_layers_of_other_names(tmp_path: Path) -> None:
    """What has no numbers is renamed freely: it is found by what it reads."""
    net = (
        SIDE
        + FORK % ("ReLU", "relu_param { negative_slope: %s }")
        + layer("Pooling", "p", "x", pooling_param="kernel_size: %s")
    )
    renamed = net.replace('name: "x"', 'name: "conv_relu"').replace('name: "p"', 'name: "pool_of_relu"')
    assert opened(tmp_path, renamed % (0, 2), net % (0, 2)) == []
    assert differing(tmp_path, renamed % (0, 2), net % (0.1, 3)) == [
        "layer 'conv_relu' ('x' there) has negative_slope 0, in the weights 0.1",
        "layer 'pool_of_relu' ('p' there) has kernel 2, in the weights 3",
    ]
    two = net + layer("Pooling", "q", "x", pooling_param="kernel_size: %s")
    swapped = two.replace('name: "q"', 'name: "a"').replace('name: "p"', 'name: "b"')
    assert opened(tmp_path, swapped % (0, 2, 3), two % (0, 3, 2)) == []  # nobody knows which is which
    more = net + layer("ReLU", "y", "p", relu_param="negative_slope: %s")
    twice = more.replace('name: "y"', 'name: "x"')  # two layers of one name, as careless descriptions have
    said = [
        f"layer 'x' has negative_slope {found}, in the weights {trained}"
        for found, trained in ((0, 0.1), (0.3, 0.5))
    ]
    assert differing(tmp_path, twice % (0, 2, 0.3), twice % (0.1, 2, 0.5)) == said


TRAINED = """
layer { name: "mnist" type: "Data" top: "data" top: "label" include { phase: TRAIN } transform_param { scale: 0.004 }
  data_param { batch_size: 64 backend: LMDB source: "x" } phase: TRAIN }
layer { name: "c" type: "Convolution" bottom: "data" top: "c" param { lr_mult: 1 } phase: TRAIN
  convolution_param { num_output: 4 kernel_h: 3 kernel_w: 3 pad_h: 1 pad_w: 1 engine: CAFFE } }
layer { name: "bn" type: "BatchNorm" bottom: "c" top: "bn" batch_norm_param { use_global_stats: false } }
layer { name: "s" type: "Split" bottom: "bn" top: "bn_0" top: "bn_1" }
layer { name: "r" type: "ReLU" bottom: "bn_0" top: "r" relu_param { negative_slope: 0 engine: CUDNN } }
layer { name: "drop" type: "Dropout" bottom: "r" top: "r_dropped" dropout_param { dropout_ratio: 0.3 } }
layer { name: "p" type: "Pooling" bottom: "r_dropped" top: "p"
  pooling_param { kernel_size: 2 stride_h: 2 stride_w: 2 pool: MAX } }
layer { name: "aux" type: "InnerProduct" bottom: "bn_1" top: "aux" inner_product_param { num_output: 3 } }
layer { name: "shaped" type: "Reshape" bottom: "p" top: "shaped" reshape_param { shape { dim: 64 dim: -1 } } }
layer { name: "flat" type: "Flatten" bottom: "shaped" top: "flat" }
layer { name: "f" type: "InnerProduct" bottom: "flat" top: "f" inner_product_param { num_output: 3 } }
layer { name: "prob" type: "SoftmaxWithLoss" bottom: "f" bottom: "label" top: "prob" }
"""
DEPLOYED = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 1 dim: 8 dim: 8 } } }
layer { name: "c" type: "Convolution" bottom: "data" top: "c"
  convolution_param { num_output: 4 kernel_size: 3 pad: 1 stride: 1 } }
layer { name: "bn" type: "BatchNorm" bottom: "c" top: "c" batch_norm_param { use_global_stats: true eps: 1e-5 } }
layer { name: "r" type: "ReLU" bottom: "c" top: "c" }
layer { name: "p" type: "Pooling" bottom: "c" top: "p" pooling_param { kernel_h: 2 kernel_w: 2 stride: 2 } }
layer { name: "shaped" type: "Reshape" bottom: "p" top: "shaped" reshape_param { shape { dim: 1 dim: -1 } } }
layer { name: "f" type: "InnerProduct" bottom: "shaped" top: "f" inner_product_param { num_output: 3 } }
layer { name: "prob" type: "Softmax" bottom: "f" top: "prob" }
"""


def test_what_people_change_for_use_is_no_difference(tmp_path: Path) -> None:
    """Another writing, batches, dropout, flattening, statistics, auxiliary heads, Caffe's own copies, losses."""
    numbers = blobs(DEPLOYED)
    full = with_weights(parse_text(TRAINED), numbers)
    (tmp_path / "net.prototxt").write_text(DEPLOYED)
    (tmp_path / "net.caffemodel").write_bytes(full.SerializeToString())
    network = open_network(
        tmp_path / "net.prototxt", weights=tmp_path / "net.caffemodel"
    )  # warnings are errors
    assert np.array_equal(network.parameters["c.weight"].numpy().ravel(), numbers["c"][0].ravel())
    slope = DEPLOYED.replace('top: "c" }', 'top: "c" relu_param { negative_slope: -0.5 } }')
    (tmp_path / "net.prototxt").write_text(slope)
    with pytest.warns(ConvscopeWarning, match="'r' has negative_slope -0.5, in the weights 0"):
        open_network(tmp_path / "net.prototxt", weights=tmp_path / "net.caffemodel")


def test_a_window_of_the_whole_map(tmp_path: Path) -> None:
    net = SIDE + layer("Pooling", "x", "c", pooling_param="pool: AVE %s")
    whole, as_large, smaller = "global_pooling: true", "kernel_h: 11 kernel_w: 9", "kernel_size: 9"
    assert (
        opened(tmp_path, net % whole, net % as_large) == opened(tmp_path, net % as_large, net % whole) == []
    )
    says = "layer 'x' looks at the whole map, in the weights at windows of 9"
    assert differing(tmp_path, net % whole, net % smaller) == [says]
    with pytest.warns(ConvscopeWarning, match=says):  # pycaffe, where Caffe itself says nothing
        caffe.Net(str(tmp_path / "net.prototxt"), caffe.TEST, weights=str(tmp_path / "trained.caffemodel"))


def test_forks_numbers_are_nobodys(tmp_path: Path) -> None:
    """PSPNet's `ceil_mode` has the number of BVLC's `round_mode`, the other way round; SSD's Normalize is field 206."""
    text = SIDE + FORK % ("Pooling", "pooling_param { kernel_size: 2 stride: 2 ceil_mode: %s }")
    trained = SIDE + FORK % ("Pooling", "pooling_param { kernel_size: 2 stride: 2 }")
    stored = with_weights(parse_text(trained), blobs(trained))
    for mode, number in (("true", 1), ("false", 0)):
        pooling = stored.layer[-1].pooling_param
        pooling.ParseFromString(pooling.SerializeToString() + bytes([13 << 3, number]))
        (tmp_path / "net.prototxt").write_text(text % mode)
        (tmp_path / "net.caffemodel").write_bytes(stored.SerializeToString())
        open_network(tmp_path / "net.prototxt", weights=tmp_path / "net.caffemodel")
    (tmp_path / "net.prototxt").write_text(
        SIDE + FORK % ("Normalize", "norm_param { across_spatial: false channel_shared: true }")
    )
    blob = b"\x3a\x0b\x3a\x03\x0a\x01\x01\x2a\x04\x00\x00\x80\x3f"
    body = b"\x0a\x01x\x12\x09Normalize\x1a\x01c\x22\x01x\xf2\x0c\x02\x08\x00" + blob
    head = parse_binary(stored.SerializeToString())
    del head.layer[-1]
    (tmp_path / "net.caffemodel").write_bytes(
        head.SerializeToString() + b"\xa2\x06" + bytes([len(body)]) + body
    )
    open_network(tmp_path / "net.prototxt", weights=tmp_path / "net.caffemodel")


def test_weights_of_the_real_networks_are_their_own(shared_data: Path) -> None:
    for description, weights in (
        ("bvlc_googlenet/deploy.prototxt", "bvlc_googlenet/bvlc_googlenet.caffemodel"),
        ("squeezenet_v1.1/deploy.prototxt", "squeezenet_v1.1/squeezenet_v1.1.caffemodel"),
        ("cifar10_quick/cifar10_quick.prototxt", "cifar10_quick/cifar10_quick_iter_4000.caffemodel"),
        ("old_formats/lenet.prototxt", "old_formats/lenet_iter_10000.caffemodel"),
    ):
        open_network(shared_data / "caffe" / description, weights=shared_data / "caffe" / weights)


def test_real_weights_with_a_changed_description(shared_data: Path, tmp_path: Path) -> None:
    text = (shared_data / "caffe/squeezenet_v1.1/deploy.prototxt").read_text()
    (tmp_path / "deploy.prototxt").write_text(text.replace("stride: 2", "stride: 3"))
    with pytest.warns(
        ConvscopeWarning, match="'conv1' has stride 3, in the weights 2; layer 'pool1' has stride 3"
    ):
        open_network(
            tmp_path / "deploy.prototxt",
            weights=shared_data / "caffe/squeezenet_v1.1/squeezenet_v1.1.caffemodel",
        )
