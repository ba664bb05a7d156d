"""What a network is called: its own name, never its exporter's."""

from pathlib import Path

import pytest

from convscope.network.origin import shown_name


@pytest.mark.parametrize(
    ("name", "source", "shown"),
    [
        ("GoogLeNet", "nets/bvlc/deploy.prototxt", "GoogLeNet"),
        ("", "nets/bvlc/deploy.prototxt", "bvlc"),
        ("torch-jit-export", "nets/super_resolution.onnx", "super_resolution"),
        ("main_graph", "faces/model.onnx", "faces"),
        ("main_graph", "main_graph", "main_graph"),
        ("main_graph", "model.onnx", Path.cwd().name),
        ("saved_model", "../model.onnx", Path.cwd().parent.name),
        ("Extracted from {main_graph}", "nets/first_half.onnx", "first_half"),
        ("network", "nets/eight_bits.onnx", "eight_bits"),
        ("sequential_3", "nets/flowers.h5", "flowers"),
        ("model_1", "fer2013_mini_XCEPTION.119-0.65.hdf5", "fer2013_mini_XCEPTION.119-0.65"),
        ("model_zoo", "nets/flowers.h5", "model_zoo"),
    ],
)
def test_an_exporters_name_is_no_networks(name: str, source: str, shown: str) -> None:
    assert shown_name(name, source) == shown
