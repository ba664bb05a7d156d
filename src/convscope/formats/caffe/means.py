"""Mean pictures, which the preprocessing subtracts: ``.binaryproto`` as Caffe writes them, or ``.npy``."""

from __future__ import annotations

import math
from io import BytesIO
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

Array = np.ndarray[Any, np.dtype[np.float32]]

_LONGEST_HEADER = 2**16


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
    """Read an array without running code; the file must be as large as its header says before memory is taken."""
    try:
        with Path(file).open("rb") as stream:
            head = BytesIO(stream.read(_LONGEST_HEADER))
            old = np.lib.format.read_magic(head) == (1, 0)
            read_header = np.lib.format.read_array_header_1_0 if old else np.lib.format.read_array_header_2_0
            shape, columns_first, kind = read_header(head)
            if kind.kind not in "fiu":
                raise ValueError(f"it holds {kind}, not numbers")
            stated, found = math.prod(shape) * kind.itemsize, Path(file).stat().st_size - head.tell()
            if min(shape, default=0) < 0 or stated > found:
                raise ValueError(f"its header says {stated:,} bytes, and {found:,} follow")
            stream.seek(head.tell())
            numbers = np.fromfile(stream, kind, math.prod(shape))
        return numbers.reshape(shape, order="F" if columns_first else "C").astype(np.float32)
    except Exception as error:  # numpy lets through whatever its header's parser trips over
        problem = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise NetworkFileError(f"{file} is a damaged NumPy array: {problem}.") from None
