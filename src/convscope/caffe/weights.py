"""A net's parameters, in and out of files and from net to net."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from os import PathLike, fspath
from pathlib import Path

from convscope.caffe.blob import Blob
from convscope.errors import WeightsMismatch
from convscope.sources.caffe.message import Message
from convscope.sources.caffe.saving import save_weights
from convscope.sources.caffe.weights import Weights

File = str | PathLike[str]
Parameters = Mapping[str, Sequence[Blob]]


def copy_parameters(parameters: Parameters, found: Weights) -> None:
    """Load every layer that a file has by name; all are checked before any is loaded."""
    taken = [(name, blobs, found[name]) for name, blobs in parameters.items() if name in found]
    for name, blobs, stored in taken:
        if len(stored) != len(blobs):
            raise WeightsMismatch(
                f"{found.file}: layer {name!r} has {len(stored)} blobs; the net needs {len(blobs)}"
            )
        for index, (blob, values) in enumerate(zip(blobs, stored, strict=True)):
            if values is not None and not values.fits(blob.true_shape):
                raise WeightsMismatch(
                    f"{found.file}: layer {name!r}, blob {index} has the shape {values.shape}, but the net needs "
                    f"{blob.true_shape}. Rename the layer to leave it out, or cast it (net surgery)"
                )
    for _, blobs, stored in taken:
        for blob, values in zip(blobs, stored, strict=True):
            if values is not None:
                blob.load(values.array)


def share_parameters(mine: Parameters, others: Parameters) -> None:
    """Put the parameters of layers of one name into the other net's memory."""
    for name, blobs in mine.items():
        for index, (blob, other) in enumerate(zip(blobs, others.get(name, ()), strict=False)):
            if blob.true_shape != other.true_shape:
                raise WeightsMismatch(
                    f"layer {name!r}, blob {index}: the nets' shapes are {blob.true_shape} and {other.true_shape}"
                )
            blob.share_data(other)


def save_parameters(parameters: Parameters, net: Message, file: File, *, hdf5: bool = False) -> None:
    """Write the parameters, with the net's layers: a caffemodel, or HDF5 where it is asked for or the name says so."""
    arrays = {name: [blob.true_data for blob in blobs] for name, blobs in parameters.items()}
    if not hdf5:
        save_weights(net, arrays, file)
        return
    target = Path(fspath(file))
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        save_weights(net, arrays, Path(folder) / "net.h5")
        (Path(folder) / "net.h5").replace(target)
