"""What a network is called: its own name, never its exporter's."""

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
    ],
)
def test_an_exporters_name_is_no_networks(name: str, source: str, shown: str) -> None:
    assert shown_name(name, source) == shown
