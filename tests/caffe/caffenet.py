"""CaffeNet with seeded random weights, saved as each generation of Caffe saved it."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from convscope.formats.caffe.message import Message
from convscope.formats.caffe.wire import write_binary_file

Weights = Mapping[str, tuple[NDArray[np.float32], NDArray[np.float32]]]

SHAPES = {
    "conv1": (96, 3, 11, 11),
    "conv2": (256, 48, 5, 5),
    "conv3": (384, 256, 3, 3),
    "conv4": (384, 192, 3, 3),
    "conv5": (256, 192, 3, 3),
    "fc6": (4096, 9216),
    "fc7": (4096, 4096),
    "fc8": (1000, 4096),
}


def random_weights(seed: int = 0) -> Weights:
    """Return weights under which pictures give every layer numbers of one size (He et al. 2015)."""
    generator = np.random.default_rng(seed)
    weights = {}
    for name, shape in SHAPES.items():
        spread = np.sqrt(2 / np.prod(shape[1:])) / (60 if name == "conv1" else 1)
        values = generator.standard_normal(shape, np.float32) * np.float32(spread)
        weights[name] = values, generator.standard_normal(shape[0], np.float32) * np.float32(0.01)
    return weights


def save_first_generation(weights: Weights, path: Path) -> Path:
    """Write them as Caffe did in 2013: layers inside layers, every blob with four axes."""
    net = Message("NetParameter")
    for name, blobs in weights.items():
        layer = net.add("layers").ensure("layer")
        layer.name, layer.type = name, "conv" if name.startswith("conv") else "innerproduct"
        for values in blobs:
            shape = (1,) * (4 - values.ndim) + values.shape
            sides = dict(zip(("num", "channels", "height", "width"), shape, strict=True))
            layer.add("blobs", **sides, data=values)
    write_binary_file(net, path)
    return path


def save_today(weights: Weights, path: Path) -> Path:
    """Write them as Caffe has done since 2015."""
    net = Message("NetParameter", name="CaffeNet")
    for name, blobs in weights.items():
        layer = net.add("layer", name=name, type="Convolution" if name.startswith("conv") else "InnerProduct")
        for values in blobs:
            layer.add("blobs", data=values).ensure("shape").dim = values.shape
    write_binary_file(net, path)
    return path
