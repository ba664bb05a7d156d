"""What feeds a unit and what it feeds: the filters before and after it, found through what keeps channels apart."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from convscope.errors import InputError
from convscope.looking.filters import Filters, read_filters
from convscope.network.graph import Operation
from convscope.network.network import Network
from convscope.network.operations import kind_of


@dataclass(frozen=True, eq=False)
class Connection:
    """One kernel between two units: their layers and channels, its numbers (height, width), and their L2 norm, signed.

    The sign is that of the kernel's sum: whether the one excites or inhibits the other, on the whole.
    """

    layer: str
    channel: int
    kernel: NDArray[np.float64]

    @property
    def strength(self) -> float:
        """The kernel's norm, with its sum's sign."""
        return float(np.copysign(np.linalg.norm(self.kernel), self.kernel.sum()))


def feeding(network: Network, layer: str, channel: int, most: int = 6) -> list[Connection]:
    """Return the strongest connections into a unit, from the filters that made it; none where there are no filters."""
    weights = _filters_behind(network, layer, channel)
    if weights is None:
        return []
    filters, row = weights
    kernels, start = filters.numbers(row), filters.first_input[row]
    if filters.color:
        return []  # it reads the picture: its filter is shown whole
    order = np.argsort(-np.square(kernels).sum((1, 2)), kind="stable")[:most]
    return [Connection(filters.inputs, start + int(index), kernels[index]) for index in order]


def color_filter(network: Network, layer: str, channel: int) -> NDArray[np.float64] | None:
    """Return the filter that reads the picture and makes a unit, (height, width, 3) of RGB weights; None for others."""
    behind = _filters_behind(network, layer, channel)
    if behind is None or not behind[0].color:
        return None
    filters, row = behind
    rgb: NDArray[np.float64] = filters.numbers(row).transpose(1, 2, 0).round(6)
    return rgb


def fed_by_it(network: Network, layer: str, channel: int, most: int = 6) -> list[Connection]:
    """Return the strongest connections from a unit into the filters that read it, directly or through pooling."""
    connections: list[Connection] = []
    for operation, index in _readers(network, layer, channel):
        filters = _flat_filters(network, operation.outputs[0])
        starts, width = np.array(filters.first_input), filters.weights.shape[1]
        rows = np.flatnonzero((starts <= index) & (index < starts + width))
        kernels = filters.numbers((rows, index - starts[rows]))
        order = np.argsort(-np.square(kernels).sum((1, 2)), kind="stable")[:most]
        reader = _layer_of(network, operation.outputs[0])
        connections += [Connection(reader, int(rows[at]), kernels[at]) for at in order]
    return sorted(connections, key=lambda one: -abs(one.strength))[:most]


def _flat_filters(network: Network, layer: str) -> Filters:
    """Return the filters that wrote a layer; InputError where they are of volumes: their kernels have slices."""
    filters = read_filters(network, layer)
    if filters.slices > 1:
        raise InputError(f"{layer} has filters of volumes; connections are shown of those of pictures")
    return filters


def _layer_of(network: Network, value: str) -> str:
    """Return the layer that a value belongs to: an in-place version's blob."""
    return (
        value
        if value in network.layers
        else next(
            (
                name
                for name in network.layers
                if any(value in step.outputs for step in network.graph.written_by(name))
            ),
            value,
        )
    )


def origins(network: Network, layer: str, channel: int) -> Iterator[tuple[str, int]]:
    """Yield a unit and those it comes from, value and channel, back through what keeps channels apart."""
    value, index = layer, channel
    for _ in range(len(network.graph.operations) + 1):
        yield value, index
        producer = network.graph.producers.get(value)
        if producer is None:
            return
        if producer.kind == "concat":
            for source in producer.inputs:
                count = _channels(network, source)
                if index < count:
                    value = source
                    break
                index -= count
            else:
                return
        elif _keeps_channels(network, producer):
            value = producer.inputs[0]
        else:
            return


def _filters_behind(network: Network, layer: str, channel: int) -> tuple[Filters, int] | None:
    """Return the filters that made a unit and its row in them."""
    for value, index in origins(network, layer, channel):
        steps = network.graph.written_by(value) if value in network.layers else ()
        if any(kind_of(step.kind).part == "filters" and "weight" in step.parameters for step in steps):
            return _flat_filters(network, value), index
    return None


def _readers(network: Network, layer: str, channel: int) -> Iterator[tuple[Operation, int]]:
    """Yield the operations with filters that read a unit, and which of their inputs' channels it is there."""
    waiting, visited = [(layer, channel)], set()
    while waiting:
        value, index = waiting.pop(0)
        if (value, index) in visited:
            continue
        visited.add((value, index))
        for operation in network.graph.consumers.get(value, ()):
            if kind_of(operation.kind).part == "filters" and "weight" in operation.parameters:
                yield operation, index
            elif operation.kind == "concat":
                before = operation.inputs[: operation.inputs.index(value)]
                offset = sum(_channels(network, source) for source in before)
                waiting.append((operation.outputs[0], index + offset))
            elif _keeps_channels(network, operation):
                waiting.append((operation.outputs[0], index))


def _keeps_channels(network: Network, operation: Operation) -> bool:
    """Whether each channel of what it makes is one of its first input's, changed by itself."""
    kind = kind_of(operation.kind)
    apart = kind.pointwise or kind.per_channel or kind.part in ("pooling", "summary")
    apart = apart or operation.kind.startswith(
        "lrn"
    )  # a channel divided by its neighbors is still that channel
    same = operation.inputs and _channels(network, operation.inputs[0]) == _channels(
        network, operation.outputs[0]
    )
    return bool(apart and same)


def _channels(network: Network, value: str) -> int:
    shape = network.shape_channels_first(value)
    return shape[1] if shape is not None and len(shape) > 1 else 0
