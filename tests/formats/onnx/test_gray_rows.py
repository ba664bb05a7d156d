"""Inputs of rows of pixels, which the network makes maps of itself: its filters see what they see of the picture."""

from contextlib import nullcontext

import numpy as np
import onnx
import pytest
import torch
from onnx import helper

from convscope import open_network
from convscope.errors import InputGuess

from .oracle import model_of, session

node = helper.make_node
RNG = np.random.default_rng(8)
CASES = {
    "reshaped": ([1, 12, 10], [node("Reshape", ["x", "to"], ["m"])], [-1, 1, 12, 10]),
    "a new axis": ([1, 12, 10], [node("Unsqueeze", ["x", "to"], ["m"])], [1]),
    "channels last": (
        [1, 12, 10],
        [node("Reshape", ["x", "to"], ["l"]), node("Transpose", ["l"], ["m"], perm=[0, 3, 1, 2])],
        [-1, 12, 10, 1],
    ),
    "all in a row": ([1, 144], [node("Reshape", ["x", "to"], ["m"])], [-1, 1, 12, 12]),
}


@pytest.mark.parametrize(("channels", "is_picture"), [(1, True), (2, False)])
def test_what_a_generator_makes_a_picture_of_is_none(channels, is_picture, tmp_path) -> None:
    weight, to = RNG.normal(size=(64, 64 * channels)).astype(np.float32), np.array([-1, channels, 8, 8])
    nodes = [node("MatMul", ["x", "w"], ["r"]), node("Reshape", ["r", "to"], ["y"])]
    model = model_of(nodes, {"x": [1, 64]}, ["y"], {"w": weight, "to": to})
    model.graph.name = "main_graph"
    onnx.save(model, tmp_path / "net.onnx")
    with pytest.warns(InputGuess, match="^net expects") if is_picture else nullcontext():
        network = open_network(tmp_path / "net.onnx")
    assert (network.input_spec is not None) == is_picture


@pytest.mark.filterwarnings("ignore")
def test_a_code_of_one_place_and_a_signal_of_one_row_are_no_pictures(tmp_path) -> None:
    for name, shape in (("code", [1, 3, 1, 1]), ("signal", [1, 1, 1, 300])):
        weight = np.ones((shape[1], 2, 1, 1), np.float32)
        model = model_of([node("ConvTranspose", ["x", "w"], ["y"])], {"x": shape}, ["y"], {"w": weight})
        onnx.save(model, tmp_path / f"{name}.onnx")
        assert open_network(tmp_path / f"{name}.onnx").input_spec is None


@pytest.mark.parametrize("case", CASES)
@pytest.mark.filterwarnings("ignore")
def test_filters_see_what_they_see_of_the_picture(case, tmp_path) -> None:
    shape, before, to = CASES[case]
    filters = RNG.normal(size=(4, 1, 3, 5)).astype(np.float32)
    model = model_of(
        [*before, node("Conv", ["m", "w"], ["y"])], {"x": shape}, ["y"], {"w": filters, "to": np.array(to)}
    )
    onnx.save(model, tmp_path / "net.onnx")
    network = open_network(tmp_path / "net.onnx")
    assert str(network.layers["y"].receptive_field) == "3x5"
    x = RNG.normal(size=network.graph.inputs["x"]).astype(np.float32)
    expected = session(model).run(None, {"x": x.reshape(shape)})[0]
    found = network.activations(torch.from_numpy(x), "y")["y"]
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-4, atol=1e-5)
