"""Layers that Keras computes otherwise on PyTorch: which are named was found by running Keras 3.15 on both engines."""

import warnings

import pytest

from convscope import open_network
from plain_keras import functional, input_layer, layer, write_h5, write_keras

CUBIC = {
    "up": ("UpSampling2D", {"size": [2, 2], "interpolation": "bicubic"}),
    "shrunk": ("Resizing", {"height": 4, "width": 3, "interpolation": "bicubic"}),
}
AVERAGES = {
    "uneven": ("AveragePooling2D", {"pool_size": [3, 3], "strides": [2, 2], "padding": "same"}),
    "every": ("AveragePooling2D", {"pool_size": [4, 4], "strides": [1, 1], "padding": "same"}),
}
THE_SAME = {
    "smooth": ("Resizing", {"height": 4, "width": 3, "interpolation": "bicubic", "antialias": True}),
    "kept": ("Resizing", {"height": 9, "width": 8, "interpolation": "bicubic"}),
    "linear": ("UpSampling2D", {"size": [2, 2], "interpolation": "bilinear"}),
    "even": ("AveragePooling2D", {"pool_size": [3, 3], "strides": [1, 1], "padding": "same"}),
    "of_one": ("AveragePooling2D", {"pool_size": [2, 2], "strides": [1, 1], "padding": "same"}),
    "inside": ("AveragePooling2D", {"pool_size": [3, 3], "strides": [2, 2], "padding": "valid"}),
    "largest": ("MaxPooling2D", {"pool_size": [3, 3], "strides": [2, 2], "padding": "same"}),
    "trans": ("Resizing", {"height": 5, "width": 7, "interpolation": "nearest"}),
}


@pytest.mark.parametrize(
    ("version", "engine", "named"),
    [
        ("3.15.0", None, [*CUBIC, *AVERAGES]),
        ("3.15.0", "torch", [*AVERAGES]),
        ("3.15.0", "tensorflow", []),
        ("3.15.0", "jax", []),
        ("2.15.0", "", []),
    ],
)
def test_what_hangs_on_an_engine_that_is_not_known_is_said(version, engine, named, tmp_path):
    tested = CUBIC | AVERAGES | THE_SAME
    layers = [layer(kind, name, "photo", **config) for name, (kind, config) in tested.items()]
    description = functional("net", [input_layer((9, 8, 4)), *layers], ["photo"], [*tested])
    if engine is None:
        path = write_keras(tmp_path / "net.keras", description, {})
    else:
        path = write_h5(tmp_path / "net.h5", description, {}, version, backend=engine)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        open_network(path)
    words = " ".join(str(one.message) for one in caught if "PyTorch" in str(one.message))
    assert [name for name in tested if repr(name) in words] == named
    assert words.count("computed as on TensorFlow") == bool(named)
    assert ("runs on PyTorch" in words) == (engine == "torch")
