"""The layers every path through a network goes through, and a handful of them that tells its story.

Branches (an inception module's, a residual block's) come together again; where they do, one value holds all that the
rest of the network will know. Those values, grouped by the size of their maps, are the network's stages. Where paths
stay apart for long (a U-Net's, a pyramid's), the deepest is followed; where they part for good (a detector's), the end
of each is shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from weakref import WeakKeyDictionary

from convscope.looking.activation_function import activation_after
from convscope.looking.answers import is_vector
from convscope.looking.positions import has_positions, map_size
from convscope.network.graph import Operation
from convscope.network.network import Network
from convscope.network.operations import kind_of
from convscope.network.operations.assertions import ASSERTIONS
from convscope.network.tail import constant_values
from convscope.network.tokens import token_grids

# the same numbers, in another order or as they are
_NOTHING_NEW = ASSERTIONS | {"permute"}
_TOKEN_LAYERS = _MOST_ENDS = 4  # shown
_LAST_MAPS: WeakKeyDictionary[Network, dict[tuple[str, ...], str | None]] = WeakKeyDictionary()


@dataclass(frozen=True)
class Stage:
    """Layers whose maps have one size (height, width): all on the way, and the ones worth showing.

    `is_end` is a stage of what several branches end in, `of_tokens` one of a transformer's tokens, whose
    size is that of their grid in the picture.
    """

    size: tuple[int, int]
    layers: tuple[str, ...]
    shown: tuple[str, ...]
    is_end: bool = False
    of_tokens: bool = False


def shown_layers(network: Network) -> list[str]:
    """Return the layers that are worth showing, stage by stage; of a network without maps those with plain numbers."""
    return [layer for stage in stages(network) for layer in stage.shown] or vectors(network)


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
    joins = [one for one in needed[max(learned, default=-1) + 1 :] if one.kind == "concat"]
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


def stages(network: Network) -> list[Stage]:
    """Return the stages of a network: runs of layers with maps of one size on the way to its deepest output.

    At most two layers are shown of each: the first and the last that compute something new (filters, branches that
    meet) rather than pool or normalize, and that do not narrow the stage for a moment (a 1×1 reduction before a larger
    filter); after the activation that follows them. Where branches end elsewhere, the last stages are those ends.
    """
    sizes = _map_sizes(network)
    maps = [name for name in _way(network) if name in sizes]
    stages_with_maps = [
        Stage(size, layers, _telling(network, layers))
        for size, group in groupby(maps, key=lambda name: sizes.get(name))
        if size is not None and (layers := tuple(group))
    ]
    shown = {name for stage in stages_with_maps for name in stage.shown}
    others = [name for name in _last_maps_of_ends(network, sizes) if name not in shown]
    ended = groupby(
        sorted(others, key=lambda name: _area(network, name)), key=lambda name: map_size(network, name)
    )
    return stages_with_maps + [
        Stage(size, layers, layers[:_MOST_ENDS], is_end=True)
        for size, group in ended
        if size is not None and (layers := tuple(group))
    ]


def _last_maps_of_ends(network: Network, sizes: Mapping[str, tuple[int, int]]) -> list[str]:
    """Return the ends that are maps, and of an end where a detector joins several branches, the last of each."""
    graph, found = network.graph, dict[str, None]()
    for end in _ends(network):
        values, branches = [end], dict[str, None]()
        for value in values:  # which grow, from the end backwards
            producer = graph.producers.get(value)
            if producer is None or kind_of(producer.kind).from_shapes:
                continue
            if value in sizes:
                branches[value] = None
            elif kind_of(producer.kind).part != "filters":
                values += [one for one in producer.inputs if one not in values]
        found |= branches if end in sizes or len(branches) > 1 else {}
    return [*found]


def vectors(network: Network) -> list[str]:
    """Return the layers with one number a channel (fully connected, or pooled to 1×1) on the way, and at the ends."""
    batch = next(iter(network.graph.inputs.values()))[:1]  # attention may have its tokens there meanwhile
    alone = {name for name in network.layers if (network.shapes[name] or ())[:1] == batch}
    names = [
        name for name in _way(network) if name in alone and is_vector(network.shape_channels_first(name))
    ]
    after = [activation_after(network, name) for name in names]
    ends = [name for name in _ends(network) if is_vector(network.shape_channels_first(name))]
    return list(dict.fromkeys([*after, *ends]))


def all_stages(network: Network) -> list[Stage]:
    """Return every layer with maps, grouped by size in the order of their first."""
    stages_by_size: dict[tuple[int, int], list[str]] = {}
    for name, size in _map_sizes(network).items():
        if network.layers[name].kind != "Input":
            stages_by_size.setdefault(size, []).append(name)
    return [Stage(size, tuple(names), tuple(names)) for size, names in stages_by_size.items()]


def token_stage(network: Network, *, every: bool = False) -> list[Stage]:
    """Return the stage of a transformer's tokens, or none: layers on the way with a token for each place of a grid.

    Four are shown of many, from the first to the last, and of those what a block adds up to; with `every`, all.
    """
    grids = token_grids(network)
    line = [name for name in (network.layers if every else _way(network)) if name in grids]
    if not line:
        return []
    if not every:
        sums = [
            name
            for name in line
            if any(kind_of(one.kind).part == "join" for one in network.graph.written_by(name))
        ]
        line = sums or line
    count = len(line) if every else min(_TOKEN_LAYERS, len(line))
    shown = [line[round(index * (len(line) - 1) / max(1, count - 1))] for index in range(count)]
    return [Stage(grids[line[-1]], tuple(line), tuple(shown), of_tokens=True)]


def _map_sizes(network: Network) -> dict[str, tuple[int, int]]:
    """Return the layers whose last two axes are places of the picture, and their sizes.

    Not so are axes that were only put in another order, and what is made of tokens (heads of attention, weights of each
    token for each) unless it is their grid again.
    """
    grids = token_grids(network)
    behind: set[str] = set()
    for operation in network.graph.operations:
        if any(value in grids or value in behind for value in operation.inputs):
            behind |= {*operation.outputs}
    sizes = {}
    for name in network.layers:
        size = map_size(network, name)
        new = all(operation.kind not in _NOTHING_NEW for operation in network.graph.written_by(name))
        if size is not None and new and (name not in behind or size in grids.values()):
            sizes[name] = size
    return sizes


def all_vectors(network: Network) -> list[str]:
    """Return every layer with one number a channel."""
    return [name for name in network.layers if is_vector(network.shape_channels_first(name))]


def _way(network: Network) -> list[str]:
    """Return the main line to the deepest output, and between two of its layers the deepest path where sizes change."""
    depths = _depths(network)
    target = max(_ends(network), key=lambda name: (depths[name], name == network.main_output))
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


def _ends(network: Network) -> list[str]:
    """Return the layers that depend on a picture and that nothing reads, the class output among them."""
    graph, depths = network.graph, _depths(network)
    ends = [name for name in network.layers if name in depths and not graph.consumers.get(name)]
    return list(dict.fromkeys([*ends, network.main_output]))


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


def _telling(network: Network, layers: tuple[str, ...]) -> tuple[str, ...]:
    wide = computing_layers(network, layers)
    return tuple(dict.fromkeys(activation_after(network, name) for name in (wide[0], wide[-1])))


def _computes(network: Network, name: str) -> bool:
    return any(
        kind_of(operation.kind).part in ("filters", "join") for operation in network.graph.written_by(name)
    )


def computing_layers(network: Network, layers: tuple[str, ...]) -> list[str]:
    """Return those of a stage's layers that compute something new and do not narrow it for a moment.

    What stays narrow is what the stage comes to where something follows: the filters behind a decoder's joined maps.
    """
    computing = [name for name in layers if _computes(network, name)] or list(layers)
    widths = [_channels(network, name) for name in computing]
    chosen = [name for name, width in zip(computing, widths, strict=True) if 2 * width > max(widths)]
    last = computing[-1]
    if last not in chosen and network.graph.consumers.get(activation_after(network, last)):
        chosen.append(last)
    return chosen


def _area(network: Network, name: str) -> int:
    height, width = map_size(network, name) or (0, 0)
    return -height * width


def _channels(network: Network, name: str) -> int:
    shape = network.shape_channels_first(name)
    return shape[1] if shape else 0
