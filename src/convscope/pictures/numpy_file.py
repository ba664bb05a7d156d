"""Numbers in a NumPy file, read without running code: a stranger's file is as large as its header says, or refused."""

from __future__ import annotations

import math
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_LONGEST_HEADER = 2**16


def read_numbers(path: Path, most: int | None = None) -> NDArray[Any]:
    """Return the array of numbers or truth values in a ``.npy`` file, of which there may be `most`.

    ValueError says in one line what is wrong with any other; OSError comes through.
    """
    try:
        return _read(path, most)
    except OSError:
        raise
    except Exception as error:  # numpy lets through whatever its header's parser trips over
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        raise ValueError(lines[0] if lines else type(error).__name__) from error


def _read(path: Path, most: int | None) -> NDArray[Any]:
    with path.open("rb") as stream:
        head = BytesIO(stream.read(_LONGEST_HEADER))
        old = np.lib.format.read_magic(head) == (1, 0)
        read_header = np.lib.format.read_array_header_1_0 if old else np.lib.format.read_array_header_2_0
        shape, columns_first, kind = read_header(head)
        if kind.kind not in "bfiu":
            raise ValueError(f"it holds {kind}, not numbers")
        stated, present = math.prod(shape) * kind.itemsize, path.stat().st_size - head.tell()
        if min(shape, default=0) < 0 or stated > present:
            raise ValueError(f"its header says {stated:,} bytes, and {present:,} follow")
        if most is not None and math.prod(shape) > most:
            raise ValueError(
                f"it has {math.prod(shape):,} numbers, more than the {most:,} that are read here"
            )
        stream.seek(head.tell())
        numbers = np.fromfile(stream, kind, math.prod(shape))
    return numbers.reshape(shape, order="F" if columns_first else "C")
