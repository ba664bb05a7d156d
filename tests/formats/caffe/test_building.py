"""From a net's text to the graph: versions, sharing, what is left out, what is wrong."""

from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

import convscope
from convscope.errors import ConvscopeWarning, InputError, NetworkFileError, UnsupportedLayer, WeightsMismatch
from convscope.formats.caffe.building import build_graph
from convscope.formats.caffe.message import Message
from convscope.formats.caffe.rules import filter_layers
from convscope.formats.caffe.saving import save_weights
from convscope.formats.caffe.text import read_text
from convscope.formats.caffe.upgrade import upgrade
from convscope.formats.caffe.weights import read_weights
from convscope.formats.caffe.writing import save_caffe
from convscope.network.graph import Graph
from convscope.network.network import Network

DATA = (
    'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 2 dim: 6 dim: 6 } } }'
)


def graph_of(text: str, **options) -> Graph:
    return build_graph(filter_layers(upgrade(read_text(text))), **options)


def conv(name: str, bottom: str, more: str = "", top: str = "") -> str:
    top = top or name
    parameters = "convolution_param { num_output: 2 kernel_size: 3 pad: 1 }"
    return (
        f'layer {{ name: "{name}" type: "Convolution" bottom: "{bottom}" top: "{top}" {parameters} {more} }}'
    )


def in_place(kind: str, name: str, blob: str) -> str:
    return f'layer {{ name: "{name}" type: "{kind}" bottom: "{blob}" top: "{blob}" }}'


def test_in_place_layers_make_versions() -> None:
    text = (
        DATA + conv("conv1", "data") + in_place("ReLU", "relu1", "conv1") + in_place("TanH", "tanh1", "conv1")
    )
    graph = graph_of(text + conv("conv2", "conv1"))
    assert [(op.name, op.inputs, op.outputs) for op in graph.operations] == [
        ("conv1", ("data",), ("conv1@conv1",)),
        ("relu1", ("conv1@conv1",), ("conv1@relu1",)),
        ("tanh1", ("conv1@relu1",), ("conv1",)),
        ("conv2", ("conv1",), ("conv2",)),
    ]
    assert graph.blobs == ("data", "conv1", "conv2")
    assert graph.aliases["conv1@tanh1"] == "conv1"
    assert [op.name for op in graph.written_by("conv1")] == ["conv1", "relu1", "tanh1"]
    layer = Network(graph, input_spec=None).layers["conv1"]
    assert layer.kind == "Convolution"
    assert layer.steps == ("Convolution", "ReLU", "TanH")
    assert layer.parameters == {"conv1.weight": (2, 2, 3, 3), "conv1.bias": (2,)}
    assert (layer.parameter_count, layer.multiply_adds) == (38, 36 * 2 * 18)


def test_a_reader_between_two_writings_reads_its_own_version() -> None:
    text = DATA + conv("a", "data") + conv("early", "a") + in_place("ReLU", "r", "a") + conv("late", "a")
    graph = graph_of(text)
    reads = {op.name: op.inputs for op in graph.operations}
    assert reads["early"] == ("a@a",) and reads["late"] == ("a",)


def test_an_input_written_in_place() -> None:
    graph = graph_of(DATA + in_place("ReLU", "relu", "data") + conv("conv1", "data"))
    network = Network(graph, input_spec=None)
    found = network.activations(-torch.ones(1, 2, 6, 6), "data", "data@data")
    assert found["data"].max() == 0 and found["data@data"].min() == -1


def test_shared_parameters_are_one() -> None:
    shared = 'param { name: "w" } param { name: "b" }'
    graph = graph_of(DATA + conv("one", "data", shared) + conv("two", "one", shared))
    assert list(graph.parameters) == ["one.weight", "one.bias"]
    assert all(dict(op.parameters) == {"weight": "one.weight", "bias": "one.bias"} for op in graph.operations)
    wider = conv("two", "one", shared).replace("kernel_size: 3", "kernel_size: 1")
    with pytest.raises(NetworkFileError, match="'one' and 'two' share the parameter 'w'"):
        graph_of(DATA + conv("one", "data", shared) + wider)


