"""The layers every path through a network goes through, and the way to its deepest end.

Branches (an inception module's, a residual block's) come together again; where they do, one value holds all that the
rest of the network will know. Where paths stay apart for long (a U-Net's, a pyramid's), the deepest is followed.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from weakref import WeakKeyDictionary

from convscope.looking.positions import has_positions, map_size
from convscope.network.graph import Operation
from convscope.network.network import Network
from convscope.network.operations import kind_of
from convscope.network.tail import constant_values

_MOST_BRANCHES = 64  # a detector joins: those in use have three to twenty
_LAST_MAPS: WeakKeyDictionary[Network, dict[tuple[str, ...], str | None]] = WeakKeyDictionary()


def main_line(network: Network, outputs: Sequence[str] = ()) -> list[str]:
    """Return the layers that every path from the first input to the outputs goes through, in order.

    `outputs` is the main output by default.
    """
    graph = network.graph
    outputs = tuple(outputs) or (network.main_output,)
    constants = constant_values(graph)  # no part of what the network knows of the picture
    needed = [one for one in graph.needed_for(outputs) if not constants.issuperset(one.outputs)]
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

    It lies before the last weights on the way, behind which channels are classes already; only where nothing with
    positions lies before those (a unit behind the first convolution alone), behind them. A network never changes, so it
    is found once.
    """
    found = _LAST_MAPS.setdefault(network, {})
    key = tuple(targets)
    if key not in found:
        found[key] = _find_last_maps(network, key)
    return found[key]


def _find_last_maps(network: Network, targets: Sequence[str]) -> str | None:
    needed, maps = network.graph.needed_for(targets), maps_before(network, targets)
    learned = [index for index, operation in enumerate(needed) if _mixes_channels(network, operation)]
    before = {value for operation in needed[: max(learned, default=0)] for value in operation.outputs}
    reading = [index for index, operation in enumerate(needed) if _computes_from_picture(network, operation)]
    behind = {value for operation in needed[max(reading, default=0) :] for value in operation.outputs}
    line = [name for name in main_line(network, targets) if name in maps and name in behind][::-1]
    return next((name for name in line if name in before), line[0] if line else None)


def last_maps_of_branches(network: Network, target: str) -> dict[str, str]:
    """Return each of the values that a detector joins, of several branches, with that branch's last layer of positions.

    Empty where no such branches end in the target: where weights follow, what was joined is no answer yet.
    """
    needed = network.graph.needed_for([target])
    learned = [index for index, one in enumerate(needed) if kind_of(one.kind).part == "filters"]
    behind = needed[max(learned, default=-1) + 1 :]
    joins = [one for one in behind if one.kind == "concat" and len(one.inputs) <= _MOST_BRANCHES]
    for join in reversed(joins):
        if not has_positions(network, join.outputs[0]) and all(
            value in network.layers for value in join.inputs
        ):
            layers = [last_maps(network, [value]) for value in join.inputs]
            if len({*layers}) > 1 and None not in layers:
                return {
                    value: layer
                    for value, layer in zip(join.inputs, layers, strict=True)
                    if layer is not None
                }
    return {}


def maps_before(network: Network, targets: Sequence[str]) -> list[str]:
    """Return the layers with positions on any path to the targets, in order."""
    values = [value for operation in network.graph.needed_for(targets) for value in operation.outputs]
    return [
        name
        for name in values
        if name in network.layers and name not in targets and has_positions(network, name)
    ]


def _computes_from_picture(network: Network, operation: Operation) -> bool:
    """Tell a path's beginning; what reads the picture for its size alone is none."""
    return (
        kind_of(operation.kind).part in ("filters", "join")
        and next(iter(network.graph.inputs)) in operation.inputs
    )


def _mixes_channels(network: Network, operation: Operation) -> bool:
    shapes = network.graph.parameters.shapes
    return any(len(shapes[key]) > 1 for key in operation.parameters.values())


def deepest_way(network: Network) -> list[str]:
    """Return the main line to the deepest output, and between two of its layers the deepest path where sizes change."""
    depths = _depths(network)
    target = max(ends(network), key=lambda name: (depths[name], name == network.main_output))
    line, path = main_line(network, [target]), _deepest_path(network, target, depths)
    places = {name: index for index, name in enumerate(path)}
    first = next((name for name in path if name in network.layers), target)
    marks = list(dict.fromkeys([*([first] if first not in network.graph.inputs else []), *line, target]))
    marks = [name for name in marks if name in places]
    way = marks[:1]
    for before, after in pairwise(marks):
        between = [name for name in path[places[before] + 1 : places[after]] if name in network.layers]
        sizes = {map_size(network, name) for name in between} - {
            map_size(network, before),
            map_size(network, after),
        }
        way += [*(between if sizes - {None} else []), after]
    return way


def ends(network: Network) -> list[str]:
    """Return the layers that depend on a picture and that nothing reads, the class output among them.

    What a step gives besides (a pool's indices), unread, is none.
    """
    graph, depths = network.graph, _depths(network)
    unread = [name for name in network.layers if name in depths and not graph.consumers.get(name)]
    ends = [name for name in unread if name in graph.outputs or not _is_by_product(network, name)]
    return list(dict.fromkeys([*ends, network.main_output]))


def _is_by_product(network: Network, name: str) -> bool:
    producer = network.graph.producers.get(name)
    first = producer.outputs[0] if producer else name
    return first != name and bool(network.graph.consumers.get(first))


def _depths(network: Network) -> dict[str, int]:
    """Return how many operations lie between the first input and each value that depends on it."""
    depths = dict.fromkeys(list(network.graph.inputs)[:1], 0)
    for operation in network.graph.operations:
        before = [depths[name] for name in operation.inputs if name in depths]
        depths |= dict.fromkeys(operation.outputs, max(before) + 1) if before else {}
    return depths


def _deepest_path(network: Network, target: str, depths: dict[str, int]) -> list[str]:
    """Return the values of the longest path to a target, from the input on."""
    path = [target]
    while (producer := network.graph.producers.get(path[-1])) is not None:
        before = [name for name in producer.inputs if name in depths]
        if not before:
            break
        path.append(max(before, key=lambda name: depths[name]))
    return path[::-1]
