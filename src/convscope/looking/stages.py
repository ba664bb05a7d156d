"""A handful of layers that tells a network's story, from pixels to the answer.

Layers whose maps have about one size are a stage: those on the way to the deepest end, where branches have come
together. Where paths part for good (a detector's), the end of each is shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import prod

from convscope.looking.activation_function import activation_after, is_rounding
from convscope.looking.answers import is_vector
from convscope.looking.main_line import deepest_way, ends
from convscope.looking.positions import places
from convscope.network.graph import Operation
from convscope.network.network import Network
from convscope.network.operations import kind_of
from convscope.network.operations.assertions import ASSERTIONS
from convscope.network.producers import made_by
from convscope.network.tokens import token_grids

# the same numbers, in another order or as they are
_NOTHING_NEW = ASSERTIONS | {"permute"}
_ALIKE = 0.1  # of a size: filters without a border make maps that much smaller within a stage
_TOKEN_LAYERS = _MOST_ENDS = 4  # shown


@dataclass(frozen=True)
class Stage:
    """Layers whose maps have about one size: all on the way, and the ones worth showing.

    `size` is (height, width); of a signal its steps alone, of a volume (depth, height, width). `is_end` is a stage of
    what several branches end in, `of_tokens` one of a transformer's tokens, whose size is that of their grid.
    """

    size: tuple[int, ...]
    layers: tuple[str, ...]
    shown: tuple[str, ...]
    is_end: bool = False
    of_tokens: bool = False


def shown_layers(network: Network) -> list[str]:
    """Return the layers that are worth showing, stage by stage; of a network without maps those with plain numbers."""
    return [layer for stage in stages(network) for layer in stage.shown] or vectors(network)


def stages(network: Network) -> list[Stage]:
    """Return the stages of a network: runs of layers with maps of about one size on the way to its deepest output.

    What only gets a border begins no stage, and what loses it ends none. At most two layers are shown of each: the
    first and the last that compute something new (filters, branches that meet) rather than pool or normalize, and that
    do not narrow the stage for a moment (a 1×1 reduction before a larger filter); after the activation that follows
    them. Where branches end elsewhere, the last stages are those ends.
    """
    sizes = _map_sizes(network)
    way = [name for name in deepest_way(network) if name in sizes]
    maps = [name for name in way if not _changes_nothing(network, name)] or way
    stages_with_maps = [
        Stage(sizes.get(telling[-1]) or sizes[layers[-1]], layers, telling)
        for layers in _runs_of_size(maps, sizes)
        if (telling := _telling(network, layers))
    ]
    shown = {name for stage in stages_with_maps for name in stage.shown}
    others = [name for name in _last_maps_of_ends(network, sizes) if name not in shown]
    ended = groupby(
        sorted(others, key=lambda name: _area(network, name)), key=lambda name: places(network, name)
    )
    return stages_with_maps + [
        Stage(size, layers, layers[:_MOST_ENDS], is_end=True)
        for size, group in ended
        if size is not None and (layers := tuple(group))
    ]


def _changes_nothing(network: Network, name: str) -> bool:
    """Tell a layer that only has a border more, or its numbers rounded."""
    steps = network.graph.written_by(name)
    rounded = bool(steps) and all(is_rounding(one) for one in steps)
    return rounded or "pad" in made_by(network.graph, name).split("_")


def _runs_of_size(maps: Sequence[str], sizes: Mapping[str, tuple[int, ...]]) -> list[tuple[str, ...]]:
    """Return the layers in runs whose maps have the first one's size, or nearly."""
    runs: list[list[str]] = []
    for name in maps:
        if runs and _about_as_large(sizes[name], sizes[runs[-1][0]]):
            runs[-1].append(name)
        else:
            runs.append([name])
    return [tuple(run) for run in runs]


def _about_as_large(one: Sequence[int], other: Sequence[int]) -> bool:
    """Tell sizes that are the same, but for a border."""
    if len(one) != len(other):
        return False
    pairs = zip(one, other, strict=True)
    return all(abs(size - first) <= _ALIKE * max(size, first) for size, first in pairs)


def _last_maps_of_ends(network: Network, sizes: Mapping[str, tuple[int, ...]]) -> list[str]:
    """Return the ends that are maps, and of an end where a detector joins several branches, the last of each."""
    graph, found = network.graph, dict[str, None]()
    for end in ends(network):
        waiting, seen, branches = [end], {end}, dict[str, None]()
        for value in waiting:  # which grow, from the end backwards
            producer = graph.producers.get(value)
            if producer is None or kind_of(producer.kind).from_shapes:
                continue
            if value in sizes:
                branches[value] = None
            elif kind_of(producer.kind).part != "filters":
                before = [one for one in dict.fromkeys(producer.inputs) if one not in seen]
                seen.update(before)
                waiting += before
        found |= branches if end in sizes or len(branches) > 1 else {}
    return [*found]


