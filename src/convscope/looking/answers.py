"""What a layer answers to a picture, for the techniques that show it: run once where many are shown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from convscope.address import Address
from convscope.errors import InputError
from convscope.network.given_input import center_of_ten, input_of
from convscope.network.network import Network
from convscope.network.outputs import Role
from convscope.network.parameters import Shape
from convscope.pictures.photograph import InputLike, Photograph

_recorded: ContextVar[tuple[Network, object, Mapping[str, Tensor]] | None] = ContextVar(
    "recorded", default=None
)


def value_of_role(network: Network, address: str | None, role: Role, missing: str, remedy: str = "") -> str:
    """Return the layer of an address, or without one the first output with a role; InputError where none has it."""
    if address is not None:
        return network.resolve(address).layer
    value = next((output.value for output in network.outputs if output.role == role), None)
    if value is None:
        listed = "; ".join(map(str, network.outputs)) or "none"
        raise InputError(f"{network.name} {missing}; its outputs are {listed}{remedy}")
    return value


@contextmanager
def recorded(
    network: Network,
    picture: Photograph | Tensor,
    layers: Sequence[str],
    known: Mapping[str, Tensor] | None = None,
) -> Iterator[Mapping[str, Tensor]]:
    """Run the network once for all these layers; `answer` to this very picture finds them within the block.

    `known` are those that an earlier run gave.
    """
    before = _recorded.get()
    known = {
        **(before[2] if before and before[0] is network and before[1] is picture else {}),
        **(known or {}),
    }
    missing = [Address(layer) for layer in layers if layer not in known]
    values = {**known, **(network.activations(input_of(network, picture), *missing) if missing else {})}
    token = _recorded.set((network, picture, values))
    try:
        yield values
    finally:
        _recorded.reset(token)


def answer(network: Network, picture: InputLike, layer: str) -> NDArray[np.floating[Any]]:
    """Return what a layer answers to a picture (or to an input tensor): (channels, height, width), or (channels,).

    Of ten crops, the center one's answer.
    """
    value = network.channels_first(layer, _value(network, picture, layer))
    if value.dim() < 2:
        raise InputError(f"{layer!r} gives {tuple(value.shape)}: there are no channels to show")
    return _of_one(network, value)


def answer_rows(network: Network, picture: Any, layer: str) -> NDArray[np.floating[Any]]:
    """Return what a layer answers to a picture in the network's own order of axes, without the batch."""
    return _of_one(network, _value(network, picture, layer))


def require_finite(network: Network, picture: InputLike, layer: str, answered: NDArray[Any]) -> None:
    """InputError where a layer answered with NaN or infinity, with the first layer that does."""
    if not np.isfinite(answered).all():
        where = first_nonfinite(network, picture)
        raise InputError(f"{layer!r} answers with NaN or infinity to this picture: {where}")


def first_nonfinite(network: Network, picture: InputLike) -> str:
    """Say which layer is the first that answers with NaN or infinity to a picture (or to an input tensor)."""
    return network.first_nonfinite(input_of(network, picture))


def recorded_value(network: Network, picture: object, layer: str) -> Tensor | None:
    """Return what a layer answered to this very picture, all crops, where `recorded` ran the network; else None."""
    run = _recorded.get()
    return run[2].get(layer) if run and run[0] is network and run[1] is picture else None


def _value(network: Network, picture: Any, layer: str) -> Tensor:
    value = recorded_value(network, picture, layer)
    if value is not None:
        return value
    return network.activations(input_of(network, picture), Address(layer))[layer]


def _of_one(network: Network, value: Tensor) -> NDArray[np.floating[Any]]:
    array: NDArray[np.floating[Any]] = center_of_ten(network, value)[0].detach().cpu().float().numpy()
    return array


def seen_by(network: Network, picture: Any) -> NDArray[np.float32]:
    """Return what is left of a picture when the network gets it, (height, width, 3), 0..1; of ten crops the center."""
    seen = network.deprocess(center_of_ten(network, input_of(network, picture)))
    shown: NDArray[np.float32] = seen[0] if seen.ndim == 4 else seen
    return shown


def is_vector(shape: Shape | None) -> bool:
    """Tell a layer with one number a channel (fully connected, or pooled to 1×1) from one with maps.

    `shape` is channels first.
    """
    return shape is not None and len(shape) >= 2 and prod(shape[2:]) == 1
