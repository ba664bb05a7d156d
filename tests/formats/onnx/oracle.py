"""Small ONNX models and what onnxruntime says they give."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper

from convscope import open_network


def model_of(nodes, inputs, outputs, constants=None, opset=17, **more):
    """Return a model: inputs are name to shape (names for sizes left open), constants name to array."""
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs.items()],
        [helper.make_empty_tensor_value_info(name) for name in outputs],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in (constants or {}).items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8, **more)


def session(model):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])


def every_value(model, names, feed):
    """Return what onnxruntime gives for each of the values, the inner ones too."""
    model = onnx.ModelProto.FromString(model.SerializeToString())
    del model.graph.output[:]
    model.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in names)
    return dict(zip(names, session(model).run(list(names), feed), strict=True))


def assert_agrees(path: Path, feed=None, *, relative=1e-5, shape=None, seed=0):
    """Open a file and hold every value it has against onnxruntime; return the network."""
    network, model = open_network(path), onnx.load(path)
    names = [name for name in network.graph.producers if "@" not in name and name not in network.parameters]
    made = {output for node in model.graph.node for output in node.output}
    names = [name for name in names if name in made]
    rng = np.random.default_rng(seed)
    feed = feed or {
        name: rng.normal(size=shape or size).astype(np.float32) for name, size in network.graph.inputs.items()
    }
    expected = every_value(model, names, feed)
    found = network.activations({name: torch.from_numpy(value) for name, value in feed.items()}, *names)
    for name in names:
        wanted, ours = np.asarray(expected[name], np.float64), found[name].double().numpy()
        assert ours.shape == wanted.shape, name
        if wanted.size:
            limit, made_by = relative * max(np.abs(wanted).max(), 1e-12), network.graph.producers[name]
            if (
                made_by.kind == "softmax"
            ):  # what a large number is off by, its exponential is by that many times
                limit *= max(1.0, np.abs({**feed, **expected}[made_by.inputs[0]]).max())
            assert np.abs(ours - wanted).max() <= limit, (name, made_by.kind)
    assert names
    return network
