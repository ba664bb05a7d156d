"""What onnxruntime writes at its basic and extended levels opens, and is the network that it was made of."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import helper

from convscope import open_network

from .oracle import model_of, session

RNG = np.random.default_rng(0)


def network():
    constants = {
        "w1": RNG.normal(size=(8, 3, 3, 3)) * 0.3,
        "b1": RNG.normal(size=8),
        "s1": RNG.uniform(0.5, 1.5, 8),
        "m1": RNG.normal(size=8),
        "w2": RNG.normal(size=(8, 8, 1, 1)) * 0.3,
        "w4": RNG.normal(size=(8, 6)),
        "b4": RNG.normal(size=6),
        "g": RNG.uniform(0.5, 1.5, 6),
        "bias": RNG.normal(size=6),
        "root": np.float32(2**0.5),
        "one": np.float32(1),
        "half": np.float32(0.5),
    }
    nodes = [
        helper.make_node("Conv", ["x", "w1", "b1"], ["c1"], pads=[1, 1, 1, 1]),
        helper.make_node("BatchNormalization", ["c1", "s1", "b1", "m1", "s1"], ["n1"]),
        helper.make_node("LeakyRelu", ["n1"], ["r1"], alpha=0.13),
        helper.make_node("Conv", ["r1", "w2"], ["c2"]),
        helper.make_node("Add", ["c2", "r1"], ["a2"]),
        helper.make_node("Relu", ["a2"], ["r2"]),
        helper.make_node("GlobalAveragePool", ["r2"], ["p"]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("Gemm", ["f", "w4", "b4"], ["d"]),
        helper.make_node("Relu", ["d"], ["e"]),
        helper.make_node("Add", ["e", "bias"], ["z"]),
        helper.make_node("Div", ["z", "root"], ["q"]),
        helper.make_node("Erf", ["q"], ["erf"]),
        helper.make_node("Add", ["erf", "one"], ["u"]),
        helper.make_node("Mul", ["z", "u"], ["v"]),
        helper.make_node("Mul", ["v", "half"], ["h"]),
        helper.make_node("Add", ["h", "e"], ["k"]),
        helper.make_node("LayerNormalization", ["k", "g", "bias"], ["y"]),
    ]
    constants = {name: np.asarray(value, np.float32) for name, value in constants.items()}
    return model_of(nodes, {"x": [1, 3, 9, 8]}, ["y"], constants, opset=17)


@pytest.mark.parametrize(("level", "expected"), [("BASIC", "LeakyRelu"), ("EXTENDED", "FusedConv")])
def test_an_optimized_network_is_the_same(level, expected, tmp_path) -> None:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, f"ORT_ENABLE_{level}")
    options.optimized_model_filepath = str(tmp_path / "net.onnx")
    options.log_severity_level = 4
    model = network()
    onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
    assert expected in {node.op_type for node in onnx.load(tmp_path / "net.onnx").graph.node}
    x = RNG.normal(size=(1, 3, 9, 8)).astype(np.float32)
    found = open_network(tmp_path / "net.onnx").activations(torch.from_numpy(x), "y")["y"].numpy()
    np.testing.assert_allclose(found, session(model).run(["y"], {"x": x})[0], rtol=1e-4, atol=1e-5)
