"""Where each parameter of a Caffe net comes from: its weight file, or its filler when there is none."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from warnings import warn
from zlib import crc32

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from convscope.errors import ConvscopeWarning, InputError, WeightsMismatch
from convscope.network.parameters import Parameters, Shape
from convscope.sources.caffe.layers import fill
from convscope.sources.caffe.message import Message
from convscope.sources.caffe.weights import Blob, Weights


@dataclass(frozen=True)
class ParameterSource:
    """One parameter: blob `index` of `layer`, its shape in this net, and how it is filled without weights.

    `stored` is False for numbers that are never in a weight file, such as the constants of a DummyData layer.
    """

    layer: str
    index: int
    shape: Shape
    filler: Message | None
    stored: bool


def load_parameters(sources: Mapping[str, ParameterSource], weights: Weights | None) -> Parameters:
    """Return the parameters, unread; WeightsMismatch names the layer and both shapes where they do not fit."""
    blobs = {} if weights is None else _matched(sources, weights)

    def load(key: str) -> Tensor:
        source = sources[key]
        try:
            if key in blobs:
                values = blobs[key].array().reshape(source.shape)
            else:
                values = filled(key, source.filler, source.shape)
        except MemoryError as error:
            raise InputError(f"there is no memory for {key!r}, which is {_times(source.shape)}") from error
        return torch.from_numpy(values)

    return Parameters({key: source.shape for key, source in sources.items()}, load)


def _matched(sources: Mapping[str, ParameterSource], weights: Weights) -> dict[str, Blob]:
    """Match blobs to parameters by layer name and index, as Caffe does, and check that they fit."""
    owned: dict[str, list[str]] = defaultdict(list)
    for key, source in sources.items():
        if source.stored:
            owned[source.layer].append(key)
    blobs: dict[str, Blob] = {}
    for layer, keys in owned.items():
        found = weights.get(layer, ())
        if found and len(found) <= max(sources[key].index for key in keys):
            raise WeightsMismatch(
                f"{weights.file}: layer {layer!r} has {len(found)} blobs; the network needs {len(keys)}"
            )
        for key in keys:
            if found and (blob := found[sources[key].index]) is not None:
                if not blob.fits(sources[key].shape):
                    raise WeightsMismatch(_says_otherwise(weights, key, sources[key], blob))
                blobs[key] = blob
    if not blobs and owned:
        raise WeightsMismatch(
            f"{weights.file} has weights for none of the network's layers: it holds {_few(list(weights))}; "
            f"the network has {_few(list(owned))}. Is it another network's?"
        )
    if missing := [layer for layer, keys in owned.items() if not any(key in blobs for key in keys)]:
        warn(
            f"{weights.file} has no weights for {_few(missing)}: they are random (seed 0)",
            ConvscopeWarning,
            stacklevel=4,
        )
    return blobs


def _says_otherwise(weights: Weights, key: str, source: ParameterSource, blob: Blob) -> str:
    return (
        f"{weights.file}: layer {source.layer!r}, blob {source.index} ({key}) is {_times(blob.shape)}, but the "
        f"network needs {_times(source.shape)}. Use the weights' own prototxt, or rename the layer to leave it out"
    )


def filled(key: str, filler: Message | None, shape: Shape, seed: int = 0) -> NDArray[np.float32]:
    """Return a parameter as its filler says; its name counts into the seed, so the order of loading does not matter."""
    if filler is None:
        return np.zeros(shape, np.float32)
    return fill(filler, shape, np.random.default_rng([crc32(key.encode()), seed]))


def _times(shape: Shape) -> str:
    return "x".join(map(str, shape)) or "a single number"


def _few(names: list[str]) -> str:
    return ", ".join(map(repr, names[:4])) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
