"""Graphs of TensorFlow 1 as they were saved: channels second, with dropouts, branches and side inputs."""

from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import torch

import convscope
from convscope.errors import ConvscopeWarning, InputError, UnsupportedLayer
from graph_def_writer import GraphWriter
from tensorflow_graphs import convolution

X = torch.from_numpy(np.random.default_rng(5).uniform(-1, 1, (1, 9, 7, 3)).astype(np.float32))


def opened(g: GraphWriter, folder: Path, **options: object) -> convscope.Network:
    return convscope.open_network(g.save(folder / "graph.pb"), **options)


def block(channels_second: bool) -> GraphWriter:
    """Return a network with its channels last or second, the weights being the same."""
    g, order = GraphWriter(seed=7), "NCHW" if channels_second else "NHWC"

    def axes(rows: int, columns: int) -> list[int]:
        return [1, 1, rows, columns] if channels_second else [1, rows, columns, 1]

    x = g.placeholder(shape=(1, 3, 9, 7) if channels_second else (1, 9, 7, 3))
    sides = [0, 0, 0, 0, 1, 2, 0, 1] if channels_second else [0, 0, 1, 2, 0, 1, 0, 0]
    x = g.node(
        "Conv2D", "conv", x, g.weights("w", 3, 2, 3, 4), strides=axes(2, 1), data_format=order,
        padding="EXPLICIT", explicit_paddings=sides,
    )  # fmt: skip
    x = g.node("BiasAdd", "bias", x, g.weights("b", 4), data_format=order)
    vectors = [g.weights(name, 4, scale=0.1, shift=1) for name in ("gamma", "beta", "mean", "variance")]
    x = g.node("FusedBatchNorm", "norm", x, *vectors, epsilon=0.01, is_training=False, data_format=order)
    x = g.node(
        "DepthwiseConv2dNative", "deep", x, g.weights("d", 3, 3, 4, 2), strides=axes(1, 1), padding="SAME",
        data_format=order,
    )  # fmt: skip
    g.node("MaxPool", "pool", x, ksize=axes(2, 3), strides=axes(1, 2), padding="SAME", data_format=order)
    return g


def test_channels_second_answers_as_channels_last(tmp_path: Path) -> None:
    last, second = opened(block(False), tmp_path / "last"), opened(block(True), tmp_path / "second")
    names = ("conv", "bias", "norm", "deep", "pool")
    expected = last.activations(X, *names)
    found = second.activations(X.permute(0, 3, 1, 2), *names)
    for name in names:
        torch.testing.assert_close(found[name].permute(0, 2, 3, 1), expected[name], rtol=1e-5, atol=1e-6)
    assert second.input_spec.layout == "NCHW" and second.shape_channels_first("conv")[1] == 4


def turned(folder: Path, order: str, shape: tuple[int, ...] | None) -> convscope.Network:
    """Open a network whose picture is turned around before the first convolution, of `order`."""
    g = GraphWriter(seed=3)
    way = [0, 3, 1, 2] if order == "NCHW" else [0, 2, 3, 1]
    x = g.node(
        "Transpose", "turned", g.placeholder("picture", shape), g.const("order", way), Tperm="DT_INT32"
    )
    g.node("Relu", "relu", convolution(g, "conv", x, 5, 4, data_format=order))
    return opened(g, folder)


def test_the_layers_behind_a_transpose_have_their_own_channels(tmp_path: Path) -> None:
    """A picture of (rows, columns, channels), and layers for a graphics processor."""
    network = turned(tmp_path, "NCHW", (-1, 9, 7, 5))
    assert network.input_spec.layout == "NHWC" and network.input_spec.bands == 5
    assert network.shape_channels_first("relu") == (1, 4, 9, 7)
    assert network.shape_channels_first("picture") == (1, 5, 9, 7)
    x = torch.from_numpy(np.random.default_rng(4).uniform(-1, 1, (1, 9, 7, 5)).astype(np.float32))
    found = network.activations(x, "picture", "relu")
    assert tuple(network.channels_first("picture", found["picture"]).shape) == (1, 5, 9, 7)
    weight = network.graph.parameters["conv/weights"]
    expected = torch.nn.functional.conv2d(x.permute(0, 3, 1, 2), weight, padding=1).relu()
    torch.testing.assert_close(network.channels_first("relu", found["relu"]), expected)
    wide = network.activations(torch.zeros(2, 11, 13, 5), "relu")["relu"]
    assert wide.shape == (2, 4, 11, 13)
    other = turned(tmp_path, "NHWC", (-1, 5, 9, 7))
    assert other.input_spec.layout == "NCHW" and other.graph.channels_last
    assert other.shape_channels_first("picture") == (1, 5, 9, 7)
    assert other.shape_channels_first("relu") == (1, 4, 9, 7)


