"""Files from before opset 7, and operators that are no more: nobody else reads them, so numpy says what is right."""

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper

from convscope import open_network

from .oracle import model_of

RNG = np.random.default_rng(0)
X = RNG.normal(size=(2, 3, 5, 4)).astype(np.float32)


def answer(path, *nodes, opset=6, constants=None, **more):
    model = model_of(nodes, {"x": list(X.shape), **more}, [nodes[-1].output[0]], constants, opset)
    path.write_bytes(model.SerializeToString())
    network = open_network(path)
    feed = {
        name: X if name == "x" else RNG.normal(size=shape) for name, shape in network.graph.inputs.items()
    }
    feed = {name: torch.from_numpy(np.asarray(value, np.float32)) for name, value in feed.items()}
    network.save(path.with_name("again.onnx"))
    y = network.activations(feed, "y")["y"]
    again = open_network(path.with_name("again.onnx")).activations(feed, "y")["y"]
    torch.testing.assert_close(again, y)
    return y.numpy(), {name: value.numpy() for name, value in feed.items()}


def node(op_type, *inputs, **attributes):
    return helper.make_node(op_type, ["x", *inputs], ["y"], **attributes)


@pytest.mark.parametrize(
    ("op_type", "function"),
    [("Add", np.add), ("Sub", np.subtract), ("Mul", np.multiply), ("Div", np.divide)],
)
@pytest.mark.parametrize("stored", [True, False])
def test_an_operand_lies_along_the_axis_it_names(op_type, function, stored, tmp_path) -> None:
    path, b = tmp_path / "net.onnx", np.array([1.5, -2, 3], np.float32)
    given = {"constants": {"b": b}} if stored else {"b": [3]}
    y, feed = answer(path, node(op_type, "b", broadcast=1, axis=1), **given)
    b = feed.get("b", b)
    np.testing.assert_allclose(y, function(X, b[:, None, None]), rtol=1e-6)
    c = RNG.normal(size=(5, 4)).astype(np.float32)
    y, _ = answer(path, node(op_type, "c", broadcast=1), constants={"c": c})
    np.testing.assert_allclose(y, function(X, c), rtol=1e-5)
    y, _ = answer(path, node(op_type, "d", broadcast=0, axis=1), constants={"d": X + 3})
    np.testing.assert_allclose(y, function(X, X + 3), rtol=1e-5)


def test_a_gemm_says_that_its_bias_stretches(tmp_path) -> None:
    """Every fully-connected layer of files before opset 7 has `broadcast`."""
    w, c = RNG.normal(size=(4, 12)).astype(np.float32), RNG.normal(size=4).astype(np.float32)
    rows = helper.make_node("Flatten", ["x"], ["r"])
    gemm = helper.make_node("Gemm", ["r", "w", "c"], ["y"], broadcast=1, transB=1, alpha=1.0, beta=1.0)
    weights = {"w": np.tile(w, (1, 5)), "c": c}
    y, _ = answer(tmp_path / "net.onnx", rows, gemm, constants=weights)
    np.testing.assert_allclose(y, X.reshape(2, 60) @ weights["w"].T + c, rtol=1e-5, atol=1e-5)


def test_forms_whose_attributes_became_inputs(tmp_path) -> None:
    path = tmp_path / "net.onnx"
    y, _ = answer(path, node("Reshape", shape=[2, 15, -1]), opset=1)
    np.testing.assert_array_equal(y, X.reshape(2, 15, 4))
    y, _ = answer(path, node("Pad", paddings=[0, 0, 1, 0, 0, 0, 2, 3], value=1.5), opset=1)
    np.testing.assert_array_equal(y, np.pad(X, ((0, 0), (0, 0), (1, 2), (0, 3)), constant_values=1.5))
    y, _ = answer(path, node("Cast", to="INT32"), opset=1)
    np.testing.assert_array_equal(y, np.trunc(X))
    y, _ = answer(path, node("Clip", min=-0.5, max=0.7), opset=1)
    np.testing.assert_array_equal(y, X.clip(-0.5, 0.7))
    y, _ = answer(path, node("Tile", "n", "a"), constants={"n": np.float32(3), "a": np.float32(2)}, opset=1)
    np.testing.assert_array_equal(y, np.tile(X, (1, 1, 3, 1)))
    y, _ = answer(path, node("PRelu", "s"), constants={"s": np.array([0.1, 0.2, 0.3], np.float32)})
    np.testing.assert_allclose(y, np.where(X < 0, X * np.array([0.1, 0.2, 0.3])[:, None, None], X), rtol=1e-6)


