"""What people reported of TensorFlow's files: each rebuilt small, with the right value restated."""

from pathlib import Path

import numpy as np
import pytest
import torch
from google.protobuf import text_format

import convscope
from convscope import ConvscopeWarning
from graph_def_writer import GraphWriter
from tensorflow_graphs import convolution

X = torch.from_numpy(np.random.default_rng(5).uniform(-1, 1, (1, 9, 7, 3)).astype(np.float32))
NORM = {"epsilon": 0.01, "U": "DT_FLOAT"}


def array(network: convscope.Network, name: str) -> torch.Tensor:
    return network.graph.parameters[name]


def conditional_norm(g: GraphWriter, x: str, truth: str) -> str:
    """Add batch normalization under tf.cond: one branch for training, one for looking, merged."""
    truth = g.node("Identity", "cond/pred", truth, T="DT_BOOL")
    vectors = [g.weights(name, 4, scale=0.2, shift=1.0) for name in ("gamma", "beta", "mean", "variance")]
    data = g.node("Switch", "cond/Switch", x, truth)
    both = [g.node("Switch", f"cond/{name}", name, truth) for name in vectors]
    none = g.const("cond/none", np.zeros(0, np.float32))
    trained = g.node(
        "FusedBatchNorm",
        "cond/train",
        f"{data}:1",
        f"{both[0]}:1",
        f"{both[1]}:1",
        none,
        none,
        is_training=True,
        **NORM,
    )
    looked = g.node("FusedBatchNorm", "cond/test", data, *both, is_training=False, **NORM)
    return g.node("Merge", "cond/Merge", looked, trained, N=2)


def expected_norm(network: convscope.Network, maps: torch.Tensor) -> torch.Tensor:
    gamma, beta, mean, variance = (array(network, name) for name in ("gamma", "beta", "mean", "variance"))
    scale = gamma / (variance + 0.01).sqrt()
    return maps * scale + beta - mean * scale


@pytest.mark.parametrize("told", ["a placeholder", "a constant"])
def test_opencv_13110_and_9660_batch_norm_on_a_condition(told: str, tmp_path: Path) -> None:
    """Its training is a placeholder, or was a variable that the freezing made a constant: the branch for looking."""
    g = GraphWriter(seed=2)
    x = convolution(g, "conv", g.placeholder(shape=(1, 9, 7, 3)), 3, 4)
    if told == "a placeholder":
        truth = g.node("Placeholder", "is_training", dtype="DT_BOOL", shape=())
    else:
        truth = g.const("training", np.asarray(False))
    g.node("Relu", "out", conditional_norm(g, x, truth))
    path = g.save(tmp_path / "graph.pb")
    if told == "a placeholder":
        with pytest.warns(ConvscopeWarning, match="'is_training' is False"):
            network = convscope.open_network(path)
    else:
        network = convscope.open_network(path)
    found = network.activations(X, "conv", "out")
    torch.testing.assert_close(
        found["out"], expected_norm(network, found["conv"]).relu(), rtol=1e-5, atol=1e-5
    )


def test_opencv_14236_and_12461_a_norm_saved_while_it_was_trained(tmp_path: Path) -> None:
    """Nothing is kept of the mean and the variance: TensorFlow takes the picture's own."""
    g = GraphWriter(seed=2)
    x = convolution(g, "conv", g.placeholder(shape=(1, 9, 7, 3)), 3, 4)
    none = [g.const(name, np.zeros(0, np.float32)) for name in ("no_mean", "no_variance")]
    g.node(
        "FusedBatchNorm",
        "norm",
        x,
        g.weights("gamma", 4),
        g.weights("beta", 4),
        *none,
        is_training=True,
        **NORM,
    )
    network = convscope.open_network(g.save(tmp_path / "graph.pb"))
    found = network.activations(X, "conv", "norm")
    maps = found["conv"]
    own = (maps - maps.mean((0, 1, 2))) / (maps.var((0, 1, 2), unbiased=False) + 0.01).sqrt()
    expected = own * array(network, "gamma") + array(network, "beta")
    torch.testing.assert_close(found["norm"], expected, rtol=1e-4, atol=1e-5)


def test_opencv_16622_a_text_graph_of_small_gray_pictures(tmp_path: Path) -> None:
    """37 x 28 pixels, a training switch with a default, and the weights in the text."""
    g = GraphWriter(seed=2)
    x = convolution(g, "conv", g.placeholder("images", (-1, 37, 28, 1)), 1, 4)
    default = g.const("is_training/input", np.asarray(False))
    truth = g.node("PlaceholderWithDefault", "is_training", default, dtype="DT_BOOL", shape=())
    g.node("Relu", "out", conditional_norm(g, x, truth))
    path = tmp_path / "graph.pbtxt"
    path.write_text(text_format.MessageToString(g.message))
    network = convscope.open_network(path)
    assert (network.input_spec.size, network.input_spec.channel_order) == ((37, 28), "GRAY")
    x = torch.rand(1, 37, 28, 1)
    found = network.activations(x, "conv", "out")
    torch.testing.assert_close(
        found["out"], expected_norm(network, found["conv"]).relu(), rtol=1e-5, atol=1e-5
    )


