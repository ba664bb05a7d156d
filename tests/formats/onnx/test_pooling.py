"""Poolings whose last window would be empty, beside onnxruntime; every setting is in suites/test_pooling_grid.py."""

import numpy as np
import onnx
import pytest
from onnx import helper

from .oracle import assert_agrees, model_of


def test_a_last_window_that_would_be_empty_is_not_there(tmp_path) -> None:
    """Kernel 1, stride 3, 5 numbers: two windows; Caffe would have a third of nothing."""
    node = helper.make_node("MaxPool", ["x"], ["y"], kernel_shape=[1, 1], strides=[3, 3], ceil_mode=1)
    onnx.save(model_of([node], {"x": [1, 1, 5, 5]}, ["y"], opset=19), tmp_path / "net.onnx")
    network = assert_agrees(tmp_path / "net.onnx")
    assert network.shapes["y"] == (1, 1, 2, 2)
    network.save(tmp_path / "again.onnx")
    assert np.prod(assert_agrees(tmp_path / "again.onnx").shapes["y"]) == 4


@pytest.mark.parametrize(
    ("shape", "kernel"), [((1, 3, 11), [3]), ((1, 3, 7, 6), [3, 2]), ((1, 2, 5, 6, 7), [2, 3, 2])]
)
def test_of_equal_numbers_the_first_is_the_largest(shape, kernel, tmp_path) -> None:
    """Three different numbers: nearly every window has its largest twice."""
    axes = len(kernel)
    nodes = [
        helper.make_node("MaxPool", ["x"], ["y", "places"], kernel_shape=kernel, pads=[0, 1] * axes),
        helper.make_node("Cast", ["places"], ["numbers"], to=1),
    ]
    onnx.save(model_of(nodes, {"x": shape}, ["y", "numbers"]), tmp_path / "net.onnx")
    picture = np.random.default_rng(3).integers(0, 3, shape).astype(np.float32)
    assert_agrees(tmp_path / "net.onnx", {"x": picture})
