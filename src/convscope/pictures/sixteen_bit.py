"""All 16 bits of a picture in color, out of a reader that keeps eight.

Pillow has no color of 16 bits: it unpacks the upper byte of each value. Told that the bytes are the other way round, it
unpacks the lower one. Both together are the whole value, from Pillow's own decoders.
"""

from __future__ import annotations

import sys
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_NATIVE = "L" if sys.byteorder == "little" else "B"
_OTHER = {"L": "B", "B": "L"}
_TURNED = {
    f"{mode};16{order}": f"{mode};16{_OTHER[_NATIVE if order == 'N' else order]}"
    for mode in ("RGB", "RGBA")
    for order in "LBN"
}


def stored_bits(image: Image.Image) -> int:
    """Return 16 where a file just opened holds 16 bits a value, whether or not they can all be read; else 8."""
    return 16 if any(";16" in _packing(tile) for tile in getattr(image, "tile", ())) else 8


def load(image: Image.Image, file: IO[bytes]) -> Image.Image | None:
    """Load a picture just opened from `file`; return another one of its lower bytes, None where it has none."""
    tiles = getattr(image, "tile", ())
    orders = [_TURNED.get(_packing(tile)) for tile in tiles]
    deep = bool(orders) and all(orders) and "transparency" not in image.info
    image.load()
    if not deep or image.format is None:
        return None
    file.seek(0)
    low: Any = Image.open(file, formats=(image.format,))
    low.tile = [
        tile._replace(args=_with(tile.args, name)) for tile, name in zip(low.tile, orders, strict=True)
    ]
    low.load()
    lower: Image.Image = low
    return lower


def joined(high: Image.Image, low: Image.Image) -> NDArray[np.uint16]:
    """Return the 16-bit values of a picture's upper and lower bytes."""
    values: NDArray[np.uint16] = np.asarray(high).astype(np.uint16) << 8 | np.asarray(low)
    return values


def _packing(tile: Any) -> str:
    return str(tile.args if isinstance(tile.args, str) or not tile.args else tile.args[0])


def _with(args: Any, name: str | None) -> Any:
    return name if isinstance(args, str) else (name, *args[1:])
