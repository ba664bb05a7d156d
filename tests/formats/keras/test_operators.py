"""Functions of keras.ops between layers, as Keras 3 writes them: against NumPy's of the same name."""

import colorsys

import numpy as np
import pytest
import torch

from convscope import open_network
from convscope.errors import ConvscopeWarning
from plain_keras import functional, input_layer, layer, normal, write_keras

X = normal(1, 4, 5, 6, scale=1.0)
ROW = np.arange(6, dtype=np.float32) - 2.3
TENSOR = {"class_name": "__keras_tensor__", "config": {"keras_history": ["photo", 0, 0]}}


def array(values):
    return {"class_name": "__numpy__", "config": {"value": values.tolist(), "dtype": "float32"}}


def span(start=None, stop=None, step=None):
    return {"class_name": "__slice__", "config": {"start": start, "stop": stop, "step": step}}


def function(class_name, *args, name="f", config=None, reads=TENSOR, **keywords):
    return {"module": "keras.src.ops.numpy", "class_name": class_name, "name": name, "config": config or {},
            "inbound_nodes": [{"args": [reads, *args] if reads else list(args), "kwargs": keywords}]}  # fmt: skip


def read(tmp_path, layers, outputs):
    path = write_keras(
        tmp_path / "n.keras", functional("n", [input_layer(X.shape[1:]), *layers], ["photo"], outputs), {}
    )
    return open_network(path)


def softplus_like(x):
    return (x + np.sqrt(x * x + 2.5)) / 2


