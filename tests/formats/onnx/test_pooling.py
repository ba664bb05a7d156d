"""Poolings whose last window would be empty, beside onnxruntime; every setting is in suites/test_pooling_grid.py."""

import numpy as np
import onnx
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