def test_opencv_11025_a_constant_that_lists_one_number_for_all(tmp_path: Path) -> None:
    """What folds constants writes a run of equal numbers as one."""
    g = GraphWriter(seed=2)
    x = convolution(g, "conv", g.placeholder(shape=(1, 9, 7, 3)), 3, 4)
    g.const("bias", np.float32([0.25]), listed=True)
    shape = g.message.node[-1].attr[1].value.tensor.tensor_shape
    shape.dim[0].size = 4
    g.node("BiasAdd", "out", x, "bias")
    found = convscope.open_network(g.save(tmp_path / "graph.pb")).activations(X, "conv", "out")
    torch.testing.assert_close(found["out"], found["conv"] + 0.25)


def test_tensorflow_3265_keep_and_training_beside_the_picture(tmp_path: Path) -> None:
    """The picture is the input that the convolution reads, whichever comes first in the file."""
    g = GraphWriter(seed=2)
    keep = g.placeholder("keep_prob", ())
    truth = g.node("Placeholder", "phase_train", dtype="DT_BOOL", shape=())
    x = convolution(g, "conv", g.placeholder("images", (-1, 9, 7, 3)), 3, 4)
    g.node("Mul", "out", conditional_norm(g, x, truth), keep)
    with pytest.warns(ConvscopeWarning, match="'keep_prob' is 1: everything is kept; 'phase_train' is False"):
        network = convscope.open_network(g.save(tmp_path / "graph.pb"))
    assert list(network.graph.inputs) == ["images"]
    found = network.activations(X, "conv", "out")
    torch.testing.assert_close(found["out"], expected_norm(network, found["conv"]), rtol=1e-5, atol=1e-5)


def test_opencv_22926_and_9682_the_shape_that_a_reshape_of_keras_works_out(tmp_path: Path) -> None:
    """Shape, the batch out of it, packed with what the layer states: Keras's Reshape in a frozen graph."""
    g = GraphWriter()
    x = g.placeholder(shape=(-1, 9, 7, 3))
    shape = g.node("Shape", "reshape/Shape", x, out_type="DT_INT32")
    ends = [g.const(f"reshape/{name}", [at]) for name, at in (("start", 0), ("stop", 1), ("step", 1))]
    batch = g.node("StridedSlice", "reshape/batch", shape, *ends, T="DT_INT32", Index="DT_INT32",
                   begin_mask=0, ellipsis_mask=0, end_mask=0, new_axis_mask=0, shrink_axis_mask=1)  # fmt: skip
    stated = [g.const(f"reshape/{at}", np.int32(size)) for at, size in enumerate((63, 3))]
    wanted = g.node("Pack", "reshape/Reshape/shape", batch, *stated, T="DT_INT32", N=3, axis=0)
    g.node("Reshape", "out", x, wanted, Tshape="DT_INT32")
    network = convscope.open_network(g.save(tmp_path / "net.pb"))
    assert torch.equal(network.activations(X, "out")["out"], X.reshape(1, 63, 3))


@pytest.mark.parametrize("axis", [-1, 3, 1])
def test_opencv_19512_a_sum_along_any_axis(axis: int, tmp_path: Path) -> None:
    g = GraphWriter()
    along = g.const("reduction_indices", [axis])
    g.node("Sum", "sum", g.placeholder(shape=(1, 9, 7, 3)), along, keep_dims=True, Tidx="DT_INT32")
    g.node("Relu", "out", "sum")
    network = convscope.open_network(g.save(tmp_path / "net.pb"))
    torch.testing.assert_close(network.activations(X, "out")["out"], X.sum(axis, keepdim=True).relu())


def test_opencv_14487_a_class_for_each_pixel_is_the_output(tmp_path: Path) -> None:
    g = GraphWriter(seed=4)
    x = convolution(g, "conv", g.placeholder(shape=(1, 9, 7, 3)), 3, 4)
    axis = g.const("output/ArgMax/dimension", np.int32(3))
    g.node("ArgMax", "output/ArgMax", x, axis, Tidx="DT_INT32", output_type="DT_INT64")
    network = convscope.open_network(g.save(tmp_path / "net.pb"))
    found = network.activations(X, x, "output/ArgMax")
    assert torch.equal(found["output/ArgMax"], found[x].argmax(-1).float())
    assert len(found["output/ArgMax"].unique()) > 1


