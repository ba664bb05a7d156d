"""Writing a network's weights where Caffe, OpenCV and convscope read them: ``.caffemodel``, or HDF5."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike, fspath
from typing import Any

import h5py
import numpy as np

from convscope.errors import NetworkFileError, did_you_mean
from convscope.files import saved
from convscope.formats.caffe.message import Message
from convscope.formats.caffe.wire import write_binary_file

Parameters = Mapping[str, Sequence[Any]]


def save_weights(net: Message, parameters: Parameters, path: str | PathLike[str]) -> None:
    """Write a net of today's form with its parameters: HDF5 when the name ends in ``.h5``, else a caffemodel.

    `parameters` are arrays, or tensors in the computer's memory, by layer name in Caffe's order. They are written in
    single precision with their own shapes. The file appears whole or not at all. `NetworkFileError` when a layer is
    not in the net, when it cannot be written, or beyond the 2 GB that a caffemodel holds.
    """
    names = [layer.name or "" for layer in net.layer]
    for name in parameters:
        if name not in names:
            raise NetworkFileError(
                f"the net has no layer {name!r} to save the weights of.{did_you_mean(name, names)}"
            )
    if fspath(path).endswith(".h5"):
        _save_hdf5(parameters, fspath(path))
    else:
        write_binary_file(_with_blobs(net, parameters), path)


def _with_blobs(net: Message, parameters: Parameters) -> Message:
    net = net.copy()
    for layer in net.layer:
        layer.clear("blobs")
        for parameter in parameters.get(layer.name or "", ()):
            numbers = np.asarray(parameter, np.float32)
            layer.add("blobs", data=numbers).ensure("shape").dim = numbers.shape
    return net


def _save_hdf5(parameters: Parameters, file: str) -> None:
    whole = saved(file, ValueError, RuntimeError, raises=NetworkFileError)
    with whole as partial, h5py.File(partial, "w") as opened:
        opened.create_group("data")
        for layer, arrays in parameters.items():
            if not all(part.strip(".") for part in layer.split("/")):
                raise NetworkFileError(
                    f"HDF5 cannot hold a layer named {layer!r}: save a .caffemodel instead."
                )
            for index, parameter in enumerate(arrays):
                opened[f"data/{layer}/{index}"] = np.asarray(parameter, np.float32)
