"""Exact tiles: what a large picture's gradient is made of, window by window, as if there were no windows.

A position of a layer sees a patch of the picture (its receptive field). A window that holds all patches of some
positions gives those positions the values they have in the whole picture, whatever happens at its edges, as long as

* windows begin at a multiple of the layers' stride, so that poolings and strides fall on the same places, and
* their length leaves the same remainder by that stride as the picture's: "same" padding and rounding up depend on it.

Each position belongs to one window, so sums over positions are exact, and so are their gradients.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, floor, lcm

from torch import Tensor

from convscope.address import Address
from convscope.errors import InputError
from convscope.network.engine.allocation import give_freed_memory_back
from convscope.network.network import Network
from convscope.network.receptive_field import receptive_fields

Span = tuple[int, int]
"""First and last, the last excluded."""


@dataclass(frozen=True)
class AxisPositions:
    """A layer's positions along one axis: how many there are, and the pixels that each of them sees."""

    count: int
    stride: int
    start: int
    size: int


@dataclass(frozen=True)
class Strip:
    """Along one axis: the pixels of a window, and for each layer the positions that are the window's own."""

    window: Span
    own: Mapping[str, Span]

    def local(self, name: str, stride: int) -> Span:
        """Return a layer's own positions as counted inside the window."""
        first = self.window[0] // stride if stride else 0  # all positions see all, and nothing is cut
        return self.own[name][0] - first, self.own[name][1] - first


@dataclass(frozen=True)
class Tile:
    """A window of the picture, by its rows and its columns."""

    rows: Strip
    columns: Strip

    def part_of(self, picture: Tensor) -> Tensor:
        """Return the window's part of a picture (N, C, H, W): a view."""
        return cut_out(picture, self.rows.window, self.columns.window)


@dataclass(frozen=True)
class Tiling:
    """The tiles of a picture of one size, and the grids, (rows, columns), of the layers they are for."""

    tiles: Sequence[Tile]
    grids: Mapping[str, tuple[AxisPositions, AxisPositions]]

    def one_by_one(self) -> Iterator[Tile]:
        """Yield the tiles; what the work on one has let go is the system's before the next one begins."""
        for tile in self.tiles:
            yield tile
            give_freed_memory_back()

    def own(self, layer: str, answer: Tensor, tile: Tile) -> Tensor:
        """Return what of a layer's answer (N, C, H, W) to a window is the window's own: a view."""
        rows, columns = self.grids[layer]
        return cut_out(answer, tile.rows.local(layer, rows.stride), tile.columns.local(layer, columns.stride))

    @property
    def largest(self) -> tuple[int, int]:
        """The (height, width) of the largest window."""
        return (
            max(tile.rows.window[1] - tile.rows.window[0] for tile in self.tiles),
            max(tile.columns.window[1] - tile.columns.window[0] for tile in self.tiles),
        )


def cut_out(maps: Tensor, rows: Span, columns: Span) -> Tensor:
    """Return some rows and columns of maps (N, C, H, W): a view."""
    return maps[:, :, slice(*rows), slice(*columns)]


def require_no_position(addresses: Iterable[Address]) -> None:
    """InputError for an address that is one position: it belongs to one window, and no sum is made of it."""
    for address in addresses:
        if address.position is not None:
            raise InputError(
                f"{address} is one position, which tiles have none of: leave out the position, or compute the picture "
                "in one piece (no tile, a smaller size)"
            )


def tiling(network: Network, layers: Sequence[str], size: tuple[int, int], tile: int) -> Tiling:
    """Return windows whose own parts are about `tile` pixels a side, for these layers of a picture of `size`.

    A picture no larger than a tile is one window, and a side that every position of a layer sees all of is not cut.
    InputError for a layer without maps, or whose places do not line up with pixels.
    """
    if tile < 1:
        raise InputError(f"a tile has at least 1 pixel, not {tile}")
    whole = max(size) <= tile
    grids = _grids(network, layers, size, whole=whole)
    by_axis = [{name: grid[axis] for name, grid in grids.items()} for axis in (0, 1)]
    rows, columns = (
        [_everything(one, length)] if whole or _seen_by_each(one, length) else strips(one, length, tile)
        for one, length in zip(by_axis, size, strict=True)
    )
    return Tiling(tuple(Tile(row, column) for row in rows for column in columns), grids)


def _seen_by_each(grids: Mapping[str, AxisPositions], length: int) -> bool:
    return any(grid.size >= 2 * length or not grid.stride for grid in grids.values())


def _everything(grids: Mapping[str, AxisPositions], length: int) -> Strip:
    return Strip((0, length), {name: (0, grid.count) for name, grid in grids.items()})


def strips(grids: Mapping[str, AxisPositions], length: int, tile: int) -> list[Strip]:
    """Return the windows along one axis of `length` pixels, each with at most about `tile` pixels of its own.

    They are equally long, because memory that one took is then just what the next one needs.

    >>> [strip.window for strip in strips({"pool": AxisPositions(50, 2, -3, 8)}, 100, 40)]
    [(0, 42), (28, 70), (58, 100)]
    """
    step = lcm(*(grid.stride for grid in grids.values()))
    steps, most = max(1, length // step), max(1, tile // step)
    count = ceil(steps / most)
    edges = [*(number * steps // count * step for number in range(count)), length]
    owned = [
        {name: _own(grid, begin, end, last=end == length) for name, grid in grids.items()}
        for begin, end in pairwise(edges)
    ]
    windows = [_window(grids, spans, length, step) for spans in owned]
    longest = max(end - begin for begin, end in windows)
    begins = [min(begin, length - longest) for begin, _ in windows]
    return [Strip((begin, begin + longest), spans) for begin, spans in zip(begins, owned, strict=True)]


def _own(grid: AxisPositions, begin: int, end: int, *, last: bool) -> Span:
    """Return the positions of a layer that belong to the pixels from begin to end; the last strip takes the rest."""
    return begin // grid.stride, grid.count if last else min(grid.count, end // grid.stride)


def _window(grids: Mapping[str, AxisPositions], spans: Mapping[str, Span], length: int, step: int) -> Span:
    """Return the pixels that all these positions see, begun and ended where the whole picture's grid allows."""
    seen = [
        (first * grid.stride + grid.start, (last - 1) * grid.stride + grid.start + grid.size)
        for grid, (first, last) in ((grids[name], span) for name, span in spans.items())
        if last > first
    ]
    begin = max(0, floor(min(first for first, _ in seen) / step) * step)
    needed = max(last for _, last in seen) - begin
    whole = ceil(max(0, needed - length % step) / step) * step + length % step
    return begin, min(length, begin + whole)


def _grids(
    network: Network, layers: Sequence[str], size: tuple[int, int], *, whole: bool
) -> dict[str, tuple[AxisPositions, AxisPositions]]:
    graph, shapes = network.graph, network.shapes_at(size, layers)
    fields = receptive_fields(graph, shapes)
    grids = {}
    for name in layers:
        value, field = shapes[name], fields[name]
        if value is None or field is None or len(value) != 4:
            raise InputError(f"{name} has no rows and columns to cut into tiles: use a layer with maps")
        counts = value[1:3] if graph.channels_last else value[2:]
        if not whole and field.borders is not None:
            raise InputError(
                f"layers on the way to {name} enlarge the map, so it cannot be computed in tiles"
            )
        grids[name] = tuple(
            AxisPositions(
                counts[axis], int(field.stride[axis]), int(field.start[axis]), int(field.size[axis])
            )
            for axis in (0, 1)
        )
    return grids  # type: ignore[return-value]
