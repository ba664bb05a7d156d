"""Graphs made of nodes: which values there are, in which order, at which size, and what is refused."""

from pathlib import Path

import numpy as np
import pytest
import torch

import convscope
from convscope.errors import ConvscopeWarning, InputError, NetworkFileError, UnsupportedLayer
from convscope.formats.folding_budget import FoldingBudget
from convscope.formats.tensorflow.constants import folded
from convscope.formats.tensorflow.node import Node
from convscope.network.engine.execution import cut
from convscope.network.engine.fusion import find_chains
from graph_def_writer import GraphWriter
from inception_2014 import BLOCKS, inception_2014
from tensorflow_graphs import every_op

CONV = {"strides": [1, 1, 1, 1], "padding": "SAME"}


@pytest.fixture(scope="module")
def inception(tmp_path_factory: pytest.TempPathFactory) -> convscope.Network:
    return convscope.open_network(inception_2014().save(tmp_path_factory.mktemp("net") / "inception5h.pb"))


def opened(g: GraphWriter, folder: Path, **options: object) -> convscope.Network:
    return convscope.open_network(g.save(folder / "graph.pb"), **options)


def test_the_inception_of_2014_has_its_370_names_in_order(inception: convscope.Network) -> None:
    """As a course of 2016 printed them: the input, 128 weights, then each node of the network."""
    names = list(inception.shapes)
    assert len(names) == 370
    assert names[:5] == ["input", "conv2d0_w", "conv2d0_b", "conv2d1_w", "conv2d1_b"]
    assert names[129:135] == [
        "conv2d0_pre_relu/conv", "conv2d0_pre_relu", "conv2d0", "maxpool0", "localresponsenorm0",
        "conv2d1_pre_relu/conv",
    ]  # fmt: skip
    assert [name for name in names if name in BLOCKS] == list(BLOCKS)
    assert names[-5:] == ["softmax2_pre_activation", "softmax2", "output", "output1", "output2"]
    assert inception.shapes["conv2d0_w"] == (7, 7, 3, 64)
    assert inception.shapes["mixed4a"] == (1, 14, 14, 508)


def test_it_answers_at_another_size_without_being_opened_again(inception: convscope.Network) -> None:
    """A 7x7 window fits sixteen times into the last maps of 299 pixels: so many rows the softmax has."""
    x = torch.rand(1, 299, 299, 3)
    found = inception.activations(x, "conv2d0_pre_relu", "softmax2")
    assert {name: tuple(value.shape) for name, value in found.items()} == {
        "conv2d0_pre_relu": (1, 150, 150, 64),
        "softmax2": (16, 1008),
    }


def test_weights_are_values_and_no_layers(inception: convscope.Network) -> None:
    layers = list(inception.layers)
    assert len(layers) == 370 - 128 - 9 - 5  # without weights, axes and shapes
    assert layers[:3] == ["input", "conv2d0_pre_relu/conv", "conv2d0_pre_relu"]
    weights = inception.activations(torch.zeros(1, 224, 224, 3), "conv2d0_w")["conv2d0_w"]
    kernel = inception.parameters["conv2d0_w"]
    assert kernel.shape == (64, 3, 7, 7) and torch.equal(weights, kernel.permute(2, 3, 1, 0))
    assert inception.layers["conv2d0_pre_relu/conv"].parameter_count == 64 * 3 * 7 * 7


def test_what_it_says_is_its_last_softmax(inception: convscope.Network) -> None:
    assert inception.class_output == "softmax2" and inception.class_count == 1008
    assert inception.labels[:2] == ("dummy", "kit fox") and inception.labels[449] == "tench"
    assert inception.resolve("softmax2:tench").channel == 449


def test_biases_and_what_follows_run_as_one_with_the_filters(inception: convscope.Network) -> None:
    """TensorFlow writes a convolution's bias, and a batch normalization, as nodes of their own."""
    targets = ("mixed3a", "nn1")
    chains = find_chains(inception.graph, inception.graph.needed_for(targets), targets)
    kinds = {value: tuple(step.kind for step in chain.operations) for value, chain in chains.items()}
    assert kinds["mixed3a_3x3_pre_relu/conv"] == ("convolution", "bias", "relu")
    assert kinds["nn1_pre_relu/matmul"] == ("dense", "bias", "relu")
    x = torch.rand(2, 224, 224, 3)
    plain = cut(inception.graph, targets)(x)
    for name, expected in zip(targets, plain, strict=True):
        torch.testing.assert_close(inception.activations(x, name)[name], expected, rtol=1e-4, atol=1e-4)


def test_it_is_saved_whole(inception: convscope.Network, tmp_path: Path) -> None:
    again = convscope.open_network(inception.save(tmp_path / "saved.convscope"))
    x = torch.rand(1, 224, 224, 3)
    assert list(again.shapes) == list(inception.shapes) and list(again.layers) == list(inception.layers)
    for name in ("mixed3a", "softmax2", "conv2d0_w"):
        assert torch.equal(again.activations(x, name)[name], inception.activations(x, name)[name])
    assert again.labels == inception.labels and again.class_output == "softmax2"