def test_slopes_of_today_stretch_as_numpy_has_it(tmp_path) -> None:
    """A row of as many slopes as there are channels lies along the last axis since opset 7."""
    x = X.transpose(0, 2, 1, 3)[:, :4]  # 4 channels and 4 columns
    slopes = np.array([0.1, 0.2, 0.3, 0.4], np.float32)
    model = model_of([node("PRelu", "s")], {"x": list(x.shape)}, ["y"], {"s": slopes}, 16)
    onnx.save(model, tmp_path / "net.onnx")
    y = open_network(tmp_path / "net.onnx").activations(torch.from_numpy(np.array(x)), "y")["y"]
    np.testing.assert_allclose(y, np.where(x < 0, x * slopes, x), rtol=1e-6)


def test_retired_operators(tmp_path) -> None:
    path = tmp_path / "net.onnx"
    bias = np.array([0.5, -1, 2])
    y, _ = answer(path, node("ImageScaler", scale=0.3, bias=bias.tolist()), opset=8)
    np.testing.assert_allclose(y, 0.3 * X + bias[:, None, None], rtol=1e-5)
    y, _ = answer(path, node("Affine", alpha=2.5, beta=-0.3))
    np.testing.assert_allclose(y, 2.5 * X - 0.3, rtol=1e-5, atol=1e-6)
    y, _ = answer(path, node("Scale", scale=1.7))
    np.testing.assert_allclose(y, 1.7 * X, rtol=1e-6)
    y, _ = answer(path, node("Crop", border=[1, 2, 0, 1]))
    np.testing.assert_array_equal(y, X[:, :, 2:-1, 1:])
    y, _ = answer(path, node("Crop", border=[1, 2, 0, 0], scale=[2, 3]))
    np.testing.assert_array_equal(y, X[:, :, 2:4, 1:4])
    y, _ = answer(path, node("ParametricSoftplus", alpha=0.7, beta=1.3))
    np.testing.assert_allclose(y, 0.7 * np.log1p(np.exp(1.3 * X)), rtol=1e-5)
    y, _ = answer(path, node("ThresholdedRelu", alpha=0.4), opset=17)
    np.testing.assert_array_equal(y, np.where(X > 0.4, X, 0))
    y, _ = answer(path, node("ScaledTanh", alpha=0.7, beta=1.3))
    np.testing.assert_allclose(y, 0.7 * np.tanh(1.3 * X), rtol=1e-5)


def test_types_of_whole_numbers_are_known(tmp_path) -> None:
    """Whole numbers are divided towards 0, and come around again in a type of eight bits."""
    graph = helper.make_graph(
        [helper.make_node("Div", ["a", "b"], ["q"]), helper.make_node("Add", ["a", "a"], ["s"])],
        "whole",
        [helper.make_tensor_value_info(name, TensorProto.INT8, [3]) for name in "ab"],
        [helper.make_empty_tensor_value_info(name) for name in "qs"],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, tmp_path / "net.onnx")
    feed = {"a": torch.tensor([-7.0, 100, 9]), "b": torch.tensor([2.0, -3, 4])}
    found = open_network(tmp_path / "net.onnx").activations(feed, "q", "s")
    assert found["q"].tolist() == [-3, -33, 2]
    assert found["s"].tolist() == [-14, -56, 18]