def test_a_picture_without_a_shape_is_turned_as_the_network_turns_it(tmp_path: Path) -> None:
    assert turned(tmp_path, "NCHW", None).graph.inputs == {"picture": (1, 224, 224, 5)}
    assert turned(tmp_path, "NHWC", None).graph.inputs == {"picture": (1, 5, 224, 224)}


def test_a_picture_without_a_shape_has_the_size_that_it_is_spread_out_to(tmp_path: Path) -> None:
    """As graphs of recurrent layers over the rows of a picture begin; what reads learned numbers comes much later."""
    g = GraphWriter()
    rows = g.node(
        "Reshape", "rows", g.placeholder("X", None), g.const("shape", [-1, 6, 4]), Tshape="DT_INT32"
    )
    flat = g.node("Reshape", "flat", rows, g.const("flat/shape", [-1, 24]), Tshape="DT_INT32")
    some = g.node("Slice", "half", flat, g.const("b", [0, 0]), g.const("s", [-1, 12]), Index="DT_INT32")
    g.node("MatMul", "fc", some, g.weights("w", 12, 5), transpose_a=False, transpose_b=False)
    network = opened(g, tmp_path)
    assert network.graph.inputs == {"X": (1, 24)} and network.shapes["rows"] == (1, 6, 4)
    g = GraphWriter()
    picture = g.placeholder("X", None)
    x = g.node("Reshape", "picture", picture, g.const("shape", [-1, 9, 7, 3]), Tshape="DT_INT32")
    convolution(g, "conv", x, 3, 4)
    assert opened(g, tmp_path).graph.inputs == {"X": (1, 9, 7, 3)}


def test_channels_here_and_there_are_said(tmp_path: Path) -> None:
    g = GraphWriter()
    x = convolution(g, "one", g.placeholder(shape=(1, 9, 7, 3)), 3, 4)
    x = convolution(g, "two", x, 4, 4)
    x = g.node("Transpose", "turned", x, g.const("order", [0, 3, 1, 2]), Tperm="DT_INT32")
    convolution(g, "three", x, 4, 4, data_format="NCHW")
    with pytest.warns(ConvscopeWarning, match="the channels are last, but second in 'three'"):
        assert opened(g, tmp_path).graph.channels_last


@pytest.mark.parametrize("form", ["divided", "multiplied"])
def test_a_dropout_drops_nothing(form: str, tmp_path: Path) -> None:
    g = GraphWriter()
    x = convolution(g, "conv", g.placeholder(shape=(1, 9, 7, 3)), 3, 4)
    shape = g.node("Shape", "dropout/Shape", x, out_type="DT_INT32")
    random = g.node("RandomUniform", "dropout/RandomUniform", shape, dtype="DT_FLOAT")
    if form == "divided":
        keep = g.placeholder("keep_prob", ())
        mask = g.node("Floor", "dropout/Floor", g.node("Add", "dropout/add", keep, random))
        scaled = g.node("RealDiv", "dropout/div", x, keep)
    else:
        rate = g.const("dropout/rate", np.float32(0.3))
        mask = g.node("Cast", "dropout/Cast", g.node("GreaterEqual", "dropout/kept", random, rate))
        scaled = g.node("Mul", "dropout/Mul", x, g.const("dropout/scale", np.float32(1 / 0.7)))
    g.node("Tanh", "after", g.node("Mul", "dropout/Mul_1", scaled, mask))
    said = pytest.warns(ConvscopeWarning, match="'keep_prob' is 1: everything is kept")
    with said if form == "divided" else nullcontext():
        network = opened(g, tmp_path)
    found = network.activations(X, "conv", "after")
    assert torch.equal(found["after"], found["conv"].tanh()) and not network.graph.cut


@pytest.mark.parametrize("name", ["is_training", "phase"])
def test_a_branch_on_training_is_followed_as_it_is_looked_at(name: str, tmp_path: Path) -> None:
    """tf.cond: Switch sends a value on one of two ways, and Merge takes the one that came."""
    g = GraphWriter()
    x, training = g.placeholder(shape=(1, 9, 7, 3)), g.node("Placeholder", name, dtype="DT_BOOL", shape=())
    switch = g.node("Switch", "cond/Switch", x, g.node("Identity", "cond/pred", training, T="DT_BOOL"))
    trained = g.node("Exp", "cond/trained", f"{switch}:1")
    g.node("Tanh", "out", g.node("Merge", "cond/Merge", g.node("Neg", "cond/looked", switch), trained, N=2))
    with pytest.warns(ConvscopeWarning, match=f"'{name}' is False: it is not trained"):
        network = opened(g, tmp_path)
    torch.testing.assert_close(network.activations(X, "out")["out"], (-X).tanh())
    assert "cond/trained" not in network.shapes