def test_sizes_are_worked_out_for_every_input(tmp_path: Path) -> None:
    network = opened(every_op(), tmp_path)
    for batch in (1, 3):
        found = network.activations(torch.rand(batch, 45, 39, 3), "flat", "unflat", "row")
        assert found["flat"].shape == (batch, 132, 8) and found["unflat"].shape == (batch, 12, 11, 8)
        assert found["row"].tolist() == [batch, -1, 8]


def test_an_output_of_several_has_its_number(tmp_path: Path) -> None:
    network = opened(every_op(), tmp_path)
    assert [name for name in network.layers if name.startswith("uneven")] == [
        "uneven:0",
        "uneven:1",
        "uneven:2",
    ]
    assert str(network.resolve("parts")) == "parts:0"
    assert network.shapes["uneven:1"][-1] == 2


def test_nodes_in_any_order_and_those_only_waited_for(tmp_path: Path) -> None:
    g = GraphWriter()
    weights = g.weights("w", 3, 3, 3, 4)
    g.node("Relu", "relu", "conv", "^later")
    g.node("Conv2D", "conv", "input", weights, **CONV)
    g.node("NoOp", "later", "^conv")
    g.placeholder()
    network = opened(g, tmp_path)
    assert list(network.layers) == ["input", "conv", "relu"]


def test_a_graph_that_reads_files_begins_at_the_picture(tmp_path: Path) -> None:
    """As Google's Inception of 2015: decoded, cast, given a batch, resized; then made small, which stays."""
    g = GraphWriter()
    g.node("Placeholder", "DecodeJpeg/contents", dtype="DT_STRING", shape=())
    g.node("DecodeJpeg", "DecodeJpeg", "DecodeJpeg/contents", channels=3)
    g.node("Cast", "Cast", "DecodeJpeg", SrcT="DT_UINT8", DstT="DT_FLOAT")
    g.node("ExpandDims", "ExpandDims", "Cast", g.const("ExpandDims/dim", 0), Tdim="DT_INT32")
    g.node("ResizeBilinear", "ResizeBilinear", "ExpandDims", g.const("size", [299, 299]), align_corners=False)
    g.node("Sub", "Sub", "ResizeBilinear", g.const("Sub/y", np.float32(128)))
    g.node("Mul", "Mul", "Sub", g.const("Mul/y", np.float32(1 / 128)))
    g.node("Conv2D", "conv", "Mul", g.weights("w", 3, 3, 3, 4), **CONV)
    with pytest.warns(
        convscope.ConvscopeWarning, match=r"ResizeBilinear is the input: 'DecodeJpeg'.* are cut off"
    ):
        network = opened(g, tmp_path)
    assert list(network.layers) == ["ResizeBilinear", "Sub", "Mul", "conv"]
    assert network.graph.inputs == {"ResizeBilinear": (1, 299, 299, 3)}
    spec = network.input_spec
    assert (spec.raw_scale, spec.mean, spec.input_scale) == (255.0, (), 1.0)
    assert "the graph makes 0..255 into -1..0.992188 itself" in spec.describe()


def test_a_decoded_picture_gets_its_batch_from_the_graph_later(tmp_path: Path) -> None:
    """As ``convert_image_dtype`` and ``[None]`` leave it: what is given is a batch of one nevertheless."""
    g = GraphWriter()
    g.node("Placeholder", "file", dtype="DT_STRING", shape=())
    g.node("Cast", "Cast", g.node("DecodeJpeg", "DecodeJpeg", "file", channels=3))
    g.node("Mul", "scaled", "Cast", g.const("factor", np.float32(1 / 255)))
    g.node("ExpandDims", "batch", "scaled", g.const("axis", 0), Tdim="DT_INT32")
    g.node("Conv2D", "conv", "batch", g.weights("w", 3, 3, 3, 4), **CONV)
    with pytest.warns(convscope.ConvscopeWarning, match=r"Cast is the input: 'DecodeJpeg'.* are cut off"):
        network = opened(g, tmp_path)
    assert not network.graph.cut and network.graph.inputs == {"Cast": (1, 224, 224, 3)}
    x = torch.full((1, 8, 9, 3), 51.0)
    torch.testing.assert_close(network.activations(x, "batch")["batch"], x / 255)
    assert (network.input_spec.raw_scale, network.input_spec.mean) == (255.0, ())