def test_what_only_trains_is_left_out_with_a_note() -> None:
    text = """
    layer { name: "data" type: "Data" top: "data" top: "label" data_param { batch_size: 4 }
            transform_param { crop_size: 6 mean_value: 1 mean_value: 2 mean_value: 3 } }
    layer { name: "fc" type: "InnerProduct" bottom: "data" top: "fc" inner_product_param { num_output: 5 } }
    layer { name: "accuracy" type: "Accuracy" bottom: "fc" bottom: "label" top: "accuracy" }
    layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" }
    """
    with pytest.warns(ConvscopeWarning, match="'accuracy'.*only for training.*'loss'.*probabilities"):
        graph = graph_of(text)
    assert dict(graph.inputs) == {"data": (4, 3, 6, 6)}
    assert [(op.name, op.kind) for op in graph.operations] == [("fc", "dense"), ("loss", "softmax")]
    assert graph.outputs == ("loss",)


def test_an_input_without_a_size_is_a_usual_picture_and_a_note_says_so() -> None:
    text = 'layer { name: "d" type: "HDF5Data" top: "data" }' + conv("conv1", "data")
    with pytest.warns(
        ConvscopeWarning, match="does not say how big its input 'data' is: 1x3x224x224 is a guess"
    ):
        assert graph_of(text).inputs == {"data": (1, 3, 224, 224)}
    assert graph_of(text, input_shape=(1, 2, 9, 9)).inputs == {"data": (1, 2, 9, 9)}


def test_pictures_of_a_database_have_as_many_channels_as_means() -> None:
    means = "transform_param { mean_value: [1, 2, 3, 4, 5, 6] crop_size: 9 }"
    text = 'layer { name: "d" type: "Data" top: "data" data_param { batch_size: 2 } ' + means + " }"
    assert graph_of(text + conv("conv1", "data")).inputs == {"data": (2, 6, 9, 9)}


def test_a_forks_lstm_of_another_form_is_cut_off() -> None:
    lstm = 'layer { name: "l" type: "Lstm" bottom: "conv1" top: "l" }'
    with pytest.warns(ConvscopeWarning, match="a Lstm: .*'l' is cut off"):
        assert graph_of(DATA + conv("conv1", "data") + lstm).outputs == ("conv1",)


MNIST = (
    'name: "small" layer { name: "d" type: "Data" top: "data" top: "label" data_param { batch_size: 1 } }'
    'layer { name: "half" type: "Power" bottom: "data" top: "half" power_param { scale: 0.5 } }'
    + conv("conv1", "half")
    + 'layer { name: "fc" type: "InnerProduct" bottom: "conv1" top: "fc" inner_product_param { num_output: 5 } }'
)


@pytest.mark.parametrize("shape", [(1, 1, 28, 28), (1, 3, 32, 32)])
def test_an_input_without_a_size_is_the_usual_picture_that_its_weights_fit(
    shape: tuple[int, ...], tmp_path: Path
) -> None:
    (tmp_path / "net.prototxt").write_text(MNIST)
    with pytest.warns(ConvscopeWarning, match="random"):
        network = convscope.open_network(tmp_path / "net.prototxt", input_shape=shape)
    network.save(tmp_path / "net.caffemodel")
    with pytest.warns(ConvscopeWarning, match="is a guess"):
        assert convscope.open_network(tmp_path / "net.prototxt").graph.inputs == {"data": shape}


def test_weights_that_fit_no_usual_picture_ask_for_its_size(tmp_path: Path) -> None:
    (tmp_path / "net.prototxt").write_text(MNIST)
    with pytest.warns(ConvscopeWarning, match="random"):
        network = convscope.open_network(tmp_path / "net.prototxt", input_shape=(1, 3, 31, 17))
    network.save(tmp_path / "net.caffemodel")
    with pytest.raises(
        InputError, match="'data' is, and the weights fit no usual picture: give input_shape="
    ):
        convscope.open_network(tmp_path / "net.prototxt")