CASES = {
    "mean of ops": (function("Mean", config={"axis": [1, 2], "keepdims": False}), X.mean((1, 2))),
    "std": (function("Std", config={"axis": 1, "keepdims": True}), X.std(1, keepdims=True)),
    "var of all": (function("Var", config={"axis": None}), X.var()),
    "prod": (function("Prod", config={"axis": 2}), X.prod(2)),
    "power": (function("Power", 3), X**3),
    "matmul": (function("Matmul", array(normal(6, 2, seed=4))), X @ normal(6, 2, seed=4)),
    "einsum": (
        function("Einsum", TENSOR, config={"subscripts": "bhwc,bhwd->bcd"}),
        np.einsum("bhwc,bhwd->bcd", X, X),
    ),
    "tensordot": (
        function("Tensordot", TENSOR, config={"axes": [[1, 2], [1, 2]]}),
        np.tensordot(X, X, ((1, 2), (1, 2))),
    ),
    "slices": (function("GetItem", [span(), span(1, -1), span(None, None, 2)]), X[:, 1:-1, ::2]),
    "one row": (function("GetItem", [span(), 3]), X[:, 3]),
    "a new axis": (function("GetItem", [{"class_name": "__ellipsis__", "config": {}}, None, 0]), X[..., None, 0]),
    "array behind": (function("Subtract", array(ROW)), X - ROW),
    "array before": (function("Divide", array(ROW), TENSOR, reads=None), ROW / X),
    "greater than": (function("Greater", array(ROW)), (X > ROW).astype("f")),
    "where": (function("Where", TENSOR, 0.5), np.where(X != 0, X, 0.5)),
    "stack": (function("Stack", config={"axis": 1}, reads=[TENSOR, TENSOR]), np.stack([X, X], 1)),
    "take": (function("Take", [2, 0], config={"axis": -1}), X[..., [2, 0]]),
    "pad": (
        function("Pad", config={"pad_width": [[0, 0], [1, 2], [0, 1], [0, 0]], "mode": "constant"}),
        np.pad(X, ((0, 0), (1, 2), (0, 1), (0, 0))),
    ),
    "pad mirrored": (
        function("Pad", config={"pad_width": [[0, 0], [1, 2], [0, 1], [0, 0]], "mode": "reflect"}),
        np.pad(X, ((0, 0), (1, 2), (0, 1), (0, 0)), "reflect"),
    ),
    "roll": (function("Roll", config={"shift": 2, "axis": 1}), np.roll(X, 2, 1)),
    "repeat": (function("Repeat", config={"repeats": 2, "axis": 2}), np.repeat(X, 2, 2)),
    "tile": (function("Tile", config={"repeats": [1, 1, 2, 1]}), np.tile(X, (1, 1, 2, 1))),
    "moveaxis": (
        function("Moveaxis", config={"source": [1, 2], "destination": [2, 3]}),
        np.moveaxis(X, (1, 2), (2, 3)),
    ),
    "cumsum": (function("Cumsum", config={"axis": 1}), X.cumsum(1)),
    "median": (function("Median", config={"axis": 2}), np.median(X, 2)),
    "norm": (function("Norm", config={"ord": None, "axis": -1}), np.linalg.norm(X, axis=-1)),
    "normalize by sizes": (
        function("Normalize", config={"axis": -1, "order": 1}), X / np.abs(X).sum(-1, keepdims=True)
    ),
    "normalize": (
        function("Normalize", config={"axis": -1, "order": 2}),
        X / np.linalg.norm(X, axis=-1, keepdims=True),
    ),
    "argmin": (function("Argmin", config={"axis": 1}), X.argmin(1)),
    "whole numbers": (function("Cast", config={"dtype": "int32"}), np.trunc(X)),
    "arctan2": (function("Arctan2", TENSOR), np.arctan2(X, X)),
    "floor_divide": (function("FloorDivide", 0.3), X // np.float32(0.3)),
    "squareplus": (function("Squareplus", config={"b": 2.5}), softplus_like(X)),
    "logsumexp": (function("Logsumexp", config={"axis": -1}), np.log(np.exp(X).sum(-1))),
    "split": (function("Split", config={"indices_or_sections": [1, 4], "axis": -1}), X[..., :1]),
    "largest under windows": (
        function("MaxPool", config={"pool_size": 2, "strides": None, "padding": "valid", "data_format": None}),
        X[:, :, :4].reshape(1, 2, 2, 2, 2, 6).max((2, 4)),
    ),
    "mean under windows": (
        function("AveragePool", config={"pool_size": [2, 3], "strides": [2, 2], "padding": "valid"}),
        np.stack([X[:, :, at : at + 3].reshape(1, 2, 2, 3, 6).mean((2, 3)) for at in (0, 2)], 2),
    ),
    "adaptive": (
        function("AdaptiveMaxPool", config={"output_size": [2, 1]}),
        X.reshape(1, 2, 2, 5, 6).max((2, 3))[:, :, None],
    ),
    "patches": (
        function("ExtractPatches", config={"size": [2, 5], "strides": None, "padding": "valid", "dilation_rate": 1}),
        X.reshape(1, 2, 2, 5, 6).reshape(1, 2, 1, 60),
    ),
    "means": (function("Moments", config={"axes": [1, 2], "keepdims": True}), X.mean((1, 2), keepdims=True)),
    "border": (
        function("PadImages", config={"top_padding": 2, "left_padding": None, "target_height": 7, "target_width": 6,
                                      "right_padding": 1}),
        np.pad(X, ((0, 0), (2, 1), (0, 1), (0, 0))),
    ),
    "cropped": (
        function("CropImages", config={"top_cropping": 1, "left_cropping": 2, "target_height": 2, "target_width": 3}),
        X[:, 1:3, 2:5],
    ),
    "layer norm": (
        function("LayerNorm", config={"axis": [2, 3], "epsilon": 0.01}),
        (X - X.mean((2, 3), keepdims=True)) / np.sqrt(X.var((2, 3), keepdims=True) + 0.01),
    ),
    "root mean square": (
        function("RMSNorm", config={"axis": -1}), X / np.sqrt(np.square(X).mean(-1, keepdims=True) + 1e-7)
    ),
    "percentile": (function("Percentile", 30.0, config={"axis": 1}), np.percentile(X, 30, 1)),
    "any": (function("Any", config={"axis": 1}, reads=TENSOR), np.ones((1, 5, 6))),
    "upside down": (function("Fliplr"), X[:, ::-1]),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore::convscope.errors.ConvscopeWarning")
def test_functions_are_numpys(tmp_path):
    layers = [{**case, "name": f"f{at}"} for at, (case, _) in enumerate(CASES.values())]
    names = [one["name"] for one in layers]
    network = read(tmp_path, layers, names)
    assert not network.graph.cut
    found = network.activations(torch.from_numpy(X), *names)
    for name, (case, (_, expected)) in zip(names, CASES.items(), strict=True):
        assert found[name].shape == np.shape(expected), case
        np.testing.assert_allclose(found[name], expected, rtol=2e-5, atol=2e-6, err_msg=case)


def test_the_second_part_of_a_split_is_a_value_of_its_own(tmp_path):
    second = {"class_name": "__keras_tensor__", "config": {"keras_history": ["parts", 0, 1]}}
    layers = [
        function("Split", name="parts", config={"indices_or_sections": 2, "axis": -1}),
        function("Exp", name="behind", reads=second),
    ]
    found = read(tmp_path, layers, ["behind"]).activations(torch.from_numpy(X), "behind")["behind"]
    np.testing.assert_allclose(found, np.exp(X[..., 3:]), rtol=1e-6)


def test_variances_come_behind_means_a_picture_becomes_gray_and_blocks_channels(tmp_path):
    variances = {"class_name": "__keras_tensor__", "config": {"keras_history": ["both", 0, 1]}}
    colors = {"class_name": "__keras_tensor__", "config": {"keras_history": ["colors", 0, 0]}}
    even = {"class_name": "__keras_tensor__", "config": {"keras_history": ["even", 0, 0]}}
    layers = [
        function("Moments", name="both", config={"axes": [1], "keepdims": False}),
        function("Exp", name="behind", reads=variances),
        function("GetItem", [span(), span(), span(), span(1, 4)], name="colors"),
        function("RGBToGrayscale", name="gray", reads=colors),
        function("GetItem", [span(), span(), span(0, 4)], name="even"),
        function("SpaceToDepth", name="blocks", config={"block_size": 2}, reads=even),
    ]
    names = ["behind", "gray", "blocks"]
    found = read(tmp_path, layers, names).activations(torch.from_numpy(X), *names)
    np.testing.assert_allclose(found["behind"], np.exp(X.var(1)), rtol=1e-5)
    blocks = X[:, :, :4].reshape(1, 2, 2, 2, 2, 6).transpose(0, 1, 3, 2, 4, 5).reshape(1, 2, 2, 24)
    np.testing.assert_array_equal(found["blocks"], blocks)
    gray = 0.2989 * X[..., 1:2] + 0.587 * X[..., 2:3] + 0.114 * X[..., 3:4]
    np.testing.assert_allclose(found["gray"], gray, rtol=1e-5, atol=1e-6)


def test_what_does_not_fit_or_is_not_known_cuts_what_is_behind_it(tmp_path):
    reads = {"class_name": "__keras_tensor__", "config": {"keras_history": ["odd", 0, 1]}}
    layers = [
        layer("ReLU", "relu", "photo", version=3),
        function("Sparsemax", name="odd"),
        function("Exp", name="behind", reads=reads),
        function("Matmul", array(normal(5, 2)), name="misfit"),
    ]
    with pytest.warns(ConvscopeWarning, match="calls the function 'Sparsemax' between layers"):
        network = read(tmp_path, layers, ["relu", "behind", "misfit"])
    assert set(network.graph.cut) == {"odd", "behind", "misfit"}
    found = network.activations(torch.from_numpy(X), "relu")["relu"]
    np.testing.assert_array_equal(found, np.maximum(X, 0))


def test_colors_become_hues(tmp_path):
    colors = np.abs(X[..., :3]) / np.abs(X).max()
    layers = [
        function("GetItem", [span(), span(), span(), span(0, 3)], name="colors"),
        function("RGBToHSV", name="hues", reads=_reference("colors")),
        function("HSVToRGB", name="back", reads=_reference("hues")),
    ]
    picture = np.concatenate([colors, colors], -1)
    found = read(tmp_path, layers, ["back"]).activations(torch.from_numpy(picture), "hues", "back")
    expected = [colorsys.rgb_to_hsv(*color) for color in colors.reshape(-1, 3).tolist()]
    np.testing.assert_allclose(found["hues"].reshape(-1, 3), expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found["back"], colors, rtol=1e-4, atol=1e-6)


def _reference(name):
    return {"class_name": "__keras_tensor__", "config": {"keras_history": [name, 0, 0]}}