@pytest.mark.parametrize(
    "op, attributes, error, says",
    [
        (
            "SpaceTravel",
            {},
            UnsupportedLayer,
            r"node 'it' is a SpaceTravel, .* register_layer\('SpaceTravel'",
        ),
        ("Reluu", {}, UnsupportedLayer, "Did you mean 'Relu"),
        ("StatelessRandomGetKeyCounter", {}, UnsupportedLayer, "exported with augmentation in it"),
        ("MaxPool", {"ksize": [1, 9, 9, 1], "strides": [1, 1, 1, 1], "padding": "VALID"}, InputError, "'it'"),
        (
            "MaxPool",
            {"ksize": [2, 1, 1, 1], "strides": [1, 1, 1, 1], "padding": "SAME"},
            UnsupportedLayer,
            "ksize are",
        ),
        (
            "MaxPool",
            {"ksize": [1, 2, 2, 1], "strides": [1, 1, 1, 1], "padding": "ODD"},
            UnsupportedLayer,
            "padding 'ODD'",
        ),
    ],
)
def test_what_a_node_cannot_be(
    tmp_path: Path, op: str, attributes: dict[str, object], error: type[Exception], says: str
) -> None:
    g = GraphWriter()
    g.node(op, "it", g.placeholder(shape=(1, 8, 8, 3)), **attributes)
    with pytest.raises(error, match=says):
        opened(g, tmp_path)


def test_an_op_is_taught_with_its_attributes(tmp_path: Path) -> None:
    g = GraphWriter()
    low = g.const("low", np.float32(0.25))
    g.node("ClipBelow", "it", g.placeholder(shape=(1, 4, 4, 3)), low, times=2.0, unused=True)
    convscope.register_layer("ClipBelow", lambda x, low, times: torch.maximum(x, low) * times)
    network = opened(g, tmp_path)
    x = torch.rand(1, 4, 4, 3)
    torch.testing.assert_close(network.activations(x, "it")["it"], x.clamp(min=0.25) * 2)


@pytest.mark.parametrize("kind, name", [("DT_HALF", "float16"), ("DT_BFLOAT16", "bfloat16")])
def test_half_precision_is_said(kind: str, name: str, tmp_path: Path) -> None:
    g = GraphWriter()
    x = g.placeholder(shape=(1, 2, 2, 3))
    x = g.node("Cast", "short", x, SrcT="DT_FLOAT", DstT=kind)
    g.node("Relu", "y", x, T=kind)
    with pytest.warns(ConvscopeWarning, match=f"it computes in {name}, convscope in single precision"):
        opened(g, tmp_path)


def test_numbers_in_each_form(tmp_path: Path) -> None:
    """Bytes, values one by one with the last repeated, half precision, eight bits."""
    g = GraphWriter()
    x = g.placeholder(shape=(1, 2, 2, 4))
    g.const("halves", np.float16([1.5, -2, 0.25, 3]))
    g.const("repeated", np.float32([0.5]), listed=True)
    g.message.node[-1].attr[1].value.tensor.tensor_shape.dim[0].size = 4
    g.const("codes", np.uint8([0, 85, 170, 255]))
    limits = g.const("lowest", np.float32(-1)), g.const("highest", np.float32(2))
    g.node("Dequantize", "weights", "codes", *limits, T="DT_QUINT8", mode="MIN_FIRST")
    for index, name in enumerate(("halves", "repeated", "weights")):
        x = g.node("Add", f"sum{index}", x, name)
    found = opened(g, tmp_path).activations(torch.zeros(1, 2, 2, 4), "sum2")["sum2"][0, 0, 0]
    assert found.tolist() == pytest.approx([1.0, -1.5, 1.75, 5.5])


@pytest.mark.parametrize(
    "op, inputs",
    [
        ("Cast", [np.broadcast_to(np.float32(0), (1 << 29,))]),
        ("ConcatV2", [*[np.broadcast_to(np.float32(0), (1 << 28,))] * 9, np.int32(0)]),
        ("Gather", [np.zeros((2, 1 << 20), np.float32), np.zeros(1 << 10, np.int32)]),
    ],
)
def test_small_files_do_not_make_large_numbers(op: str, inputs: list[np.ndarray]) -> None:
    with pytest.raises(NetworkFileError, match="more than such a small file deserves"):
        folded(Node("n", op, (), {}), [np.asarray(array) for array in inputs], FoldingBudget())


def test_a_damaged_graph_says_what_is_wrong(tmp_path: Path) -> None:
    g = GraphWriter()
    g.node("Relu", "relu", "nowhere")
    with pytest.raises(NetworkFileError, match="node 'relu' reads 'nowhere', which is not in the file"):
        opened(g, tmp_path)
    g = GraphWriter()
    g.placeholder()
    g.node("Add", "one", "input", "two")
    g.node("Add", "two", "input", "one")
    with pytest.raises(NetworkFileError, match="reads, over others, itself"):
        opened(g, tmp_path)
    g = GraphWriter()
    g.weights("w", 3, 3, 3, 4)
    g.message.node[0].attr[1].value.tensor.tensor_shape.dim[0].size = 30
    g.node("Conv2D", "conv", g.placeholder(), "w", **CONV)
    with pytest.raises(NetworkFileError, match=r"the constant 'w' of shape \(30, 3, 3, 4\) has 432 bytes"):
        opened(g, tmp_path)
