"""What a layer answers to a picture, for the techniques that show it: run once where many are shown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from convscope.address import Address
from convscope.errors import InputError
from convscope.network.network import Network
from convscope.network.parameters import Shape
from convscope.pictures.photograph import InputLike, Photograph

CENTER_OF_TEN = 4  # the order of caffe.io.oversample

_recorded: ContextVar[tuple[Network, object, Mapping[str, Tensor]] | None] = ContextVar(
    "recorded", default=None
)


@contextmanager
def recorded(network: Network, picture: Photograph, layers: list[str]) -> Iterator[None]:
    """Run the network once for all these layers; `answer` to this very picture finds them within the block."""
    values = network.activations(network.preprocess(picture), *map(Address, layers))
    token = _recorded.set((network, picture, values))
    try:
        yield
    finally:
        _recorded.reset(token)


def answer(network: Network, picture: InputLike, layer: str) -> NDArray[np.floating[Any]]:
    """Return what a layer answers to a picture (or to an input tensor): (channels, height, width), or (channels,).

    Of ten crops, the center one's answer.
    """
    found = _recorded.get()
    if found and found[0] is network and found[1] is picture and layer in found[2]:
        value = found[2][layer]
    else:
        tensor = picture if isinstance(picture, Tensor) else network.preprocess(picture)
        value = network.activations(tensor, Address(layer))[layer]
    value = network.channels_first(layer, value)
    if value.dim() < 2:
        raise InputError(f"{layer!r} gives {tuple(value.shape)}: there are no channels to show")
    spec = network.input_spec
    index = CENTER_OF_TEN if spec is not None and spec.crops == 10 and len(value) == 10 else 0
    array: NDArray[np.floating[Any]] = value[index].detach().cpu().float().numpy()
    return array


def is_vector(shape: Shape | None) -> bool:
    """Tell a layer with one number a channel (fully connected, or pooled to 1×1) from one with maps.

    `shape` is channels first.
    """
    return shape is not None and len(shape) >= 2 and prod(shape[2:]) == 1