def test_opencv_12518_and_9894_arithmetic_before_and_a_cap_behind(tmp_path: Path) -> None:
    """Preprocessor/sub of the detectors, and MobileNet's relu6 as the smaller of a ReLU and a constant."""
    g = GraphWriter(seed=4)
    x = g.node(
        "Mul", "Preprocessor/mul", g.placeholder(shape=(1, 9, 7, 3)), g.const("factor", np.float32(1.9))
    )
    x = g.node("Sub", "Preprocessor/sub", x, g.const("Preprocessor/sub/y", np.float32(0.7)))
    above = g.node("Relu", "relu", x)
    g.node("Minimum", "clip_by_value/Minimum", above, g.const("six", np.float32(0.6)))
    network = convscope.open_network(g.save(tmp_path / "net.pb"))
    found = network.activations(X, "clip_by_value/Minimum")["clip_by_value/Minimum"]
    torch.testing.assert_close(found, (1.9 * X - 0.7).clamp(0, 0.6))


def test_opencv_22685_what_is_only_asserted_blocks_nothing(tmp_path: Path) -> None:
    g = GraphWriter(seed=4)
    x = g.placeholder(shape=(1, 9, 7, 3))
    truth = g.node("Less", "Less", g.const("a", [1]), g.const("b", [2]), T="DT_INT32")
    g.node("Assert", "Assert/Assert", truth, "a", summarize=3)
    g.node("Relu", "out", x)
    g.message.node[-1].input.append("^Assert/Assert")
    network = convscope.open_network(g.save(tmp_path / "net.pb"))
    assert torch.equal(network.activations(X, "out")["out"], X.relu())


def test_opencv_16979_a_convolution_that_resizes_and_borders_by_itself(tmp_path: Path) -> None:
    """FusedResizeAndPadConv2D, which TensorFlow's tools make: a border of nothing, as reported, and of one row."""
    g = GraphWriter(seed=4)
    x = g.placeholder(shape=(1, 9, 7, 3))
    kernel = g.weights("conv2d/kernel", 3, 3, 3, 2)
    size = g.const("size", [12, 10])
    settings = {"mode": "REFLECT", "strides": [1, 1, 1, 1], "padding": "VALID", "resize_align_corners": False}
    for name, margins in (("conv2d/Conv2D", [0, 0]), ("conv2d/bordered", [1, 0])):
        border = g.const(f"{name}_paddings", [[0, 0], margins, [0, 0], [0, 0]])
        g.node("FusedResizeAndPadConv2D", name, x, size, border, kernel, **settings)
    network = convscope.open_network(g.save(tmp_path / "net.pb"))
    found = network.activations(X, "conv2d/Conv2D", "conv2d/bordered")
    weight = torch.from_numpy(
        GraphWriter(seed=4).random.normal(0, np.sqrt(2 / 27), (3, 3, 3, 2)).astype(np.float32)
    )
    # TensorFlow 1's resizing: pixel x of the result lies at x * 9 / 12 of the picture.
    resized = X.movedim(-1, 1)
    for axis, new in ((2, 12), (3, 10)):
        old = resized.shape[axis]
        places = torch.arange(new) * (old / new)
        before, behind = (
            resized.index_select(axis, (places.long() + at).clamp(max=old - 1)) for at in (0, 1)
        )
        share = (places - places.floor()).reshape([-1 if at == axis else 1 for at in range(4)])
        resized = before + (behind - before) * share
    bordered = torch.cat((resized[:, :, 1:2], resized), 2)
    for name, maps in (("conv2d/Conv2D", resized), ("conv2d/bordered", bordered)):
        expected = torch.nn.functional.conv2d(maps, weight.permute(3, 2, 0, 1)).movedim(1, -1)
        torch.testing.assert_close(found[name], expected, rtol=1e-4, atol=1e-5)


def test_tensorflow_onnx_538_and_facenet_161_a_frozen_placeholder_without_a_shape(tmp_path: Path) -> None:
    """What reads it first says what it is: filters of one channel, or a Reshape."""
    g = GraphWriter()
    convolution(g, "conv", g.placeholder("image_tensor", None), 1, 4)
    with pytest.warns(ConvscopeWarning):
        network = convscope.open_network(g.save(tmp_path / "filters.pb"))
    assert network.graph.inputs == {"image_tensor": (1, 224, 224, 1)}
    assert network.input_spec.channel_order == "GRAY"
    g = GraphWriter()
    shape = g.const("shape", [-1, 9, 7, 3])
    x = g.node("Reshape", "picture", g.placeholder("x", None), shape, Tshape="DT_INT32")
    convolution(g, "conv", x, 3, 4)
    with pytest.warns(ConvscopeWarning):
        network = convscope.open_network(g.save(tmp_path / "reshape.pb"))
    assert network.graph.inputs == {"x": (1, 9, 7, 3)}
    assert torch.equal(network.activations(X, "picture")["picture"], X)