@pytest.mark.parametrize(
    "text, error, says",
    [
        (conv("conv1", "dat"), NetworkFileError, "'conv1' reads 'dat'.*Did you mean 'data'"),
        (conv("a", "data") + conv("b", "data", top="a"), NetworkFileError, "'b' makes 'a'"),
        (
            conv("a", "data").replace("Convolution", "Convlution"),
            UnsupportedLayer,
            "Did you mean 'Convolution'",
        ),
        (conv("a", "data").replace("kernel_size: 3", "kernel_size: 30"), InputError, "layer 'a'"),
    ],
)
def test_a_wrong_net_is_answered_by_layer(text: str, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        graph_of(DATA + text)


@pytest.fixture
def saved(tmp_path):
    """A net's text and a weight file that fits it."""
    text = DATA + conv("conv1", "data") + conv("conv2", "conv1")
    random = np.random.default_rng(0)
    blobs = {
        name: [random.random((2, 2, 3, 3), np.float32), random.random(2, np.float32)]
        for name in ("conv1", "conv2")
    }
    save_weights(read_text(text), blobs, tmp_path / "net.caffemodel")
    return text, blobs, tmp_path / "net.caffemodel"


def test_weights_are_matched_by_name(saved) -> None:
    text, blobs, path = saved
    graph = graph_of(text, weights=read_weights(path))
    for name, (weight, bias) in blobs.items():
        assert np.array_equal(graph.parameters[f"{name}.weight"].numpy(), weight)
        assert np.array_equal(graph.parameters[f"{name}.bias"].numpy(), bias)


def test_weights_that_do_not_fit(saved) -> None:
    text, _, path = saved
    with pytest.raises(WeightsMismatch, match=r"'conv1', blob 0 is 2x2x3x3, but the network needs 2x2x5x5"):
        graph_of(text.replace("kernel_size: 3", "kernel_size: 5", 1), weights=read_weights(path))
    with pytest.raises(WeightsMismatch, match="none of the network's layers"):
        graph_of(DATA + conv("other", "data"), weights=read_weights(path))
    with pytest.warns(ConvscopeWarning, match="no weights for 'conv3'"):
        graph_of(text + conv("conv3", "conv2"), weights=read_weights(path))
    with_scale = text + 'layer { name: "conv1" type: "BatchNorm" bottom: "conv2" top: "n" }'
    with pytest.raises(WeightsMismatch, match="has 2 blobs"):
        graph_of(with_scale.replace('name: "conv1" type: "Convolution"', 'name: "c" type: "Convolution"'),
                 weights=read_weights(path))  # fmt: skip


def test_blobs_are_counted(saved) -> None:
    text, _, path = saved
    without_bias = text.replace("pad: 1 }", "pad: 1 bias_term: false }", 1)
    with pytest.raises(WeightsMismatch, match="'conv1' has 2 blobs, but the network needs 1"):
        graph_of(without_bias, weights=read_weights(path))


@pytest.mark.parametrize("left_out", [(0,), (1,), (0, 1)])
def test_hdf5_leaves_out_what_is_shared(saved, tmp_path, left_out) -> None:
    text, blobs, _ = saved
    path = tmp_path / "net.h5"
    save_weights(read_text(text), blobs, path)
    with h5py.File(path, "a") as opened:
        for index in left_out:
            del opened[f"data/conv2/{index}"]
    shared = 'param { name: "w" } param { name: "b" }'
    graph = graph_of(
        DATA + conv("conv1", "data", shared) + conv("conv2", "conv1", shared), weights=read_weights(path)
    )
    assert np.array_equal(graph.parameters["conv1.bias"].numpy(), blobs["conv1"][1])
    if len(left_out) == 1:
        with pytest.raises(WeightsMismatch, match="'conv2' has 1 blobs, but the network needs 2"):
            graph_of(text, weights=read_weights(path))


def test_the_same_seed_fills_the_same_numbers() -> None:
    text = DATA + conv("conv1", "data") + conv("conv2", "conv1")
    one, two = graph_of(text), graph_of(text)
    assert torch.equal(
        two.parameters["conv2.weight"], one.parameters["conv2.weight"]
    )  # loaded in another order
    assert torch.equal(one.parameters["conv1.weight"], two.parameters["conv1.weight"])
    assert not torch.equal(one.parameters["conv1.weight"], one.parameters["conv2.weight"])


def test_a_message_made_in_python_builds_too() -> None:
    net = Message("NetParameter", name="made")
    layer = net.add("layer", name="data", type="Input", top=["data"])
    layer.ensure("input_param").add("shape").dim = [1, 1, 4, 4]
    net.add("layer", name="relu", type="ReLU", bottom=["data"], top=["relu"])
    assert build_graph(net).outputs == ("relu",)


def layer(kind: str, name: str, more: str = "") -> str:
    return f'layer {{ name: "{name}" type: "{kind}" {more} }}'


@pytest.mark.parametrize(
    "text, error, says",
    [
        (layer("ReLU", "r", 'bottom: "data" top: "a" top: "b"'), InputError, "'r'.* makes 1 and not 2"),
        (layer("ReLU", "r", 'bottom: "data"'), InputError, "'r'.*it has no top"),
        (layer("ReLU", "r", 'bottom: "data" bottom: "data" top: "a"'), InputError, "'r'.* not read 2 inputs"),
        (layer("ReLU", "r", 'top: "a"'), InputError, "'r'.* does not read 0 inputs"),
        (layer("Concat", "c", 'top: "a"'), InputError, "'c'.* cannot take nothing"),
        (layer("BatchNorm", "b", 'top: "a"'), InputError, "'b'.* cannot take nothing"),
        (conv("c", "data") + conv("c", "data", top="d"), NetworkFileError, "with weights are called 'c'"),
        (
            conv("c", "data") + layer("BatchNorm", "c", 'bottom: "c" top: "d"'),
            NetworkFileError,
            "with weights are called 'c'",
        ),
        (
            conv("a", "data") + layer("Eltwise", "e", 'bottom: "data" bottom: "a" top: "a"'),
            NetworkFileError,
            "'e' makes 'a', which another layer already made",
        ),
        (
            conv("c", "data").replace("kernel_size: 3", "kernel_size: 3 stride: 1 stride: 1 stride: 1"),
            InputError,
            "'c'.* stride is given for 3 axes",
        ),
        (conv("c", "data").replace("pad: 1", "group: 3"), NetworkFileError, "'c'.* cut into 3 groups"),
    ],
)
def test_layers_wired_wrongly_are_answered_by_layer(text: str, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        graph_of(DATA + text)


@pytest.mark.parametrize("size", [-8, 2**62])
def test_sizes_no_input_can_have(size: int) -> None:
    with pytest.raises(InputError, match=r"'data'.*give sizes of 1 or more"):
        graph_of(DATA.replace("dim: 6", f"dim: {size}"))


def test_what_reads_a_loss_is_left_out_too() -> None:
    text = DATA + conv("a", "data") + layer("EuclideanLoss", "l", 'bottom: "a" bottom: "a" top: "loss"')
    with pytest.warns(ConvscopeWarning, match="layer 'half' reads 'loss', which is left out"):
        graph = graph_of(text + layer("Power", "half", 'bottom: "loss" top: "half"'))
    assert [operation.name for operation in graph.operations] == ["a"]


def test_a_loss_that_names_no_top() -> None:
    with pytest.warns(ConvscopeWarning, match="probabilities"):
        graph = graph_of(DATA + layer("SoftmaxWithLoss", "loss", 'bottom: "data" bottom: "label"'))
    assert graph.outputs == ("loss",)


@pytest.mark.parametrize(
    "text, says",
    [
        (conv("c", "data").replace("pad: 1", "stride: 4294967295"), "stride must be at most 2,147,483,647"),
        (conv("c", "data").replace('top: "c"', 'top: "c" top: "d"'), "1 bottoms need as many tops, found 2"),
        (
            layer("Pooling", "p", 'bottom: "data" top: "p" pooling_param { kernel_size: 2 stride: 3000000000 }'),
            r"stride must be .* found \(3000000000, 3000000000\)",
        ),
        (layer("Pooling", "p", 'bottom: "data" top: "p" pooling_param { kernel_size: 0 }'), "kernel must be at least"),
        (layer("Filter", "f", 'bottom: "data" top: "f" top: "g"'), "2 tops need as many bottoms and a selector"),
        (layer("BatchNorm", "b", 'bottom: "data" top: "b" batch_norm_param { eps: -1 }'), "eps must not be negative"),
    ],
)  # fmt: skip
def test_sizes_and_counts_no_layer_can_have(text: str, says: str) -> None:
    with pytest.raises(NetworkFileError, match=rf"line 1\), a .*{says}"):
        graph_of(DATA + text)


def test_a_layer_without_a_name_is_saved(tmp_path) -> None:
    graph = graph_of(DATA + conv("", "data", top="c").replace('name: "" ', ""))
    save_caffe(Network(graph, input_spec=None), tmp_path / "net.caffemodel")
    assert read_weights(tmp_path / "net.caffemodel")[""][0].array().shape == (2, 2, 3, 3)


def test_permissive_sharing_is_of_the_numbers() -> None:
    shared = 'param { name: "w" share_mode: PERMISSIVE }'
    text = (
        DATA
        + f"""
    layer {{ name: "one" type: "InnerProduct" bottom: "data" top: "one" {shared}
            inner_product_param {{ num_output: 3 bias_term: false axis: 3 }} }}
    layer {{ name: "two" type: "InnerProduct" bottom: "one" top: "two" {shared}
            inner_product_param {{ num_output: 6 bias_term: false axis: 3 }} }}
    """
    )
    graph = graph_of(text)
    one, two = graph.parameters["one.weight"], graph.parameters["two.weight"]
    assert (one.shape, two.shape) == ((3, 6), (6, 3))
    assert torch.equal(one.flatten(), two.flatten())
    with pytest.raises(NetworkFileError, match="share the parameter 'w'"):
        graph_of(text.replace("num_output: 6", "num_output: 5"))
