"""What a file says for one picture size: another is answered as onnxruntime does, or refused in a sentence."""

import numpy as np
import onnx
import pytest
import torch
from onnx import helper

from convscope import open_network
from convscope.errors import InputError
from formats.onnx.oracle import model_of, session

node = helper.make_node
RNG = np.random.default_rng(8)
JOINED = node("Concat", ["b", "a"], ["y"], axis=2)
PIECES = [node("SequenceAt", ["s", "i"], ["a"]), node("SequenceAt", ["s", "j"], ["b"]), JOINED]
PLACES = {"i": np.array(0), "j": np.array(1)}
CASES = {
    "split": ([node("Split", ["c", "n"], ["a", "b"], axis=2), JOINED], {"n": np.array([5, 7])}, 18),
    "old split": ([node("Split", ["c"], ["a", "b"], axis=2, split=[5, 7]), JOINED], {}, 11),
    "halves": ([node("Split", ["c"], ["a", "b"], axis=2, num_outputs=2), JOINED], {}, 18),
    "pieces": (
        [node("SplitToSequence", ["c", "n"], ["s"], axis=2), *PIECES],
        {"n": np.array([5, 7])} | PLACES,
        18,
    ),
    "pieces of one length": (
        [node("SplitToSequence", ["c", "n"], ["s"], axis=2), *PIECES],
        {"n": np.array(7)} | PLACES,
        18,
    ),
    "center": ([node("CenterCropPad", ["c", "n"], ["y"], axes=[2, 3])], {"n": np.array([9, 16])}, 18),
    "reshape": ([node("Reshape", ["c", "n"], ["y"])], {"n": np.array([1, 4, 144])}, 18),
    "windows": ([node("Reshape", ["c", "n"], ["y"])], {"n": np.array([0, 0, 3, 4, -1])}, 18),
    "cut": (
        [node("Slice", ["c", "i", "n", "axes"], ["y"])],
        {"i": np.array([1]), "n": np.array([11]), "axes": [2]},
        18,
    ),
    "size": ([node("Resize", ["c", "", "", "n"], ["y"], mode="linear")], {"n": np.array([1, 4, 20, 17])}, 18),
    "stretched": ([node("Add", ["c", "n"], ["y"])], {"n": RNG.normal(size=(1, 4, 12, 1)).astype("f4")}, 18),
    "window": ([node("AveragePool", ["c"], ["y"], kernel_shape=[12, 12])], {}, 18),
    "rows": ([node("MatMul", ["c", "n"], ["y"])], {"n": RNG.normal(size=(12, 3)).astype("f4")}, 18),
    "frames": (
        [node("Reshape", ["c", "n"], ["r"]), node("STFT", ["r", "i", "window"], ["y"])],
        {"n": np.array([4, -1, 1]), "i": np.array(5), "window": np.hanning(8).astype("f4")},
        18,
    ),
    "pairs": ([node("Flatten", ["c"], ["y"], axis=2)], {}, 18),
    "lines": ([node("Flatten", ["c"], ["y"], axis=-1)], {}, 18),
    "a grid": (
        [
            node("Shape", ["c"], ["sizes"]),
            node("AffineGrid", ["turn", "sizes"], ["g"]),
            node("GridSample", ["c", "g"], ["y"]),
        ],
        {"turn": np.array([[[0.6, -0.3, 0.1], [0.2, 0.8, -0.2]]], "f4")},
        20,
    ),
    "lengths": (
        [
            node("Shape", ["c"], ["sizes"], start=2, end=3),
            node("Sub", ["sizes", "five"], ["rest"]),
            node("Concat", ["rest", "five"], ["lengths"], axis=0),
            node("Split", ["c", "lengths"], ["z", "y"], axis=2),
        ],
        {"five": np.array([5])},
        18,
    ),
    "no zeros": (
        [node("Shape", ["c"], ["sizes"]), node("Reshape", ["c", "sizes"], ["y"], allowzero=1)],
        {},
        18,
    ),
    "a table": (
        [
            node("Shape", ["c"], ["sizes"]),
            node("Gather", ["sizes", "two"], ["size"]),
            node("Div", ["size", "five"], ["place"]),
            node("Gather", ["table", "place"], ["factor"]),
            node("Mul", ["c", "factor"], ["y"]),
        ],
        {"two": np.array(2), "five": np.array(5), "table": np.array([2, 3, -4, 5], "f4")},
        18,
    ),
}
FITS = {
    "frames",
    "pairs",
    "lines",
    "halves",
    "windows",
    "cut",
    "size",
    "window",
    "rows",
    "a table",
    "lengths",
    "no zeros",
}
"""What has an answer for maps of 15 x 12."""


@pytest.mark.parametrize("name", CASES)
def test_another_size_is_answered_as_onnxruntime_does_or_refused(name, tmp_path):
    nodes, constants, opset = CASES[name]
    constants = {key: np.asarray(value) for key, value in constants.items()}
    weight = RNG.normal(size=(4, 3, 3, 3)).astype(np.float32)
    conv = node("Conv", ["x", "w"], ["c"], pads=[1, 1, 1, 1])
    model = model_of([conv, *nodes], {"x": [1, 3, "h", "w"]}, ["y"], {"w": weight, **constants}, opset=opset)
    onnx.save(model, tmp_path / "net.onnx")
    network = open_network(tmp_path / "net.onnx", input_shape=(1, 3, 12, 12))
    engine = session(model)
    for shape in ((1, 3, 12, 12), (1, 3, 15, 12)):
        picture = RNG.normal(size=shape).astype(np.float32)
        if shape[2] == 12 or name in FITS:
            expected = engine.run(None, {"x": picture})[0]
            found = network.activations(torch.from_numpy(picture), "y")["y"]
            np.testing.assert_allclose(found.numpy(), expected, rtol=1e-4, atol=1e-4)
        else:
            with pytest.raises(InputError, match=r"x15x12|open it for this size"):
                network.activations(torch.from_numpy(picture), "y")
