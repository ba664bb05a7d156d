"""What is said of inputs when a file is opened: shapes by name, switches that choose a branch, lengths nothing says."""

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from convscope import open_network
from convscope.errors import InputError, InputGuess, NetworkFileError

from .oracle import model_of, session

node = helper.make_node
RNG = np.random.default_rng(29)
FILTERS = RNG.normal(size=(4, 1, 7)).astype(np.float32)


def value(name, shape, kind=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, kind, shape)


def branch(name, number):
    """Return a branch that reads the signal around it and gives it times a number, with its own length."""
    times = numpy_helper.from_array(np.array(number, np.float32), f"{name}_by")
    steps = [node("Mul", ["maps", f"{name}_by"], [f"{name}_out"])]
    return helper.make_graph(steps, name, [], [value(f"{name}_out", None)], [times])


def sound(kind, equal_to):
    """Return a network of a signal that is heard otherwise by its rate, as voice detectors have it."""
    stored = {
        "w": FILTERS,
        "axis": np.array([1]),
        "fast": np.array(equal_to, helper.tensor_dtype_to_np_dtype(kind)),
    }
    nodes = [
        node("Unsqueeze", ["signal", "axis"], ["row"]),
        node("Conv", ["row", "w"], ["maps"], strides=[3]),
        node("Equal", ["rate", "fast"], ["is_fast"]),
        node("If", ["is_fast"], ["heard"], then_branch=branch("yes", 2.5), else_branch=branch("no", -0.75)),
        node("Relu", ["heard"], ["y"]),
    ]
    inputs = [value("rate", [], kind), value("signal", ["batch", "samples"])]
    initializers = [numpy_helper.from_array(array, name) for name, array in stored.items()]
    graph = helper.make_graph(nodes, "sound", inputs, [value("y", None)], initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.mark.parametrize(
    ("kind", "switch", "given"),
    [
        (TensorProto.INT64, 16000, 16000),
        (TensorProto.INT64, 16000, "8000"),
        (TensorProto.INT32, -3, np.array(-3)),
        (TensorProto.BOOL, True, True),
        (TensorProto.BOOL, True, 0),
    ],
)
@pytest.mark.filterwarnings("error")
def test_a_switch_that_is_given_chooses_the_branch(kind, switch, given, tmp_path) -> None:
    model = sound(kind, switch)
    onnx.save(model, tmp_path / "net.onnx")
    network = open_network(tmp_path / "net.onnx", inputs={"rate": given}, input_shape={"signal": (1, 100)})
    assert dict(network.graph.inputs) == {
        "signal": (1, 100)
    }  # 10 x 10, and no picture: its filters go along it
    assert network.input_spec is None
    x = RNG.normal(size=(1, 100)).astype(np.float32)
    rate = np.array(given).astype(float).astype(helper.tensor_dtype_to_np_dtype(kind))
    expected = session(model).run(None, {"signal": x, "rate": rate})[0]
    found = network.activations(torch.from_numpy(x), "y")["y"]
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-5, atol=1e-6)


def test_without_it_the_line_says_what_to_give(tmp_path) -> None:
    onnx.save(sound(TensorProto.INT64, 1), tmp_path / "net.onnx")
    with pytest.warns(UserWarning, match=r"'is_fast'|condition is worked out while .*give .*--input"):
        open_network(tmp_path / "net.onnx")


def test_a_length_that_nothing_says_is_told_as_a_guess(tmp_path) -> None:
    signal = model_of([node("Conv", ["x", "w"], ["y"])], {"x": ["n", 1, "samples"]}, ["y"], {"w": FILTERS})
    onnx.save(signal, tmp_path / "net.onnx")
    with pytest.warns(
        InputGuess, match=r"how long the input 'x' is, nx1xsamples in the file: 1x1x224 is a guess"
    ):
        network = open_network(tmp_path / "net.onnx")
    assert network.graph.inputs["x"] == (1, 1, 224)


