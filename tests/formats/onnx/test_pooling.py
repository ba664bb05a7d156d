"""Poolings of every setting beside onnxruntime: kernels below strides, ceil_mode, padding, one to three axes."""

from itertools import product

import numpy as np
import onnx
import pytest
from onnx import helper

from .oracle import assert_agrees, model_of

SIZES, KERNELS, STRIDES, PADS = (7, 10, 11), (1, 2, 3), (1, 2, 3, 4), (0, 1)


@pytest.mark.parametrize("ceil", [0, 1])
@pytest.mark.parametrize("op_type", ["MaxPool", "AveragePool"])
def test_a_grid_of_settings(op_type, ceil, tmp_path) -> None:
    """One window a network would be slow to open: each setting is a node of one network per size."""
    for size in SIZES:
        nodes = []
        for kernel, stride, pads, padded in product(KERNELS, STRIDES, product(PADS, PADS), (0, 1)):
            if max(pads) >= kernel or (op_type == "MaxPool" and padded):
                continue
            attributes = {"kernel_shape": [kernel, 3], "strides": [stride, 2], "ceil_mode": ceil}
            attributes["pads"] = [pads[0], 0, pads[1], 1]
            if op_type == "AveragePool":
                attributes["count_include_pad"] = padded
            nodes.append(helper.make_node(op_type, ["x"], [f"y{len(nodes)}"], **attributes))
        model = model_of(nodes, {"x": [1, 2, size, 8]}, [node.output[0] for node in nodes], opset=19)
        onnx.save(model, tmp_path / "net.onnx")
        assert_agrees(tmp_path / "net.onnx")


def test_a_last_window_that_would_be_empty_is_not_there(tmp_path) -> None:
    """Kernel 1, stride 3, 5 numbers: two windows; Caffe would have a third of nothing."""
    node = helper.make_node("MaxPool", ["x"], ["y"], kernel_shape=[1, 1], strides=[3, 3], ceil_mode=1)
    onnx.save(model_of([node], {"x": [1, 1, 5, 5]}, ["y"], opset=19), tmp_path / "net.onnx")
    network = assert_agrees(tmp_path / "net.onnx")
    assert network.shapes["y"] == (1, 1, 2, 2)
    network.save(tmp_path / "again.onnx")
    assert np.prod(assert_agrees(tmp_path / "again.onnx").shapes["y"]) == 4
