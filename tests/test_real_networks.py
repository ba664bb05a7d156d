"""Real ImageNet networks from Caffe's model zoo against OpenCV's own Caffe importer, blob by blob."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

import convscope
from convscope.network.network import Network
from precision import in_double_precision

FILES = {
    "bvlc_googlenet": ("deploy.prototxt", "bvlc_googlenet.caffemodel"),
    "squeezenet_v1.1": ("deploy.prototxt", "squeezenet_v1.1.caffemodel"),
    "cifar10_quick": ("cifar10_quick.prototxt", "cifar10_quick_iter_4000.caffemodel"),
    "old_formats": ("lenet.prototxt", "lenet_iter_10000.caffemodel"),
}


def opened(shared_data: Path, name: str) -> tuple[Network, "cv2.dnn.Net"]:
    description, weights = (shared_data / "caffe" / name / file for file in FILES[name])
    other = cv2.dnn.readNetFromCaffe(str(description), str(weights))
    other.enableFusion(False)  # fused, it writes over blobs that are asked for
    other.enableWinograd(False)
    return convscope.open_network(description, weights=weights), other


@pytest.mark.parametrize("name", FILES)
def test_every_blob_agrees_with_opencv(shared_data: Path, name: str) -> None:
    network, other = opened(shared_data, name)
    x = network.preprocess(shared_data / "pictures/cat.jpg")
    found = network.activations(x)
    other.setInput(x.numpy())
    compared = 0
    for blob, value in found.items():
        writers = network.graph.written_by(blob)
        if not writers:
            continue
        expected = other.forward(writers[-1].name)
        error = np.abs(value.numpy() - expected).max() / np.abs(expected).max()
        # OpenCV's own softmax is 1.03e-5 off float64 on SqueezeNet, convscope's 4e-6
        limit = 2e-5 if writers[-1].kind == "softmax" else 1e-5
        assert error < limit, f"{blob}: {error}"
        compared += 1
    assert compared == len(network.layers) - 1 >= 7


def test_the_cat_is_a_cat(shared_data: Path) -> None:
    network = convscope.open_network(shared_data / "caffe/bvlc_googlenet")
    found = network.predict(shared_data / "pictures/cat.jpg", top=3)
    assert [label for label, _ in found] == ["tiger cat", "tabby", "Egyptian cat"]
    np.testing.assert_allclose([p for _, p in found], [0.376, 0.270, 0.252], atol=0.002)


def test_double_precision_gives_the_same_gradient(shared_data: Path) -> None:
    """A few ReLUs and maxima flip between the precisions, for any implementation: compared by L2."""
    network = convscope.open_network(shared_data / "caffe/bvlc_googlenet")
    x = network.preprocess(shared_data / "pictures/cat.jpg")
    single = network.gradient(x, "inception_3b/output")
    double = in_double_precision(network).gradient(x.double(), "inception_3b/output")
    assert float((single - double).norm() / double.norm()) < 1e-2


@pytest.mark.slow
def test_the_known_accuracy(shared_data: Path) -> None:
    """GoogLeNet is right on 65.0 % of the thousand photographs that these five hundred are half of."""
    network = convscope.open_network(shared_data / "caffe/bvlc_googlenet")
    rows = [
        line.split(",") for line in (shared_data / "photographs/index.csv").read_text().splitlines()[1:201]
    ]
    batch = torch.cat([network.preprocess(shared_data / "photographs" / row[0]) for row in rows])
    answers = network.activations(batch, "prob")["prob"].argmax(1)
    right = np.mean([int(answer) == int(row[1]) for answer, row in zip(answers, rows, strict=True)])
    assert 0.55 < right < 0.75