def test_weights_that_are_turned_are_measured_as_they_lie(tmp_path: Path) -> None:
    """A decoder that shares its weights: ``tf.transpose(w)`` counts the axes and turns them round."""
    g = GraphWriter()
    x = g.placeholder("x", (-1, 4))
    w = g.node("Identity", "w/read", g.weights("w", 4, 2))
    code = g.node("MatMul", "code", x, w)
    rank = g.node("Rank", "rank", w)
    last = g.node("Sub", "last", rank, g.const("one", 1), T="DT_INT32")
    axes = g.node("Range", "axes", g.const("zero", 0), rank, g.const("step", 1), T=None)
    turned = g.node(
        "Transpose", "turned", w, g.node("Sub", "order", last, axes, T="DT_INT32"), Tperm="DT_INT32"
    )
    back = g.node("MatMul", "back", code, turned)
    g.node("AccumulateNV2", "sum", back, x, back)
    network = opened(g, tmp_path)
    x = torch.from_numpy(np.random.default_rng(4).normal(size=(3, 4)).astype(np.float32))
    w = network.graph.parameters["w"]
    w = w if w.shape == (4, 2) else w.mT
    torch.testing.assert_close(
        network.activations(x, "sum")["sum"], 2 * x @ w @ w.mT + x, rtol=1e-5, atol=1e-6
    )


def test_moments_are_the_pictures_own(tmp_path: Path) -> None:
    g = GraphWriter()
    x, axes = g.placeholder(shape=(1, 9, 7, 3)), g.const("axes", [1, 2])
    mean = g.node("Mean", "mean", x, axes, keep_dims=True)
    apart = g.node("SquaredDifference", "apart", x, g.node("StopGradient", "stop", mean))
    g.node("Mean", "variance", apart, axes, keep_dims=True)
    found = opened(g, tmp_path).activations(X, "variance")["variance"]
    torch.testing.assert_close(found, X.var((1, 2), unbiased=False, keepdim=True))


def test_an_unknown_tail_is_cut_off(tmp_path: Path) -> None:
    g = GraphWriter()
    x = convolution(g, "conv", g.placeholder(shape=(1, 9, 7, 3)), 3, 4)
    g.node("Relu", "beside", x)
    g.node("Identity", "behind", g.node("NonMaxSuppressionV9", "boxes", x))
    with pytest.warns(ConvscopeWarning, match="'boxes' is cut off, and so 'behind' is behind"):
        network = opened(g, tmp_path)
    assert network.graph.outputs == ("beside",) and set(network.graph.cut) == {"boxes", "behind"}
    with pytest.raises(UnsupportedLayer, match="because it needs 'boxes'"):
        network.resolve("behind")


def test_the_picture_goes_to_the_first_convolution(tmp_path: Path) -> None:
    """Without a shape, its channels are those of the first filters; others have their own names."""
    g = GraphWriter()
    factor, x = g.placeholder("factor", (1, 4)), g.placeholder("picture", None)
    g.node("Mul", "out", convolution(g, "conv", x, 5, 4), factor)
    network = opened(g, tmp_path, input_shape={"picture": (1, 8, 6, 5)})
    assert list(network.graph.inputs.items()) == [("picture", (1, 8, 6, 5)), ("factor", (1, 4))]
    assert opened(g, tmp_path).graph.inputs["picture"] == (1, 224, 224, 5)
    with pytest.raises(InputError, match="there is no input 'image' to give a shape to"):
        opened(g, tmp_path, input_shape={"image": (1, 8, 6, 5)})


def test_a_placeholder_of_no_axes_was_once_one_of_any_shape(tmp_path: Path) -> None:
    """Before version 24 of graphs: the row that a product takes is told by its weights."""
    for producer in (21, 24):
        g = GraphWriter(producer=producer)
        g.node("MatMul", "out", g.placeholder(shape=()), g.weights("w", 784, 10))
        path = g.save(tmp_path / f"graph{producer}.pb")
        if producer == 24:
            with pytest.raises(InputError, match="a single number"):
                opened(g, tmp_path)
            continue
        with pytest.warns(ConvscopeWarning, match=r"expects \(1, 784\): a gray picture is its input"):
            network = convscope.open_network(path)
        assert network.graph.inputs == {"input": (1, 28, 28, 1)}
