"""A camera's frame as the page sends it: a picture's bytes, and what it says of them."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from convscope.errors import InputError
from convscope.pictures.decoding import check_scans, check_size, errors_in_one_line
from convscope.pictures.photograph import Photograph, open_photograph
from convscope.web.picture_store import LARGEST


def photograph_of(frame: bytes, said: Mapping[str, Any]) -> Photograph:
    """Return a frame as a picture, of `width` times `height` pixels in its `encoding`; InputError for another one.

    ``rgba`` is 4 bytes a pixel: on one machine a file takes longer to read than the pixels to send, and than a small
    network to run. ``jpeg`` is a twentieth of that, for a class that shares a network.
    """
    width, height, encoding = (said.get(name) for name in ("width", "height", "encoding"))
    decode = {"rgba": _raw, "jpeg": _read}.get(str(encoding))
    if decode is None:
        raise InputError(f"a frame comes as 'rgba' or 'jpeg', not as {encoding!r}")
    if type(width) is not int or type(height) is not int or width < 1 or height < 1:
        raise InputError(f"a frame of {width} × {height} pixels is none")
    return open_photograph(decode(frame, width, height), maximum_pixels=LARGEST)


def _raw(frame: bytes, width: int, height: int) -> NDArray[np.uint8]:
    if 4 * width * height != len(frame):
        raise InputError(
            f"a frame of {width} × {height} pixels is 4 bytes each, RGBA, not {len(frame):,} bytes"
        )
    return np.frombuffer(frame, np.uint8).reshape(height, width, 4)[:, :, :3]


def _read(frame: bytes, width: int, height: int) -> NDArray[np.uint8]:
    """Read a JPEG. Its profile is left alone: a canvas is sRGB, and to read that profile takes longer than the rest."""
    file, name = io.BytesIO(frame), "the frame"
    with errors_in_one_line(name, len(frame), file), Image.open(file, formats=("JPEG",)) as image:
        if image.size != (width, height):
            raise InputError(f"a frame of {width} × {height} pixels has {image.width} × {image.height}")
        check_size(image, name, LARGEST, len(frame))
        check_scans(image, name, file)
        return np.asarray(image.convert("RGB"))
