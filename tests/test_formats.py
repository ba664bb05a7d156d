"""One engine under all formats: a planted network gives the same answers from each, real ones take every technique."""

import os
from collections import OrderedDict
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from click.testing import CliRunner
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from torch import nn

import convscope
from convscope.cli import main
from convscope.errors import InputError
from convscope.looking.layer_table import layer_table
from convscope.network.network import Network
from graph_def_writer import GraphWriter
from plain_keras import input_layer, layer, sequential, write_h5
from planted import CLASSES, SIZE, planted_files, planted_network

LAYERS = ("conv1", "pool1", "conv2", "pool2", "scores", "prob")
EATING = {
    "channel_order": "RGB",
    "raw_scale": 1.0,
    "mean": (0.0,) * 3,
    "input_scale": 1.0,
    "resize": "direct",
}


def planted_weights() -> dict[str, np.ndarray]:
    return {name: tensor.numpy() for name, tensor in planted_network().parameters.items()}


def write_tensorflow(folder: Path) -> Path:
    g, weights = GraphWriter(), planted_weights()
    x = g.placeholder("data", (1, SIZE, SIZE, 3))
    for name in ("conv1", "conv2"):
        kernel = g.const(f"{name}/weights", weights[f"{name}.weight"].transpose(2, 3, 1, 0).copy())
        x = g.node("Conv2D", f"{name}/Conv2D", x, kernel, strides=[1, 1, 1, 1], padding="SAME")
        x = g.node("BiasAdd", f"{name}/BiasAdd", x, g.const(f"{name}/biases", weights[f"{name}.bias"]))
        x = g.node("Relu", name, x)
        if name == "conv1":
            x = g.node("MaxPool", "pool1", x, ksize=[1, 2, 2, 1], strides=[1, 2, 2, 1], padding="VALID")
    x = g.node("Mean", "pool2", x, g.const("pool2/axes", [1, 2]), keep_dims=False, Tidx="DT_INT32")
    x = g.node("MatMul", "scores/MatMul", x, g.const("scores/weights", weights["scores.weight"].T.copy()))
    x = g.node("BiasAdd", "scores", x, g.const("scores/biases", weights["scores.bias"]))
    g.node("Softmax", "prob", x)
    return g.save(folder / "planted.pb")


def write_keras(folder: Path) -> Path:
    weights = planted_weights()
    convolution = {"strides": [1, 1], "padding": "same", "activation": "relu", "use_bias": True}
    description = sequential(
        "planted",
        [
            input_layer((SIZE, SIZE, 3), "data"),
            layer("Conv2D", "conv1", filters=8, kernel_size=[5, 5], **convolution),
            layer("MaxPooling2D", "pool1", pool_size=[2, 2], strides=[2, 2], padding="valid"),
            layer("Conv2D", "conv2", filters=3, kernel_size=[3, 3], **convolution),
            layer("GlobalAveragePooling2D", "pool2"),
            layer("Dense", "scores", units=3, activation="linear", use_bias=True),
            layer("Activation", "prob", activation="softmax"),
        ],
    )
    kernels = {
        "conv1": weights["conv1.weight"].transpose(2, 3, 1, 0),
        "conv2": weights["conv2.weight"].transpose(2, 3, 1, 0),
        "scores": weights["scores.weight"].T,
    }
    stored = {
        name: [(f"{name}/kernel:0", kernel), (f"{name}/bias:0", weights[f"{name}.bias"])]
        for name, kernel in kernels.items()
    }
    return write_h5(folder / "planted.h5", description, stored)


