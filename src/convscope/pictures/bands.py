"""Pictures of other channels than a photograph's: satellites' bands, stains under a microscope, a stack of frames.

They come as arrays (height, width, channels), as NumPy files of them, or as TIFFs of several bands.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from logging import LogRecord, getLogger
from pathlib import Path
from threading import get_ident
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convscope.errors import PictureError
from convscope.pictures.numpy_file import read_numbers

MOST_BANDS = 64
SMALL_FILE = 5_000_000  # bytes: what is smaller takes no memory that it does not deserve
_DESERVED = 40_000_000  # numbers of a small file: four bytes each, twice
_PHOTOGRAPHS = (1, 3, 4)


def has_bands(values: NDArray[Any]) -> bool:
    """Tell an array of bands, (height, width, channels) or channels first, from one of a photograph."""
    return values.ndim == 3 and values.size > 0 and channels_last(values).shape[2] not in (*_PHOTOGRAPHS, 0)


def bands_of(values: NDArray[Any], name: str = "the array") -> NDArray[np.float32]:
    """Return bands as float32 (height, width, channels): whole numbers in 0..1 of their range, others as they are."""
    values = channels_last(values)
    if values.ndim != 3 or values.shape[2] > MOST_BANDS:
        raise PictureError(f"{name} of shape {values.shape} is not a picture of 2 to {MOST_BANDS} channels")
    if values.dtype in (np.uint8, np.uint16):
        return np.asarray(values / np.float32(np.iinfo(values.dtype).max), np.float32)
    if values.dtype.kind not in "iuf" or not np.isfinite(values).all():
        raise PictureError(f"{name} has {values.dtype} that are no finite numbers")
    return np.ascontiguousarray(values, np.float32)


def seen_in_gray(bands: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the mean of the bands, its darkest black and its brightest white, as RGB: what a person is shown."""
    mean = bands.mean(2)
    low, high = float(mean.min()), float(mean.max())
    gray = (mean - low) / (high - low) if high > low else np.full_like(mean, 0.5)
    return np.repeat(gray[:, :, None], 3, axis=2)


def array_in(path: Path, maximum_pixels: int) -> NDArray[Any] | None:
    """Return the array in a NumPy file, or the bands of a TIFF that has more or fewer than a photograph's; else None.

    Its size is looked at before it is read. PictureError for a NumPy file that holds anything but numbers.
    """
    kind = path.suffix.lower()
    if kind not in (".npy", ".tif", ".tiff"):
        return None
    most = maximum_pixels * _PHOTOGRAPHS[-1]
    try:
        values = read_numbers(path, most) if kind == ".npy" else _tiff(path)
    except (ValueError, OSError) as error:
        raise PictureError(f"{path} is no NumPy file of numbers: {error}") from error
    if values is not None and values.size > most:
        raise PictureError(f"{path} has {values.size:,} numbers, more than are read as a picture")
    return values


def _tiff(path: Path) -> NDArray[Any] | None:
    import tifffile

    try:
        with _unsaid("tifffile"), tifffile.TiffFile(path) as file:
            page = file.pages[0]  # to find them all takes as long as a damaged file likes
            samples = page.tags.get("SamplesPerPixel")
            if samples is None or samples.value in _PHOTOGRAPHS or len(page.shape) != 3:
                return None
            numbers = int(np.prod(page.shape, dtype=np.int64))
            if numbers > MOST_BANDS * 2**26:
                return None
            if numbers > _DESERVED and path.stat().st_size < SMALL_FILE:
                raise PictureError(
                    f"{path} is a file of {path.stat().st_size:,} bytes that unfolds into {numbers:,} numbers: so "
                    "much is not read from so little. Make it smaller first"
                )
            values: NDArray[Any] = page.asarray()
            return values
    except PictureError:
        raise
    except Exception:  # tifffile lets through whatever a damaged file makes it trip over
        return None  # Pillow says what is wrong with it


@contextmanager
def _unsaid(library: str) -> Iterator[None]:
    """Keep a library's log from stderr in this thread: of a damaged file it has a line for each of its parts."""
    thread, logger = get_ident(), getLogger(library)

    def passes(record: LogRecord) -> bool:
        return record.thread != thread

    logger.addFilter(passes)
    try:
        yield
    finally:
        logger.removeFilter(passes)


def channels_last(values: NDArray[Any]) -> NDArray[Any]:
    """Return (height, width, channels), of which the channels are fewest: by far, where they come first."""
    if values.ndim != 3 or values.shape[0] > MOST_BANDS:
        return values
    first = values.shape[2] > MOST_BANDS or 0 < 2 * values.shape[0] <= min(values.shape[1:])
    return np.moveaxis(values, 0, 2) if first else values
