"""The nine classics that the onnx package brings, every value against onnxruntime."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from .oracle import assert_agrees

FOLDER = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
NAMES = [
    "bvlc_alexnet",
    "densenet121",
    "inception_v1",
    "inception_v2",
    "resnet50",
    "shufflenet",
    "squeezenet",
]
NAMES += ["vgg19", "zfnet512"]
SLOW = {
    "densenet121",
    "inception_v2",
    "resnet50",
    "vgg19",
    "bvlc_alexnet",
    "zfnet512",
    "inception_v1",
    "shufflenet",
}


def with_weights(name: str, path: Path) -> None:
    """Write a light network with random weights: its own are all alike, so that its answers are rounding errors."""
    model, rng = onnx.load(FOLDER / f"light_{name}.onnx"), np.random.default_rng(0)
    shapes = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    variances = {node.input[4] for node in model.graph.node if node.op_type == "BatchNormalization"}
    kept = [node for node in model.graph.node if node.op_type != "ConstantOfShape"]
    for node in model.graph.node:
        if node.op_type == "ConstantOfShape":
            (output,), shape = node.output, shapes[node.input[0]].astype(int)
            values = rng.normal(size=shape) * np.sqrt(2 / np.prod(shape[1:]) if len(shape) > 1 else 0.01)
            values = rng.uniform(0.5, 1.5, shape) if output in variances else values
            model.graph.initializer.append(numpy_helper.from_array(values.astype(np.float32), output))
    del model.graph.node[:]
    model.graph.node.extend(kept)
    onnx.save(model, path)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in NAMES]
)
def test_every_value_is_onnxruntimes(name, tmp_path) -> None:
    with_weights(name, tmp_path / "light.onnx")
    assert_agrees(tmp_path / "light.onnx")


def test_weights_that_a_node_fills(tmp_path) -> None:
    """As shipped: what the onnx package says the answer is."""
    from convscope import open_network

    network = open_network(FOLDER / "light_squeezenet.onnx")
    assert len(network.layers) == 67
    assert sum(layer.parameter_count for layer in network.layers.values()) == 1235496