def write_onnx(folder: Path) -> Path:
    make = helper.make_node
    nodes = [
        make("Conv", ["data", "conv1.weight", "conv1.bias"], ["c1"], pads=[2] * 4),
        make("Relu", ["c1"], ["conv1"]),
        make("MaxPool", ["conv1"], ["pool1"], kernel_shape=[2, 2], strides=[2, 2]),
        make("Conv", ["pool1", "conv2.weight", "conv2.bias"], ["c2"], pads=[1] * 4),
        make("Relu", ["c2"], ["conv2"]),
        make("GlobalAveragePool", ["conv2"], ["pool2"]),
        make("Flatten", ["pool2"], ["flat"]),
        make("Gemm", ["flat", "scores.weight", "scores.bias"], ["scores"], transB=1),
        make("Softmax", ["scores"], ["prob"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "planted",
        [helper.make_tensor_value_info("data", TensorProto.FLOAT, (1, 3, SIZE, SIZE))],
        [helper.make_tensor_value_info("prob", TensorProto.FLOAT, (1, 3))],
        [numpy_helper.from_array(value.copy(), name) for name, value in planted_weights().items()],
    )
    path = folder / "planted.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def planted_module() -> nn.Module:
    return nn.Sequential(
        OrderedDict(
            c1=nn.Conv2d(3, 8, 5, padding=2),
            conv1=nn.ReLU(inplace=True),
            pool1=nn.MaxPool2d(2),
            c2=nn.Conv2d(8, 3, 3, padding=1),
            conv2=nn.ReLU(inplace=True),
            pool2=nn.AdaptiveAvgPool2d(1),
            flat=nn.Flatten(),
            scores=nn.Linear(3, 3),
            prob=nn.Softmax(dim=1),
        )
    )


def write_pytorch(folder: Path) -> Path:
    modules = {"conv1": "c1", "conv2": "c2", "scores": "scores"}
    state = {}
    for name, value in planted_weights().items():
        layer_name, role = name.split(".")
        state[f"{modules[layer_name]}.{role}"] = torch.from_numpy(value.copy())
    torch.save(state, folder / "planted.pth")
    return folder / "planted.pth"


WRITERS = {
    "caffe": planted_files,
    "tensorflow": write_tensorflow,
    "keras": write_keras,
    "onnx": write_onnx,
    "pytorch": write_pytorch,
}


def opened(name: str, folder: Path) -> Network:
    more = {"architecture": planted_module(), "input_shape": (1, 3, SIZE, SIZE)} if name == "pytorch" else {}
    return convscope.open_network(WRITERS[name](folder), labels=CLASSES, **more, **EATING)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "noise.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 48, 3), np.uint8)).save(path)
    return path


def as_caffe_has_it(network: Network, name: str, value: torch.Tensor) -> torch.Tensor:
    """Return a value channels first, with no axes of size 1 behind."""
    first = network.channels_first(name, value)
    return first.flatten(1) if first.shape[2:].numel() == 1 else first


@pytest.mark.parametrize("name", WRITERS)
def test_one_network_in_every_format_answers_the_same(name: str, tmp_path: Path, picture: Path) -> None:
    network, expected = opened(name, tmp_path), planted_network(labels=CLASSES)
    (value,) = network.graph.inputs
    x, y = network.preprocess(picture), expected.preprocess(picture)
    torch.testing.assert_close(network.channels_first(value, x), y)
    found, wanted = network.activations(x, *LAYERS), expected.activations(y, *LAYERS)
    for layer_name in LAYERS:
        torch.testing.assert_close(
            as_caffe_has_it(network, layer_name, found[layer_name]),
            as_caffe_has_it(expected, layer_name, wanted[layer_name]),
            rtol=1e-5,
            atol=1e-6,
        )
    for address in ("conv1:3", "conv2:1@4,5", "scores:blue"):
        gradient = network.channels_first(value, network.gradient(x, address))
        torch.testing.assert_close(gradient, expected.gradient(y, address), rtol=1e-4, atol=1e-7)
    assert network.predict(picture)[0][0] == expected.predict(picture)[0][0]


@pytest.mark.parametrize("name", WRITERS)
def test_the_layer_table_reads_the_same(name: str, tmp_path: Path) -> None:
    table, expected = (layer_table(one) for one in (opened(name, tmp_path), planted_network()))
    assert str(table).splitlines()[0].split() == str(expected).splitlines()[0].split()
    assert table.parameters == expected.parameters == 839
    assert table.operations == expected.operations
    rows, wanted = ({row.name: row for row in each.rows} for each in (table, expected))
    for layer_name in LAYERS:
        assert rows[layer_name].receptive_field == wanted[layer_name].receptive_field


@pytest.mark.parametrize("name", WRITERS)
def test_a_shape_is_given_by_the_inputs_name(name: str, tmp_path: Path) -> None:
    (value, shape) = next(iter(opened(name, tmp_path).graph.inputs.items()))
    file, more = WRITERS[name](tmp_path), {"architecture": planted_module()} if name == "pytorch" else {}
    assert convscope.open_network(file, input_shape={value: shape}, **more).graph.inputs == {value: shape}
    with pytest.raises(InputError, match=rf"'nonsense'.*{value}"):
        convscope.open_network(file, input_shape={"nonsense": shape}, **more)


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("ending", [".convscope", ".onnx"])
def test_every_format_is_saved_as_the_two_that_all_can(
    name: str, ending: str, tmp_path: Path, picture: Path
) -> None:
    network = opened(name, tmp_path)
    again = convscope.open_network(network.save(tmp_path / f"saved{ending}"))
    x = network.preprocess(picture)
    assert torch.equal(again.preprocess(picture), x) and again.labels == network.labels
    found, expected = again.activations(x, *LAYERS), network.activations(x, *LAYERS)
    for layer_name in LAYERS:
        torch.testing.assert_close(found[layer_name], expected[layer_name], rtol=1e-6, atol=1e-7)
    assert list(again.layers) == list(network.layers) or ending == ".onnx"


REAL = {
    "caffe": "caffe/cifar10_quick/cifar10_quick_iter_4000.caffemodel",
    "tensorflow": "tensorflow/mobilenet_v1_0.25_128",
    "keras": "keras/fer2013_mini_XCEPTION.119-0.65.hdf5",
    "detector": "onnx/version-slim-320.onnx",
    "super resolution": "onnx/super_resolution.onnx",
}
# What to look at in each: one channel of a convolution's answer.
CHANNELS = {
    "caffe": "conv1:1",
    "tensorflow": "MobilenetV1/MobilenetV1/Conv2d_1_pointwise/Relu6:1",
    "keras": "activation_1:1",
    "detector": "187:1",
    "super resolution": "9:1",
}
COMMANDS = {
    "layers": ("layers", "NETWORK"),
    "activations": ("activations", "NETWORK", "PICTURE", "CHANNEL", "-o", "activations.png"),
    "gradients": ("gradients", "NETWORK", "PICTURE", "CHANNEL", "-o", "gradients.png"),
    "see": ("see", "NETWORK", "CHANNEL", "--size", "32", "--steps", "4", "-o", "see.png"),
    "report": ("report", "NETWORK", "PICTURE", "--quick", "-o", "report.html"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", REAL)
def test_every_command_takes_every_format(
    name: str, shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CONVSCOPE_CACHE", os.fspath(tmp_path / "cache"))
    given = {
        "NETWORK": os.fspath(shared_data / REAL[name]),
        "PICTURE": os.fspath(shared_data / "pictures" / "cat.jpg"),
        "CHANNEL": CHANNELS[name],
    }
    for command, words in COMMANDS.items():
        answer = CliRunner().invoke(main, [given.get(word, word) for word in words])
        assert answer.exit_code == 0, f"{command}: {answer.output}{answer.exception!r}"
        if command == "layers":
            assert answer.stdout.split()[0] == "layer"
        else:
            assert Path(words[-1]).stat().st_size > 1000


@pytest.mark.filterwarnings("ignore:.* is opened with .*, which was found beside it")
@pytest.mark.parametrize("name", REAL)
def test_a_real_network_is_saved_and_opened_again(name: str, shared_data: Path, tmp_path: Path) -> None:
    network = convscope.open_network(shared_data / REAL[name])
    again = convscope.open_network(network.save(tmp_path / "saved.convscope"))
    x = torch.rand((1, *next(iter(network.graph.inputs.values()))[1:]))
    found, expected = again.activations(x), network.activations(x)
    assert list(found) == list(expected)
    assert network.input_spec is None or str(again.input_spec) == str(network.input_spec)  # guesses too
    assert all(torch.equal(found[layer_name], expected[layer_name]) for layer_name in expected)


@pytest.mark.parametrize("name", ["detector", "super resolution"])
def test_what_answers_with_no_classes_is_not_asked_for_them(name: str, shared_data: Path) -> None:
    network = convscope.open_network(shared_data / REAL[name])
    with pytest.raises(InputError, match="is no classifier; its outputs are"):
        network.predict(shared_data / "pictures" / "cat.jpg")
