"""A layer's answer as bytes: every channel a small map, exact numbers beside it; the page scales and colors it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import interpolate

from convscope.web.messages import packed

LARGEST_TILE = 56  # pixels a side of a channel in a grid: more is not seen, and takes long to send


def grid_message(layer: str, values: NDArray[np.floating[Any]], **facts: Any) -> bytes:
    """Return a layer's answer (channels, height, width), or (channels,), as a message for the page.

    The header has `layer`, `channels`, the map's `rows` and `columns`, those of a tile (`tileRows`, `tileColumns`; at
    most 56, larger maps are averaged), and how many numbers are NaN or infinite (`nonfinite`; shown as the lowest).
    The body has, a number a channel: lowest, highest and mean (float32), the row and the column of the highest (int32);
    then the tiles, uint8, each from its lowest (0) to its highest (255).
    """
    values = values.reshape(len(values), *(values.shape[1:] if values.ndim == 3 else (1, -1)))
    count, rows, columns = values.shape
    # Side by side in memory: most layers' channels lie last, and each of what follows would go through them so.
    sound = np.ascontiguousarray(values)
    flat = sound.reshape(count, -1)
    low, high, nonfinite = flat.min(1), flat.max(1), 0
    if not (np.isfinite(low).all() and np.isfinite(high).all()):
        finite = np.isfinite(values)
        nonfinite = int(finite.size - np.count_nonzero(finite))
        sound = np.where(finite, values, 0.0)
        flat = sound.reshape(count, -1)
        low, high = flat.min(1), flat.max(1)
    peak = flat.argmax(1)
    tiles = shrunk(sound)
    levels = tiles - low[:, None, None]
    levels /= np.where(high > low, high - low, 1.0)[:, None, None]
    levels *= 255
    levels += 0.5
    levels = np.clip(levels, 0, 255, out=levels).astype(np.uint8)
    header = {
        "layer": layer,
        "channels": count,
        "rows": rows,
        "columns": columns,
        "tileRows": tiles.shape[1],
        "tileColumns": tiles.shape[2],
        "nonfinite": nonfinite,
        **facts,
    }
    numbers = (low, high, flat.mean(1))
    places = (peak // columns, peak % columns)
    body = b"".join(
        [
            *(np.ascontiguousarray(column, "<f4").tobytes() for column in numbers),
            *(np.ascontiguousarray(column, "<i4").tobytes() for column in places),
            levels.tobytes(),
        ]
    )
    return packed(header, body)


def shrunk(values: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    """Return maps of at most so many pixels a side, each the mean of what it stands for."""
    if max(values.shape[1:], default=1) <= LARGEST_TILE:
        return values
    rows, columns = values.shape[1:]
    scale = LARGEST_TILE / max(rows, columns)
    size = (max(1, round(rows * scale)), max(1, round(columns * scale)))
    small: NDArray[np.floating[Any]] = interpolate(torch.from_numpy(values)[None], size=size, mode="area")[
        0
    ].numpy()
    return small
