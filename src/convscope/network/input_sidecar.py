"""A small JSON file beside a network that says how to feed it, for when the network's own files do not.

``deploy.json`` beside ``deploy.prototxt``, or ``preprocessing.json`` for every network of a folder::

    {"channel_order": "BGR", "raw_scale": 255, "mean": [104, 117, 123], "resize": "squash", "resize_size": 256}

The keys, all optional, are the fields of `InputSpec`: size [height, width], channel_order "RGB" | "BGR" | "GRAY",
layout "NCHW" | "NHWC", raw_scale, mean (numbers, or the name of a ``.npy`` or ``.binaryproto`` file beside),
input_scale, resize "squash" | "shorter_side" | "direct", resize_size, antialias, crops 1 | 10.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convscope.errors import InputError, NetworkFileError, did_you_mean
from convscope.files import parsed_json, write_text, written_whole
from convscope.network.input_spec import InputSpec
from convscope.network.labels import MAXIMUM_BYTES

_NUMBER = "a number"
_NUMBERS = "a list of numbers"
_KINDS: dict[str, tuple[str, ...]] = {
    "size": ("a list of two whole numbers",),
    "channel_order": ("a text",),
    "layout": ("a text",),
    "raw_scale": (_NUMBER,),
    "mean": (_NUMBERS, "a text"),
    "input_scale": (_NUMBER, _NUMBERS),
    "resize": ("a text",),
    "resize_size": ("a whole number", "null"),
    "antialias": ("true or false",),
    "crops": ("a whole number",),
}


def find_sidecar(network: str | os.PathLike[str]) -> Path | None:
    """Return the file that says how to feed a network file: NETWORK.json, else preprocessing.json beside it.

    A NETWORK.json with none of the keys is something else (Keras keeps architectures so) and is passed over.
    """
    path = Path(network)
    own = path.with_suffix(".json")
    if own != path and own.is_file() and _read_object(own).keys() & _KINDS.keys():
        return own
    shared = path.with_name("preprocessing.json")
    return shared if shared.is_file() else None


def read_sidecar(
    path: str | os.PathLike[str], spec: InputSpec, read_mean: Callable[[Path], NDArray[Any]]
) -> InputSpec:
    """Return ``spec`` with the fields the file gives, and the file's name as their provenance.

    ``read_mean`` reads the mean picture the file may name, (channels, height, width).
    NetworkFileError names the file and the key: an unknown one, a value of the wrong kind, one that cannot be.
    """
    path = Path(path)
    fields = _read_object(path)
    for key, value in fields.items():
        if key not in _KINDS:
            possible = ", ".join(_KINDS)
            raise NetworkFileError(
                f"{path}: unknown key {key!r}.{did_you_mean(key, _KINDS)} Possible: {possible}"
            )
        if not any(_is(value, kind) for kind in _KINDS[key]):
            raise NetworkFileError(
                f"{path}: {key!r} is {' or '.join(_KINDS[key])}, not {json.dumps(value)[:60]}"
            )
    mean = fields.pop("mean", None)
    changes = {key: tuple(value) if isinstance(value, list) else value for key, value in fields.items()}
    try:
        if mean is not None:
            changes["mean"] = read_mean(path.parent / mean) if isinstance(mean, str) else tuple(mean)
        return spec.replace(because=path.name, **changes)
    except InputError as error:
        raise NetworkFileError(f"{path}: {error}") from error


def write_sidecar(spec: InputSpec, path: str | os.PathLike[str]) -> Path:
    """Write what a network expects as JSON; a mean picture goes beside it, as ``NAME.mean.npy``."""
    path = Path(path)
    fields: dict[str, Any] = {key: getattr(spec, key) for key in _KINDS}
    if np.ndim(spec.mean) == 3:
        beside = path.with_suffix(".mean.npy")
        with written_whole(beside) as partial, partial.open("wb") as file:
            np.save(file, np.asarray(spec.mean))
        fields["mean"] = beside.name
    write_text(json.dumps(fields, indent=2) + "\n", path)
    return path


def _read_object(path: Path) -> dict[str, Any]:
    try:
        if (size := path.stat().st_size) > MAXIMUM_BYTES:
            raise NetworkFileError(f"{path} is too large to say how to feed a network: {size:,} bytes")
        data = parsed_json(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise NetworkFileError(f"{path} cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise NetworkFileError(f"{path} is not JSON: {error}") from error
    if not isinstance(data, dict):
        raise NetworkFileError(f"{path} holds a {type(data).__name__}; preprocessing is an object: {{...}}")
    return data


def _is(value: Any, kind: str) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    whole = number and isinstance(value, int)
    numbers = isinstance(value, list) and all(_is(item, _NUMBER) for item in value)
    return {
        _NUMBER: number,
        _NUMBERS: numbers,
        "a whole number": whole,
        "a list of two whole numbers": numbers and [type(item) for item in value] == [int, int],
        "a text": isinstance(value, str),
        "true or false": isinstance(value, bool),
        "null": value is None,
    }[kind]
