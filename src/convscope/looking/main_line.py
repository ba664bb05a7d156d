"""The layers every path through a network goes through, and a handful of them that tells its story.

Branches (an inception module's, a residual block's) come together again; where they do, one value holds all that the
rest of the network will know. Those values, grouped by the size of their maps, are the network's stages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from convscope.looking.answers import is_vector
from convscope.network.graph import Operation
from convscope.network.network import Network
from convscope.network.operations import kind_of


@dataclass(frozen=True)
class Stage:
    """Layers whose maps have one size (height, width): all on the main line, and the ones worth showing."""

    size: tuple[int, int]
    layers: tuple[str, ...]
    shown: tuple[str, ...]


def main_line(network: Network, outputs: Sequence[str] = ()) -> list[str]:
    """Return the layers that every path from the first input to the outputs goes through, in order.

    `outputs` is the main output by default.
    """
    graph = network.graph
    outputs = tuple(outputs) or (network.main_output,)
    needed = graph.needed_for(outputs)
    last_reader = {value: index for index, operation in enumerate(needed) for value in operation.inputs}
    alive: set[str] = set()
    line = []
    for index, operation in enumerate(needed):
        alive.update(operation.outputs)
        alive = {value for value in alive if last_reader.get(value, -1) > index or value in outputs}
        if len(alive) == 1 and (value := next(iter(alive))) in operation.outputs and value in network.layers:
            line.append(value)
    return line


def last_maps(network: Network, targets: Sequence[str]) -> str | None:
    """Return the last layer with positions that every path to the targets goes through; None where there is none.

    It lies before the last weights on the way: behind those, channels are classes already.
    """
    needed = network.graph.needed_for(targets)
    learned = [index for index, operation in enumerate(needed) if _mixes_channels(network, operation)]
    before = {value for operation in needed[: max(learned, default=0)] for value in operation.outputs}
    line = [name for name in main_line(network, targets) if name in before and name not in targets]
    return next((name for name in reversed(line) if _size(network, name) is not None), None)


def _mixes_channels(network: Network, operation: Operation) -> bool:
    shapes = network.graph.parameters.shapes
    return any(len(shapes[key]) > 1 for key in operation.parameters.values())


def stages(network: Network) -> list[Stage]:
    """Return the stages of a network: runs of main-line layers with maps of one size; at most two shown of each.

    Shown are the first and the last that compute something new (filters, branches that meet) rather than pool or
    normalize, and that do not narrow the stage for a moment (a 1×1 reduction before a larger filter).
    """
    maps = [name for name in main_line(network) if _size(network, name) is not None]
    return [
        Stage(size, layers, _telling(network, layers))
        for size, group in groupby(maps, key=lambda name: _size(network, name))
        if size is not None and (layers := tuple(group))
    ]


def vectors(network: Network) -> list[str]:
    """Return the main-line layers with one number a channel (fully connected, or pooled to 1×1), in order."""
    return [name for name in main_line(network) if is_vector(network.shape_channels_first(name))]


def _size(network: Network, name: str) -> tuple[int, int] | None:
    shape = network.shape_channels_first(name)
    return (shape[2], shape[3]) if shape is not None and len(shape) == 4 and not is_vector(shape) else None


def _telling(network: Network, layers: tuple[str, ...]) -> tuple[str, ...]:
    wide = computing_layers(network, layers)
    return tuple(dict.fromkeys((wide[0], wide[-1])))


def computing_layers(network: Network, layers: tuple[str, ...]) -> list[str]:
    """Return those of a stage's layers that compute something new and do not narrow it for a moment."""
    computing = [
        name
        for name in layers
        if any(
            kind_of(operation.kind).part in ("filters", "join")
            for operation in network.graph.written_by(name)
        )
    ] or list(layers)
    widest = max(_channels(network, name) for name in computing)
    return [name for name in computing if 2 * _channels(network, name) > widest]


def _channels(network: Network, name: str) -> int:
    shape = network.shape_channels_first(name)
    return shape[1] if shape else 0
