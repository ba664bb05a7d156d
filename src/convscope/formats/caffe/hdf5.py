"""Caffe's HDF5 weights (``.caffemodel.h5``): dataset ``/data/<layer>/<index>``, nothing else is followed or read."""

from __future__ import annotations

import h5py

from convscope.errors import NetworkFileError
from convscope.formats.hdf5 import Dataset, OwnFile, opened_hdf5, stored_under

__all__ = ["Dataset", "read_hdf5"]

MAXIMUM_BLOBS = 64


def read_hdf5(file: str) -> dict[str, list[Dataset | None]]:
    """Return the blobs of every layer, by index; None for an index that is left out because it is shared.

    Links out of the file, virtual datasets and datasets that would grow far beyond the file are refused
    (`NetworkFileError`).
    """

    def place(path: str) -> str:
        layer, index = _layer_and_index(path)
        if not layer or not index.isdecimal() or int(index) >= MAXIMUM_BLOBS:
            raise NetworkFileError(f"{file} has a dataset {path!r}; weights are /data/<layer>/<0, 1, ...>.")
        return f"{file}, layer {layer!r}, blob {index}"

    layers: dict[str, dict[int, Dataset]] = {}
    with opened_hdf5(own := OwnFile(file)) as opened:
        _expect_weights(opened, file)
        for dataset in stored_under(opened, "/data", own, place):
            layer, index = _layer_and_index(dataset.name)
            layers.setdefault(layer, {})[int(index)] = dataset
    if not layers:
        raise NetworkFileError(f"{file} holds no weights: its group /data is empty.")
    return {name: [blobs.get(index) for index in range(max(blobs) + 1)] for name, blobs in layers.items()}


def _layer_and_index(path: str) -> tuple[str, str]:
    layer, _, index = path.removeprefix("/data/").rpartition("/")
    return layer, index


def _expect_weights(opened: h5py.File, file: str) -> None:
    if "data" in opened:
        return
    if "history" in opened or "iter" in opened:
        what = "a solver's state, saved while training: use the .caffemodel.h5 saved beside it"
    elif "model_weights" in opened or "layer_names" in opened.attrs:
        what = "a Keras file: open it by itself"
    else:
        what = f"not Caffe's: it has no group /data, but {', '.join(sorted(opened)[:5]) or 'nothing'}"
    raise NetworkFileError(f"{file} is {what}.")
