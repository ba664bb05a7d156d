"""A net of today in the words of Caffe's older generations, and weights in every form Caffe ever wrote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from torch import Tensor

from convscope.formats.caffe.upgrade import LAYER_TYPES
from protobuf_oracle import message_class

Blobs = Mapping[str, Sequence[np.ndarray]]

FIRST_TYPES = {
    "Convolution": "conv",
    "Pooling": "pool",
    "InnerProduct": "innerproduct",
    "LRN": "lrn",
    "ReLU": "relu",
}
FIRST_TYPES |= {"Dropout": "dropout", "Softmax": "softmax", "Concat": "concat"}
FIRST_FIELDS = {"kernel_size": "kernelsize", "bias_term": "biasterm", "axis": "concat_dim"}


def inputs_of(net: Any) -> dict[str, Tensor]:
    """Return seeded numbers for every input; words and beginnings of sentences where the network reads those."""
    generator = torch.Generator().manual_seed(1)
    found = {}
    for layer in net.layer:
        if layer.type == "Input":
            found[layer.top[0]] = torch.randn(*layer.input_param.shape[0].dim, generator=generator)
    if "cont_sentence" in found:
        found["cont_sentence"] = torch.tensor([[0.0, 0.0], [1.0, 1.0], [1.0, 0.0]])
        found["input_sentence"] = torch.tensor([[1.0, 6.0], [0.0, 2.0], [5.0, 3.0]])
    return found


def second_generation(net: Any) -> Any:
    """Return the same net as of 2014: types are numbers, the input is a field, `param` is a list of names."""
    old = _with_inputs(net)
    names = {new: word for word, new in LAYER_TYPES.items()}
    for layer in net.layer:
        if layer.type == "Input":
            continue
        made = old.layers.add(name=layer.name, bottom=layer.bottom, top=layer.top)
        made.type = made.DESCRIPTOR.fields_by_name["type"].enum_type.values_by_name[names[layer.type]].number
        made.param.extend(spec.name for spec in layer.param)
        made.blobs.extend(layer.blobs)
        for field, value in layer.ListFields():
            if field.name.endswith("_param"):
                getattr(made, field.name).CopyFrom(value)
    return old


def first_generation(net: Any) -> Any:
    """Return the same net as of 2013: layers inside layers, a convolution's padding a layer of its own."""
    old = _with_inputs(net)
    for layer in net.layer:
        if layer.type == "Input":
            continue
        bottom, own = list(layer.bottom), message_class("V0LayerParameter")()
        own.name, own.type = layer.name, FIRST_TYPES[layer.type]
        own.blobs.extend(layer.blobs)
        for field, value in layer.ListFields():
            if not field.name.endswith("_param"):
                continue
            for inner, number in value.ListFields():
                number = number[0] if inner.is_repeated else number
                if inner.name == "pad" and layer.type == "Convolution":
                    padded = f"{layer.name}_padded"
                    outer = old.layers.add(bottom=bottom, top=[padded])
                    outer.layer.name, outer.layer.type, outer.layer.pad = padded, "padding", number
                    bottom = [padded]
                else:
                    setattr(own, FIRST_FIELDS.get(inner.name, inner.name), number)
        old.layers.add(bottom=bottom, top=layer.top).layer.CopyFrom(own)
    return old


def with_weights(net: Any, weights: Blobs, *, legacy: bool = False, double: bool = False) -> Any:
    """Return a copy of a net of today with its blobs: with four axes each when `legacy`, in doubles when `double`."""
    full = type(net)()
    full.CopyFrom(net)
    for layer in full.layer:
        for values in weights.get(layer.name, ()):
            blob = layer.blobs.add()
            getattr(blob, "double_data" if double else "data").extend(values.ravel().tolist())
            if legacy:
                sides = (1,) * (4 - values.ndim) + values.shape
                blob.num, blob.channels, blob.height, blob.width = sides
                assert prod(sides) == values.size
            else:
                blob.shape.dim.extend(values.shape)
    return full


def write_hdf5(weights: Blobs, path: Path) -> Path:
    """Write weights as Caffe does: a parameter that an earlier layer has already written is left out."""
    seen: set[int] = set()
    with h5py.File(path, "w") as file:
        for name, blobs in weights.items():
            group = file.require_group(f"data/{name}")
            for index, values in enumerate(blobs):
                if id(values) not in seen:
                    group[str(index)] = values
                seen.add(id(values))
    return path


def _with_inputs(net: Any) -> Any:
    old = message_class("NetParameter")(name=net.name)
    for layer in net.layer:
        if layer.type == "Input":
            old.input.append(layer.top[0])
            old.input_dim.extend(layer.input_param.shape[0].dim)
    return old
