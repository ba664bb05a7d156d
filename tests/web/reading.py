"""Read the page's messages in Python, as its JavaScript does."""

import json
from typing import Any

import numpy as np


def header_of(message: bytes) -> dict[str, Any]:
    length = int.from_bytes(message[:4], "little")
    found: dict[str, Any] = json.loads(message[4 : 4 + length])
    return found


def body_of(message: bytes) -> bytes:
    return message[4 + int.from_bytes(message[:4], "little") :]


def grid_of(message: bytes) -> dict[str, Any]:
    header, body = header_of(message), body_of(message)
    count = header["channels"]
    names = (("low", "<f4"), ("high", "<f4"), ("mean", "<f4"), ("row", "<i4"), ("column", "<i4"))
    for index, (name, kind) in enumerate(names):
        header[name] = np.frombuffer(body, kind, count, 4 * count * index)
    tiles = np.frombuffer(body, np.uint8, -1, 20 * count)
    header["tiles"] = tiles.reshape(count, header["tileRows"], header["tileColumns"])
    return header
