"""A net's parameters, in and out of files and from net to net."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from os import PathLike, fspath
from pathlib import Path

from convscope.caffe.blob import Blob
from convscope.errors import WeightsMismatch
from convscope.formats.caffe.message import Message
from convscope.formats.caffe.parameters import match_blobs
from convscope.formats.caffe.saving import save_weights
from convscope.formats.caffe.weights import Weights
from convscope.unfinished import unfinished_folder

File = str | PathLike[str]
Parameters = Mapping[str, Sequence[Blob]]


def copy_parameters(
    parameters: Parameters, weights: Weights, borrowed: Mapping[str, Collection[int]]
) -> None:
    """Load every layer that a file has by name; all are checked before any is loaded.

    `borrowed` are the indices of the parameters that belong to an earlier layer, which a file may leave out. The
    numbers are read now, as Caffe does: the file may be gone afterwards.
    """
    names = [
        (blobs, match_blobs(weights, name, [blob.true_shape for blob in blobs], borrowed.get(name, ())))
        for name, blobs in parameters.items()
    ]
    for blobs, source in names:
        for index, values in source.items():
            numbers = values.array()
            blobs[index].load(lambda numbers=numbers: numbers)  # type: ignore[misc]


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
    with unfinished_folder(target) as folder:
        save_weights(net, arrays, folder / "net.h5")
        (folder / "net.h5").replace(target)
