"""Mean pictures, which the preprocessing subtracts: ``.binaryproto`` as Caffe writes them, or ``.npy``."""

from __future__ import annotations

from os import PathLike, fspath
from pathlib import Path
from typing import Any

import numpy as np

from convscope.errors import NetworkFileError
from convscope.formats.caffe.weights import blob_of
from convscope.formats.caffe.wire import read_binary
from convscope.formats.protobuf.records import open_source
from convscope.formats.recognition import HEAD, NUMPY, identify
from convscope.network.operations.checks import dimensions
from convscope.pictures.numpy_file import read_numbers

Array = np.ndarray[Any, np.dtype[np.float32]]


def read_mean(path: str | PathLike[str]) -> Array:
    """Read a mean picture: (channels, height, width), the network's own channel order and scale (0 to 255, BGR).

    A list of channel means comes back as (channels, 1, 1), a single plane as (1, height, width). The content
    decides between the two formats, not the name. Damaged and foreign files raise `NetworkFileError`.
    """
    file = fspath(path)
    if identify(bytes(open_source(path).view[:HEAD])) == NUMPY:
        mean = _read_npy(file)
    else:
        mean = blob_of(read_binary(path, "BlobProto"), file).array()
    shape = mean.shape
    while mean.ndim > 3 and mean.shape[0] == 1:
        mean = mean[0]
    mean = mean[:, None, None] if mean.ndim == 1 else mean[None] if mean.ndim == 2 else mean
    if mean.ndim != 3 or not mean.size or (mean.shape[2] == 3 and mean.shape[0] > 4):
        raise NetworkFileError(
            f"{file} is shaped {dimensions(shape)}; a mean is channels x height x width, as 3x256x256."
        )
    if not np.isfinite(mean).all():
        raise NetworkFileError(f"{file} holds numbers that are not finite, which no mean does.")
    return mean


def _read_npy(file: str) -> Array:
    try:
        return read_numbers(Path(file)).astype(np.float32)
    except (OSError, ValueError) as error:
        raise NetworkFileError(f"{file} is a damaged NumPy array: {error}.") from None