def test_a_states_open_axis_is_the_batch(tmp_path) -> None:
    """As Silero's, 2x?x128 beside its sound; an input that comes first has no state's shape."""
    nodes = [
        node("Conv", ["x", "w"], ["maps"]),
        node("ReduceMean", ["state"], ["m"], axes=[2], keepdims=1),
        node("Add", ["maps", "m"], ["y"]),
    ]
    inputs = {"x": ["n", 1, 60], "state": [2, "", 128]}
    onnx.save(model_of(nodes, inputs, ["y"], {"w": FILTERS}), tmp_path / "net.onnx")
    with pytest.warns(InputGuess, match=r"2x\?x128 in the file: 2x1x128 is a guess"):
        network = open_network(tmp_path / "net.onnx")
    assert network.graph.inputs["state"] == (2, 1, 128)
    first = model_of([node("Relu", ["x"], ["y"])], {"x": [2, "", 8]}, ["y"], {})
    onnx.save(first, tmp_path / "first.onnx")
    with pytest.warns(InputGuess, match="2x224x8 is a guess"):
        open_network(tmp_path / "first.onnx")


def test_a_shape_for_an_input_that_there_is_not(tmp_path) -> None:
    signal = model_of([node("Conv", ["x", "w"], ["y"])], {"x": [1, 1, "samples"]}, ["y"], {"w": FILTERS})
    onnx.save(signal, tmp_path / "net.onnx")
    with pytest.raises(InputError, match=r"net.onnx: there is no input 'z' to give a shape to.* Possible: x"):
        open_network(tmp_path / "net.onnx", input_shape={"z": (1, 1, 50)})


def test_a_size_that_was_guessed_is_named_where_the_network_does_not_take_it(tmp_path) -> None:
    stored = {"w": RNG.normal(size=(2, 3, 3, 3)).astype(np.float32), "line": np.array([1, 2, 46 * 318])}
    nodes = [node("Conv", ["x", "w"], ["maps"]), node("Reshape", ["maps", "line"], ["y"])]
    onnx.save(model_of(nodes, {"x": [1, 3, "rows", "columns"]}, ["y"], stored), tmp_path / "net.onnx")
    with pytest.raises(
        NetworkFileError, match=r"'x' is 1x3xrowsxcolumns in the file, and 1x3x224x224 is a guess"
    ):
        open_network(tmp_path / "net.onnx")
    network = open_network(tmp_path / "net.onnx", input_shape=(1, 3, 48, 320))
    assert network.shapes["y"] == (1, 2, 46 * 318)


def test_a_picture_that_comes_second_is_prepared_as_one_that_comes_first(tmp_path) -> None:
    stored = {
        "w": RNG.normal(size=(4, 3, 3, 3)).astype(np.float32),
        "f": RNG.normal(size=(4, 10)).astype("f4"),
    }
    nodes = [
        node("Conv", ["image", "w"], ["maps"]),
        node("Mul", ["maps", "by"], ["more"]),
        node("GlobalAveragePool", ["more"], ["means"]),
        node("Flatten", ["means"], ["row"]),
        node("MatMul", ["row", "f"], ["scores"]),
        node("Softmax", ["scores"], ["y"]),
    ]
    inputs = {"image": ["n", 3, "rows", "columns"], "by": [1, 4, 1, 1]}
    first, second = tmp_path / "first.onnx", tmp_path / "second.onnx"
    onnx.save(model_of(nodes, inputs, ["y"], stored), first)
    onnx.save(model_of(nodes, dict(reversed(inputs.items())), ["y"], stored), second)

    def opened(path, **keywords):
        shape = keywords.pop("input_shape", {"by": (1, 4, 1, 1)})
        return open_network(path, inputs={"by": 2.0}, input_shape=shape, **keywords)

    spec = opened(second).input_spec
    assert spec.rows() == opened(first).input_spec.rows()
    assert "size" in spec.guesses and len(spec.mean) == 3 and spec.resize == "shorter_side"
    assert opened(second, size=(64, 48), input_shape=None).graph.inputs == {"image": (1, 3, 64, 48)}
    assert opened(second, input_shape=(1, 3, 64, 48)).graph.inputs == {"image": (1, 3, 64, 48)}