def vectors(network: Network) -> list[str]:
    """Return the layers with one number a channel (fully connected, or pooled to 1×1) on the way, and at the ends."""
    batch = next(iter(network.graph.inputs.values()))[:1]  # attention may have its tokens there meanwhile
    alone = {name for name in network.layers if (network.shapes[name] or ())[:1] == batch}
    names = [
        name
        for name in deepest_way(network)
        if name in alone
        and is_vector(network.shape_channels_first(name))
        and not _changes_nothing(network, name)
    ]
    after = [activation_after(network, name) for name in names]
    at_ends = [name for name in ends(network) if is_vector(network.shape_channels_first(name))]
    return list(dict.fromkeys([*after, *at_ends]))


def all_stages(network: Network) -> list[Stage]:
    """Return every layer with maps, grouped by size in the order of their first."""
    stages_by_size: dict[tuple[int, ...], list[str]] = {}
    for name, size in _map_sizes(network).items():
        if network.layers[name].kind != "Input":
            stages_by_size.setdefault(size, []).append(name)
    return [Stage(size, tuple(names), tuple(names)) for size, names in stages_by_size.items()]


def token_stage(network: Network, *, every: bool = False) -> list[Stage]:
    """Return the stage of a transformer's tokens, or none: layers on the way with a token for each place of a grid.

    Four are shown of many, from the first to the last, and of those what a block adds up to; with `every`, all.
    """
    grids = token_grids(network)
    line = [name for name in (network.layers if every else deepest_way(network)) if name in grids]
    if not line:
        return []
    if not every:
        sums = [name for name in line if any(_adds_up(one) for one in network.graph.written_by(name))]
        line = sums or line
    count = len(line) if every else min(_TOKEN_LAYERS, len(line))
    shown = [line[round(index * (len(line) - 1) / max(1, count - 1))] for index in range(count)]
    return [Stage(grids[line[-1]], tuple(line), tuple(shown), of_tokens=True)]


def _adds_up(operation: Operation) -> bool:
    """Tell where a block's answer comes to what went around it: ONNX adds two tensors as it adds a number."""
    return kind_of(operation.kind).part == "join" or (operation.kind == "add" and len(operation.inputs) > 1)


def _map_sizes(network: Network) -> dict[str, tuple[int, ...]]:
    """Return the layers whose last axes are places of the picture (or steps of a signal), and their sizes.

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
        size = places(network, name)
        new = all(operation.kind not in _NOTHING_NEW for operation in network.graph.written_by(name))
        if size is not None and new and (name not in behind or size in grids.values()):
            sizes[name] = size
    return sizes


def all_vectors(network: Network) -> list[str]:
    """Return every layer with one number a channel."""
    return [name for name in network.layers if is_vector(network.shape_channels_first(name))]


def _telling(network: Network, layers: tuple[str, ...]) -> tuple[str, ...]:
    wide = computing_layers(network, layers)
    return tuple(dict.fromkeys(activation_after(network, name) for name in (wide[0], wide[-1])))


def _computes(network: Network, name: str) -> bool:
    return any(kind_of(one.kind).part == "filters" or _adds_up(one) for one in network.graph.written_by(name))


def computing_layers(network: Network, layers: tuple[str, ...]) -> list[str]:
    """Return those of a stage's layers that compute something new and do not narrow it for a moment.

    What stays narrow is what the stage comes to where something follows: the filters behind a decoder's joined maps,
    before the scores they end in.
    """
    computing = [name for name in layers if _computes(network, name)] or list(layers)
    widths = [_channels(network, name) for name in computing]
    chosen = [name for name, width in zip(computing, widths, strict=True) if 2 * width > max(widths)]
    if computing[-1] not in chosen:
        readers = network.graph.consumers
        followed = [name for name in computing if readers.get(activation_after(network, name))]
        chosen += [name for name in followed[-1:] if name not in chosen]
    return chosen


def _area(network: Network, name: str) -> int:
    return -prod(places(network, name) or (0,))


def _channels(network: Network, name: str) -> int:
    shape = network.shape_channels_first(name)
    return shape[1] if shape else 0
