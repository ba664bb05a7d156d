"""Which layers have positions of what the network sees: rows and columns of a picture, the steps of a signal."""

from __future__ import annotations

from math import prod
from weakref import WeakKeyDictionary

from convscope.looking.answers import is_vector
from convscope.network.network import Network
from convscope.network.operations import kind_of

_SIGNALS = (3, 5)  # axes of an input that is no picture: a signal's, a volume's or a film's
_KEPT = ("squeeze", "unsqueeze")  # rearrangements that leave the other axes where they are
_ALONG: WeakKeyDictionary[Network, set[str]] = WeakKeyDictionary()


def map_size(network: Network, name: str) -> tuple[int, int] | None:
    """Return the rows and columns of a layer with a map a channel; None of any other."""
    shape = network.shape_channels_first(name)
    return (shape[2], shape[3]) if shape is not None and len(shape) == 4 and not is_vector(shape) else None


def places(network: Network, name: str) -> tuple[int, ...] | None:
    """Return the sizes of a layer's axes of positions, rows and columns or a signal's steps; None where it has none.

    A signal is a single row for a moment, where PyTorch pools it.
    """
    shape = network.shape_channels_first(name)
    if shape is None or not has_positions(network, name):
        return None
    of_signal = network.input_spec is None and len(next(iter(network.graph.inputs.values()), ())) == 3
    return tuple(shape[3:] if of_signal and len(shape) == 4 and shape[2] == 1 else shape[2:])


def has_positions(network: Network, name: str) -> bool:
    """Whether a layer has rows and columns; or, of a network that sees signals or volumes, its input's axes.

    Of a signal's layers only those count whose filters went along it: tokens have their numbers where it has its steps.
    """
    if map_size(network, name) is not None:
        return True
    shape = network.shape_channels_first(name)
    axes = len(next(iter(network.graph.inputs.values()), ()))
    if network.input_spec is not None or axes not in _SIGNALS or shape is None or len(shape) != axes:
        return False
    return prod(shape[2:]) > 1 and name in _values_along(network)


def _values_along(network: Network) -> set[str]:
    """Return the values that filters made along a signal, and what keeps their axes."""
    if network not in _ALONG:
        along: set[str] = set()
        for operation in network.graph.operations:
            part = kind_of(operation.kind).part
            moved = part in ("filters", "rearrangement") and operation.kind not in _KEPT
            if operation.kind == "convolution" or (not moved and along.intersection(operation.inputs)):
                along.update(operation.outputs)
        _ALONG[network] = along
    return _ALONG[network]
