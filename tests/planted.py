"""Small networks whose features are written by hand, so that the right answers are known."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from convscope.attribution.registry import ATTENTION, METHODS
from convscope.network.axes import shape_channels_last
from convscope.network.graph import Graph, Operation
from convscope.network.input_spec import InputSpec
from convscope.network.network import Network
from convscope.network.origin import Origin
from convscope.network.parameters import Parameters

ATTRIBUTIONS = tuple(name for name, method in METHODS.items() if method.family != ATTENTION)
"""The methods that have a map of a network without attention, as the planted one."""
CLASSES = ("red", "green", "blue")
FEATURES = ("red", "green", "blue", "horizontal edge", "vertical edge", "gray", "bright spot", "dead")
SIZE = 32


def planted_network(
    *,
    name: str = "planted",
    labels: Sequence[str] | None = CLASSES,
    layer_names: Mapping[str, str] | None = None,
    origin: Path | None = None,
    channel_order: str = "RGB",
    channels_last: bool = False,
) -> Network:
    """Return a network that answers with the color of a picture.

    ``conv1`` (in-place ReLU) has the eight features of `FEATURES`; ``pool1`` halves it; ``conv2`` (in-place ReLU)
    has one filter a color, which subtracts the other two; ``scores`` is fully connected, ``prob`` a softmax.
    `layer_names` renames layers; `origin` is a file whose bytes are the network's hash. With `channels_last` all values
    are (batch, height, width, channels).
    """
    names = {key: key for key in ("data", "conv1", "pool1", "conv2", "pool2", "scores", "prob")}
    names |= dict(layer_names or {})
    first, second = names["conv1"], names["conv2"]
    weights = _weights()
    if channel_order == "BGR":
        weights["conv1.weight"] = weights["conv1.weight"].flip(1)
    operations = (
        _operation("convolution", "Convolution", names["data"], f"{first}@{first}", "conv1", padding=2),
        Operation("relu", "relu1", "ReLU", (f"{first}@{first}",), (first,), in_place=True),
        Operation(
            "max_pool", "pool1", "Pooling", (first,), (names["pool1"],), attributes={"kernel": 2, "stride": 2}
        ),
        _operation("convolution", "Convolution", names["pool1"], f"{second}@{second}", "conv2", padding=1),
        Operation("relu", "relu2", "ReLU", (f"{second}@{second}",), (second,), in_place=True),
        Operation("global_average_pool", "pool2", "Pooling", (second,), (names["pool2"],)),
        _operation("dense", "InnerProduct", names["pool2"], names["scores"], "scores"),
        Operation("softmax", "prob", "Softmax", (names["scores"],), (names["prob"],)),
    )
    parameters = Parameters({key: tuple(value.shape) for key, value in weights.items()}, weights.__getitem__)
    graph = Graph(name, {names["data"]: (1, 3, SIZE, SIZE)}, operations, (names["prob"],), parameters)
    spec = InputSpec((SIZE, SIZE), provenance={"size": "input shape"})
    if channels_last:
        graph, spec = with_channels_last(graph), replace(spec, layout="NHWC")
    return Network(
        graph,
        input_spec=replace(spec, channel_order=channel_order),
        labels=labels,
        origin=Origin(str(origin), None, (origin,)) if origin else None,
    )


def with_channels_last(graph: Graph) -> Graph:
    """Return the same network with the channels of every value on its last axis."""
    operations = (
        replace(operation, attributes={**operation.attributes, "channels_last": True})
        for operation in graph.operations
    )
    inputs = {name: shape_channels_last(shape) for name, shape in graph.inputs.items()}
    return replace(graph, inputs=inputs, operations=tuple(operations), channels_last=True)


def _operation(kind: str, type_name: str, before: str, after: str, key: str, **attributes: int) -> Operation:
    roles = {"weight": f"{key}.weight", "bias": f"{key}.bias"}
    return Operation(kind, key, type_name, (before,), (after,), roles, attributes)


def _weights() -> dict[str, Tensor]:
    conv1 = torch.zeros(8, 3, 5, 5)
    for color in range(3):
        conv1[color, color] = 1 / 25
    edge = torch.tensor([-1.0, -1.0, 0.0, 1.0, 1.0]) / 10
    conv1[3] = edge.reshape(1, 5, 1) / 3
    conv1[4] = edge.reshape(1, 1, 5) / 3
    conv1[5] = 1 / 75
    conv1[6] = -1 / 72
    conv1[6, :, 2, 2] = 1 / 3
    bias = torch.zeros(8)
    bias[7] = -1.0
    conv2 = torch.zeros(3, 8, 3, 3)
    for color in range(3):
        conv2[color, :3, 1, 1] = -0.5
        conv2[color, color, 1, 1] = 1.0
    return {
        "conv1.weight": conv1,
        "conv1.bias": bias,
        "conv2.weight": conv2,
        "conv2.bias": torch.zeros(3),
        "scores.weight": 8 * torch.eye(3),
        "scores.bias": torch.zeros(3),
    }


def plain_picture(color: Sequence[float] = (1.0, 0.0, 0.0), size: int = SIZE) -> NDArray[np.uint8]:
    """Return a picture of one color."""
    return np.broadcast_to(np.array(color) * 255, (size, size, 3)).astype(np.uint8)


def edge_picture(size: int = SIZE) -> NDArray[np.uint8]:
    """Return a picture that is black above and white below: its middle row is a horizontal edge."""
    picture = np.zeros((size, size, 3), np.uint8)
    picture[size // 2 :] = 255
    return picture


PROTOTXT = """\
name: "planted"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 32 dim: 32 } } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
        convolution_param { num_output: 8 kernel_size: 5 pad: 2 } }
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
layer { name: "pool1" type: "Pooling" bottom: "conv1" top: "pool1"
        pooling_param { pool: MAX kernel_size: 2 stride: 2 } }
layer { name: "conv2" type: "Convolution" bottom: "pool1" top: "conv2"
        convolution_param { num_output: 3 kernel_size: 3 pad: 1 } }
layer { name: "relu2" type: "ReLU" bottom: "conv2" top: "conv2" }
layer { name: "pool2" type: "Pooling" bottom: "conv2" top: "pool2"
        pooling_param { pool: AVE global_pooling: true } }
layer { name: "scores" type: "InnerProduct" bottom: "pool2" top: "scores" inner_product_param { num_output: 3 } }
layer { name: "prob" type: "Softmax" bottom: "scores" top: "prob" }
"""


def planted_files(folder: Path) -> Path:
    """Write the planted network as a Caffe network with HDF5 weights, a sidecar and labels; return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "planted.prototxt").write_text(PROTOTXT, encoding="utf-8")
    sidecar = {"channel_order": "RGB", "raw_scale": 1.0, "mean": []}
    (folder / "planted.json").write_text(json.dumps(sidecar), encoding="utf-8")
    (folder / "labels.txt").write_text("\n".join(CLASSES), encoding="utf-8")
    with h5py.File(folder / "planted.caffemodel.h5", "w") as file:
        for name, values in _weights().items():
            layer, _, role = name.partition(".")
            file[f"data/{layer}/{0 if role == 'weight' else 1}"] = values.numpy()
    return folder
