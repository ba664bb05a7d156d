"""A frozen graph's answers: TensorFlow's own where it is installed, and OpenCV's, which always is.

What TensorFlow 2.21 said (2026-11-21): all 223 tensors of `every_op` within 5e-6 of the largest number, all 555 of
MobileNet v1 0.25 within 8e-6, all 370 of the Inception of 2014 within 1e-5; gradients within 8e-6 (L2).
"""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

import convscope
from graph_def_writer import GraphWriter
from inception_2014 import inception_2014
from tensorflow_graphs import every_op

ORACLE = Path(__file__).parents[2] / "tensorflow_oracle.py"
MOBILENET = "tensorflow/mobilenet_v1_0.25_128/frozen_graph.pb"


def tensorflow() -> str:
    """Return an interpreter that has TensorFlow, or skip."""
    if find_spec("tensorflow"):
        return sys.executable
    if "TENSORFLOW_PYTHON" not in os.environ:
        pytest.skip(
            "needs TensorFlow: install it, or say TENSORFLOW_PYTHON=/path/to/an/interpreter/that/has/it"
        )
    return os.environ["TENSORFLOW_PYTHON"]


def require_tensorflows_answers(graph: Path, x: np.ndarray, folder: Path, gradients: list[str]) -> None:
    """Compare every tensor of a graph, and some gradients, with TensorFlow's."""
    interpreter = tensorflow()
    network = convscope.open_network(graph)
    inputs, asked, answers = (folder / name for name in ("inputs.npz", "asked.json", "answers.npz"))
    np.savez(inputs, **{next(iter(network.graph.inputs)): x})
    values = list(network.graph.values)
    asked.write_text(json.dumps({"values": values, "gradients": gradients}))
    command = [interpreter, str(ORACLE), *map(str, (graph, inputs, asked, answers))]
    subprocess.run(command, check=True, capture_output=True)
    given = torch.from_numpy(x)
    found = network.activations(given, *map(convscope.Address, values))
    with np.load(answers) as expected:
        for name in values:
            other = expected[name.replace("/", "|")].astype(np.float64)
            assert found[name].shape == other.shape, name
            if other.size:
                assert np.abs(found[name].numpy() - other).max() <= 1e-5 * max(np.abs(other).max(), 1e-12), (
                    name
                )
        for name in gradients:
            other = expected[f"gradient {name}".replace("/", "|")]
            difference = np.linalg.norm(network.gradient(given, name).numpy() - other)
            assert difference <= 1e-4 * np.linalg.norm(other), name


@pytest.mark.tensorflow
@pytest.mark.slow
def test_every_op_as_tensorflow_has_it(tmp_path: Path) -> None:
    x = np.random.default_rng(0).random((2, 45, 39, 3), np.float32)
    gradients = ["logits", "from_batch", "log_softmax", "ResizeBilinear_legacy_larger"]
    require_tensorflows_answers(every_op().save(tmp_path / "every.pb"), x, tmp_path, gradients)


@pytest.mark.tensorflow
@pytest.mark.slow
def test_mobilenet_as_tensorflow_has_it(shared_data: Path, tmp_path: Path) -> None:
    x = np.random.default_rng(0).uniform(-1, 1, (1, 128, 128, 3)).astype(np.float32)
    gradients = ["MobilenetV1/Logits/SpatialSqueeze", "MobilenetV1/MobilenetV1/Conv2d_5_pointwise/Relu6"]
    require_tensorflows_answers(shared_data / MOBILENET, x, tmp_path, gradients)


@pytest.mark.tensorflow
@pytest.mark.slow
def test_the_inception_of_2014_as_tensorflow_has_it(tmp_path: Path) -> None:
    x = np.random.default_rng(0).uniform(-2, 2, (1, 224, 224, 3)).astype(np.float32)
    graph = inception_2014().save(tmp_path / "inception.pb")
    require_tensorflows_answers(graph, x, tmp_path, ["softmax2_pre_activation", "mixed4c"])


def test_mobilenet_as_opencv_has_it(shared_data: Path) -> None:
    """OpenCV keeps no constants and folds the batch normalization: what it names is compared."""
    network = convscope.open_network(shared_data / MOBILENET)
    picture = np.random.default_rng(0).uniform(-1, 1, (1, 128, 128, 3)).astype(np.float32)
    oracle = cv2.dnn.readNetFromTensorflow(str(shared_data / MOBILENET))
    oracle.setInput(picture.transpose(0, 3, 1, 2))
    compared = 0
    for name in oracle.getLayerNames():
        if not name.endswith(("Relu6", "Predictions/Softmax", "SpatialSqueeze")):
            continue
        value = network.activations(torch.from_numpy(picture), convscope.Address(name))[name]
        found, expected = network.channels_first(name, value).numpy(), oracle.forward(name)
        assert np.abs(found.reshape(expected.shape) - expected).max() <= 1e-5 * np.abs(expected).max(), name
        compared += 1
    assert compared == 29


def test_a_small_graph_as_opencv_has_it(tmp_path: Path) -> None:
    """TensorFlow's padding is uneven at an even size, and its averages leave the padding out."""
    g = GraphWriter()
    x = g.placeholder(shape=(1, 22, 18, 3))
    conv = g.node("Conv2D", "conv", x, g.weights("w", 3, 3, 3, 8), strides=[1, 2, 2, 1], padding="SAME")
    x = g.node("Relu", "relu", g.node("BiasAdd", "bias", conv, g.weights("b", 8)))
    deep = g.node(
        "DepthwiseConv2dNative", "deep", x, g.weights("d", 3, 3, 8, 1), strides=[1, 1, 1, 1], padding="SAME"
    )
    pool = g.node("MaxPool", "pool", deep, ksize=[1, 3, 3, 1], strides=[1, 2, 2, 1], padding="SAME")
    g.node("AvgPool", "average", pool, ksize=[1, 2, 2, 1], strides=[1, 1, 1, 1], padding="SAME")
    network = convscope.open_network(g.save(tmp_path / "small.pb"))
    picture = g.random.random((1, 22, 18, 3), np.float32)
    oracle = cv2.dnn.readNetFromTensorflow(str(tmp_path / "small.pb"))
    oracle.setInput(picture.transpose(0, 3, 1, 2))
    for name in ("relu", "deep", "pool", "average"):
        found = network.channels_first(name, network.activations(torch.from_numpy(picture), name)[name])
        np.testing.assert_allclose(found.numpy(), oracle.forward(name), atol=1e-5)


def test_gradients_in_double_precision(tmp_path: Path) -> None:
    """Against finite differences through every op that has a slope."""
    network = convscope.open_network(every_op().save(tmp_path / "every.pb"))
    module = convscope.network.engine.execution.cut(network.graph, ["logits"]).double()
    x = torch.rand(
        1, 45, 39, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)
    ).requires_grad_()
    weights = torch.linspace(-1, 1, 5, dtype=torch.float64)

    def score(given: torch.Tensor) -> torch.Tensor:
        return (module(given)[0].reshape(-1) * weights).sum()

    (gradient,) = torch.autograd.grad(score(x), x)
    for place in ((0, 3, 4, 0), (0, 20, 30, 2), (0, 44, 38, 1)):
        step = torch.zeros_like(x)
        step[place] = 1e-6
        slope = (score(x + step) - score(x - step)) / 2e-6
        assert gradient[place].item() == pytest.approx(slope.item(), rel=1e-4, abs=1e-9)
