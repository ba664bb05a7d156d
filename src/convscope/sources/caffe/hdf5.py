"""Caffe's HDF5 weights (``.caffemodel.h5``): dataset ``/data/<layer>/<index>``, nothing else is followed or read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from convscope.errors import NetworkFileError
from convscope.sources.caffe.memory import limited_memory

MAXIMUM_BLOBS = 64
MAXIMUM_DEPTH = 32
MAXIMUM_EXPANSION = 8
SPARE_BYTES = 64 * 2**20
LIBRARY_BYTES = 2**30


@dataclass(frozen=True)
class Stored:
    """One dataset: its shape, its place for messages, and how to read it."""

    shape: tuple[int, ...]
    place: str
    file: str
    name: str

    def load(self) -> np.ndarray[Any, np.dtype[np.float32]]:
        """Read the dataset as single-precision numbers."""
        numbers = np.empty(self.shape, np.float32)
        with _open(self.file) as opened:
            if numbers.size:
                _dataset(opened, self.name, self.place).read_direct(numbers)
        return numbers


def read_hdf5(file: str) -> dict[str, list[Stored | None]]:
    """Return the blobs of every layer, by index; None for an index that is left out because it is shared.

    Links out of the file, virtual datasets and datasets that would grow far beyond the file are refused
    (`NetworkFileError`).
    """
    with _open(file) as opened:
        _expect_weights(opened, file)
        layers: dict[str, dict[int, Stored]] = {}
        allowance = MAXIMUM_EXPANSION * Path(file).stat().st_size + SPARE_BYTES
        for path in _datasets(opened, file):
            layer, _, index = path.removeprefix("/data/").rpartition("/")
            place = f"{file}, layer {layer!r}, blob {index}"
            if not layer or not index.isdecimal() or int(index) >= MAXIMUM_BLOBS:
                raise NetworkFileError(
                    f"{file} has a dataset {path!r}; weights are /data/<layer>/<0, 1, ...>."
                )
            dataset = _dataset(opened, path, place)
            allowance -= dataset.size * 4
            if allowance < 0:
                raise NetworkFileError(
                    f"{place} would take far more memory than the file is large; it is refused."
                )
            layers.setdefault(layer, {})[int(index)] = Stored(dataset.shape, place, file, path)
    if not layers:
        raise NetworkFileError(f"{file} holds no weights: its group /data is empty.")
    return {name: [blobs.get(index) for index in range(max(blobs) + 1)] for name, blobs in layers.items()}


@contextmanager
def _open(file: str) -> Iterator[h5py.File]:
    """Open an HDF5 file; whatever the HDF5 library trips over becomes a `NetworkFileError`."""
    try:
        with limited_memory(LIBRARY_BYTES), h5py.File(file, "r") as opened:
            yield opened
    except NetworkFileError:
        raise
    except FileNotFoundError:
        raise NetworkFileError(f"{file} is no longer there.") from None
    except Exception as error:  # the HDF5 library raises nearly every kind there is
        problem = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise NetworkFileError(f"{file} is a damaged HDF5 file: {problem}.") from None


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


def _datasets(opened: h5py.File, file: str) -> Iterator[str]:
    """Yield the path of every dataset under /data; layer names may hold slashes, so groups nest."""
    waiting, seen = ["/data"], set[int]()
    while waiting:
        path = waiting.pop()
        if not isinstance(opened.get(path, getlink=True), h5py.HardLink):
            raise NetworkFileError(
                f"{file} has a link at {path!r}; convscope reads weights from this file alone."
            )
        found = opened[path]
        if isinstance(found, h5py.Dataset):
            yield path
            continue
        address = h5py.h5o.get_info(found.id).addr
        if address in seen or path.count("/") > MAXIMUM_DEPTH:
            raise NetworkFileError(f"{file} has groups that contain themselves, at {path!r}.")
        seen.add(address)
        waiting += [f"{path}/{name}" for name in reversed(found)]


def _dataset(opened: h5py.File, path: str, place: str) -> h5py.Dataset:
    dataset = opened[path]
    if dataset.is_virtual or dataset.external:
        raise NetworkFileError(
            f"{place} is stored in another file; convscope reads weights from this file alone."
        )
    if dataset.shape is None or dataset.dtype.kind not in "fiu":
        raise NetworkFileError(f"{place} holds {dataset.dtype}, not numbers.")
    return dataset
