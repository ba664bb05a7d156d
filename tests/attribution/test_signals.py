"""Evidence in signals, volumes and films: of a linear network each number's share is its weight times itself."""

import numpy as np
import onnx
import pytest
import torch
from click.testing import CliRunner
from onnx import TensorProto, helper, numpy_helper

import convscope
from convscope.cli import main
from convscope.errors import InputError

RNG = np.random.default_rng(5)
SHAPES = {
    "a signal": (1, 2, 19),
    "channels last": (1, 19, 2),
    "an only channel": (1, 19, 1),
    "a volume": (1, 1, 5, 6, 7),
    "a film": (1, 4, 6, 7, 3),
}
CHANNELS = {"a signal": 1, "channels last": 2, "an only channel": 2, "a volume": 1, "a film": 4}


def linear(shape, path):
    """Return a network of three classes, and the weights of each number for them."""
    weights = RNG.normal(size=(int(np.prod(shape)), 3)).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("Flatten", ["x"], ["f"]), helper.make_node("MatMul", ["f", "w"], ["scores"])],
        "linear",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, 3])],
        [numpy_helper.from_array(weights, "w")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return convscope.open_network(path), weights


@pytest.mark.parametrize("kind", SHAPES)
def test_each_numbers_share_is_its_weight_times_itself(kind, tmp_path) -> None:
    shape = SHAPES[kind]
    network, weights = linear(shape, tmp_path / "net.onnx")
    x = RNG.normal(size=shape).astype(np.float32)
    wanted = np.moveaxis(weights[:, 1].reshape(shape) * x, CHANNELS[kind], -1)[0]
    for found in (
        convscope.gradient_times_input(network, torch.from_numpy(x), "scores:1"),
        convscope.integrated_gradients(network, torch.from_numpy(x), "scores:1", baseline="zero"),
        convscope.deep_lift(network, torch.from_numpy(x), "scores:1", baseline="zero"),
    ):
        np.testing.assert_allclose(found.values, wanted, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(found.map, wanted.sum(-1), rtol=1e-4, atol=1e-5)
        assert "Red speaks for it" in found.picture().caption
    dependence = convscope.saliency(network, torch.from_numpy(x), "scores:1").map
    sizes = np.moveaxis(np.abs(weights[:, 1].reshape(shape)), CHANNELS[kind], -1)[0]
    np.testing.assert_allclose(dependence, sizes.max(-1), rtol=1e-5)


def test_a_signal_of_another_shape_says_which_is_expected(tmp_path) -> None:
    network, _ = linear(SHAPES["a signal"], tmp_path / "net.onnx")
    with pytest.raises(InputError, match=r"not an input of \(2, 2, 19\): linear expects {'x': \(1, 2, 19\)}"):
        convscope.saliency(network, torch.zeros(2, 2, 19), "scores:1")


def test_what_stands_out_in_a_signal_is_red_in_its_figure(tmp_path) -> None:
    network, weights = linear((1, 1, 60), tmp_path / "net.onnx")
    x = np.zeros((1, 1, 60), np.float32)
    x[0, 0, 40] = 5 * np.sign(weights[40, 0])  # one number alone speaks, and for it
    array = (
        convscope.gradient_times_input(network, torch.from_numpy(x), "scores:0").picture().array.astype(int)
    )
    red = (array[..., 0] > 150) & (array[..., 1] < 60) & (array[..., 2] < 80)
    columns = red.any(0).nonzero()[0]
    assert len(columns) > 5
    assert 0.6 < columns.mean() / array.shape[1] < 0.75


def test_methods_of_rows_and_columns_say_what_is_possible(tmp_path) -> None:
    network, _ = linear(SHAPES["a signal"], tmp_path / "net.onnx")
    for method in (convscope.grad_cam, convscope.occlusion, convscope.relevance):
        with pytest.raises(InputError, match=r"for pictures, not for an input of .* is shown by saliency"):
            method(network, torch.zeros(1, 2, 19), "scores:1")


@pytest.mark.parametrize("kind", ["a signal", "a volume"])
def test_the_command_reads_a_numpy_file(kind, tmp_path) -> None:
    linear(SHAPES[kind], tmp_path / "net.onnx")
    np.save(tmp_path / "x.npy", RNG.normal(size=SHAPES[kind][1:]).astype(np.float32))
    given = [str(tmp_path / "net.onnx"), str(tmp_path / "x.npy"), "scores:2"]
    done = CliRunner().invoke(main, ["evidence", *given, "-o", str(tmp_path / "out.png")])
    assert done.exit_code == 0, done.output
    caption = convscope.Picture.open(tmp_path / "out.png").caption
    assert caption.startswith(
        "Integrated gradients of the score of class 2 (scores:2): the gradients at 32 steps"
    )
    done = CliRunner().invoke(main, ["evidence", *given, "--method", "grad-cam"])
    assert done.exit_code == 1
    assert "is shown by saliency" in done.output


@pytest.mark.parametrize("before", [None, torch.nn.BatchNorm1d(9), torch.nn.ReLU()])
def test_channels_that_filters_go_along_are_no_rows_of_a_picture(before) -> None:
    """Nine channels of 12 positions could be a gray picture, were they not read as a signal."""
    filters = torch.nn.Conv1d(9, 4, 3)
    module = torch.nn.Sequential(*([before] if before else []), filters).eval()
    network = convscope.open_network(module, input_shape=(1, 9, 12))
    assert network.input_spec is None
    x = torch.from_numpy(RNG.normal(size=(1, 9, 12)).astype(np.float32))
    assert convscope.saliency(network, x, f"{len(module) - 1}:2").map.shape == (12,)
    assert (
        convscope.open_network(torch.nn.Linear(12, 4).eval(), input_shape=(1, 9, 12)).input_spec is not None
    )
