"""Regions of networks in cascades: proposed by several maps, read between positions, moved, and sorted by size.

The arithmetic is that of Cascade R-CNN's own Caffe layers, ``box_group_output_layer.cpp``, ``roi_align_layer.cpp``,
``decode_bbox_layer.cpp`` and ``scale_route_layer.cpp`` (Cai and Vasconcelos, 2018), and of MNC's.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, log, sqrt

import torch
from torch import Tensor

from convscope.errors import InputError
from convscope.network.operations.checks import dimensions
from convscope.network.operations.detection import non_maximum_suppression
from convscope.network.operations.regions import regions_of
from convscope.network.operations.registry import operation
from convscope.network.operations.rounding import half_away

Four = Sequence[float]
NOTHING = (0.0, 1.0, 1.0, 10.0, 10.0)
"""The region that stands for none, so that what comes behind has one."""


@operation(part="pooling", sees="map")
def sample_regions(
    input: Tensor, regions: Tensor, *, cells: tuple[int, int], scale: float = 1.0, margin: float = 0.0
) -> Tensor:
    """Return a map where the lines of a grid over each region cross: (regions, channels, rows + 1, columns + 1).

    `cells` are the grid's (down, across). A region is (picture's index, left, top, right, bottom) in pixels of the
    network's input, `scale` of them one of the map's; `margin` of its sides is added all around. Between positions the
    map is read in straight lines, beyond its edges there are zeros.
    """
    regions = regions_of(input, regions)
    rows, columns = cells
    if input.is_meta:
        return input.new_empty((len(regions), input.shape[1], rows + 1, columns + 1))
    sides = (regions[:, 3:] - regions[:, 1:3] + 1) * margin
    first, last = ((regions[:, 1:3] - sides) * scale - 0.5), ((regions[:, 3:] + sides) * scale - 0.5)
    pooled = []
    for picture, start, extent in zip(regions[:, 0].long().tolist(), first, last - first, strict=True):
        if extent.min() <= 0:
            pooled.append(input.new_zeros(input.shape[1], rows + 1, columns + 1))
            continue
        map = input[picture]
        for axis, count in ((1, rows), (2, columns)):
            across = 2 - axis  # regions have x before y
            lines = start[across] + torch.arange(count + 1).to(input) * (extent[across] / count)
            map = _between(map, axis, lines)
        pooled.append(map)
    return torch.stack(pooled) if pooled else input.new_empty((0, input.shape[1], rows + 1, columns + 1))


@operation(part="pooling", sees="map")
def warp_regions(input: Tensor, regions: Tensor, *, size: tuple[int, int], scale: float = 1.0) -> Tensor:
    """Return a map at `size` places in each region, from its upper left corner on: (regions, channels, *size).

    Corners are rounded to whole positions; else as `sample_regions`. Dai, He and Sun, *Instance-aware semantic
    segmentation via multi-task network cascades* (2016), its ``roi_warping_layer.cu``.
    """
    regions = regions_of(input, regions)
    if input.is_meta:
        return input.new_empty((len(regions), input.shape[1], *size))
    corners = half_away(regions[:, 1:] * scale)
    warped = []
    for picture, box in zip(regions[:, 0].long().tolist(), corners, strict=True):
        map = input[picture]
        for axis, count in ((1, size[0]), (2, size[1])):
            start, end = box[2 - axis], box[4 - axis]
            step = (end - start).clamp(min=0) / count
            map = _between(map, axis, start + torch.arange(count).to(input) * step)
        warped.append(map)
    return torch.stack(warped) if warped else input.new_empty((0, input.shape[1], *size))


@operation(sees="map", affine=True, relevance="routed")
def resize_from_corner(
    input: Tensor, *, size: tuple[int, int], factors: tuple[float, float] = (0.0, 0.0)
) -> Tensor:
    """Return maps at another size, or at `factors` (where above 0) of their own, rounded down.

    Pixel x is read in straight lines at x times the size before over the size after; those more than half a position
    beyond the last are 0. MNC's ``mask_resize_layer.cu``.
    """
    for axis, wanted, factor in ((2, size[0], factors[0]), (3, size[1], factors[1])):
        length = input.shape[axis]
        count = int(length * factor) if factor > 0 else wanted
        ratio = torch.tensor(length, dtype=torch.float32) / count
        input = _between(input, axis, (torch.arange(count) * ratio).to(input))
    return input


def _between(map: Tensor, axis: int, places: Tensor) -> Tensor:
    """Return a map at places along an axis, in straight lines; zeros over half a position beyond its ends."""
    last = map.shape[axis] - 1
    shape = [-1 if at == axis else 1 for at in range(map.dim())]
    below = places.floor().long()
    share = (places.clamp(0, last) - below.clamp(0, last)).reshape(shape)
    values = map.index_select(axis, below.clamp(0, last)) * (1 - share)
    values = values + map.index_select(axis, (below + 1).clamp(0, last)) * share
    return torch.where(((places < -0.5) | (places > last + 0.5)).reshape(shape), 0.0, values)


@operation(sees="map")
def propose_from_maps(
    *maps: Tensor,
    fields: Sequence[Sequence[tuple[float, float]]],
    strides: Sequence[int],
    mean: Four = (0, 0, 0, 0),
    deviation: Four = (1, 1, 1, 1),
    farthest: float = 2.0,
    widest: float = 2.0,
    threshold: float = 0.0,
    overlap: float = 0.5,
    least: float = 15.0,
    before: int = 0,
    after: int = 0,
    tops: int = 1,
) -> Tensor | tuple[Tensor, Tensor]:
    """Return the regions that look like objects, best first: (regions, 5, 1, 1), with two `tops` their scores behind.

    Of each pair of `maps` the first has the scores of (pictures x fields), background before objects, the second the
    moves. `fields` are (width, height) around a position, for each pair, `strides` how far positions lie apart. A move
    is at most 1 / `farthest` of a field, or `widest` times as large. Scores are from `threshold` on, sides from `least`
    on; of those that overlap by more than `overlap` the best stays, of the `before` best, and of these `after`.
    """
    if maps[0].is_meta:
        raise NotImplementedError("how many are proposed depends on the numbers")
    if len(maps) != 2 * len(fields):
        raise InputError(
            f"{len(fields)} groups of fields need a map of scores and one of moves each: {len(maps)}"
        )
    pictures, found = len(maps[0]) // len(fields[0]), []
    limits = (1 / farthest, log(widest))
    groups = list(zip(maps[::2], maps[1::2], fields, strides, strict=True))
    placed = [_placed(moves, sizes, stride, (mean, deviation, limits)) for _, moves, sizes, stride in groups]
    for picture in range(pictures):
        scores = torch.cat(
            [(1 - _own(values, picture, sizes)[:, 0]).reshape(-1) for values, _, sizes, _ in groups]
        )
        boxes = torch.cat(
            [
                _own(group, picture, sizes).reshape(-1, 4)
                for group, (_, _, sizes, _) in zip(placed, groups, strict=True)
            ]
        )
        large = (boxes[:, 2:] - boxes[:, :2] + 1 >= least).all(1) & (scores >= threshold)
        order = scores.sort(descending=True, stable=True).indices
        order = order[large[order]][: before if before > 0 else None]
        best = non_maximum_suppression(
            boxes, order.tolist(), overlap, pixel=1.0, most=after if after > 0 else -1
        )
        found.append(region_rows(picture, boxes[best], scores[best]))
    return regions_and_scores(torch.cat(found), tops)


def region_rows(picture: int, boxes: Tensor, scores: Tensor) -> Tensor:
    """Return regions of a picture as rows of its number, four corners and a score."""
    return torch.cat([boxes.new_full((len(boxes), 1), picture), boxes, scores[:, None]], 1)


def regions_and_scores(rows: Tensor, tops: int) -> Tensor | tuple[Tensor, Tensor]:
    """Return rows as Caffe's regions, with two `tops` their scores behind; one that is nothing where there are none."""
    regions = rows[:, :5] if len(rows) else rows.new_tensor([NOTHING])
    scored = rows if len(rows) else rows.new_zeros(1, 6)
    return regions[:, :, None, None] if tops == 1 else (regions[:, :, None, None], scored[:, :, None, None])


def _own(values: Tensor, picture: int, sizes: Sequence[tuple[float, float]]) -> Tensor:
    """Return what belongs to one picture of those that lie one after the other, a row a field."""
    return values[picture * len(sizes) : (picture + 1) * len(sizes)]


def _placed(
    moves: Tensor,
    sizes: Sequence[tuple[float, float]],
    stride: int,
    bounds: tuple[Four, Four, tuple[float, float]],
) -> Tensor:
    """Return the corners of the moved fields, within the picture: (pictures x fields, rows, columns, 4)."""
    mean, deviation, (most, most_log) = bounds
    rows, columns = moves.shape[2:]
    values = moves.permute(0, 2, 3, 1)
    values = values * values.new_tensor(deviation) + values.new_tensor(mean)
    field = values.new_tensor(list(sizes)).repeat(len(moves) // len(sizes), 1)[:, None, None]
    y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    center = (torch.stack([x, y], -1).to(values) + 0.5) * stride
    center = center + values[..., :2].clamp(-most, most) * field
    extent = values[..., 2:].clamp(-most_log, most_log).exp() * field
    first = center - extent / 2
    picture = values.new_tensor([columns * stride, rows * stride])
    return torch.cat([first.clamp(min=0), torch.minimum(first + extent - 1, picture)], -1)


@operation(sees="map")
def move_regions(
    moves: Tensor, regions: Tensor, *, mean: Four = (0, 0, 0, 0), deviation: Four = (1, 1, 1, 1)
) -> Tensor:
    """Return regions moved as the second class (that of objects) says: (regions, 5, 1, 1).

    A region is (picture's index, left, top, right, bottom) in pixels that belong to it; moves are (background, object).
    """
    flat = regions.reshape(len(regions), -1)
    if flat.shape[1] != 5 or moves.numel() != 8 * len(flat):
        raise InputError(
            f"regions of 5 numbers are moved by 2 x 4 numbers, found {dimensions(regions.shape)} and "
            f"{dimensions(moves.shape)}"
        )
    values = moves.reshape(-1, 8)[:, 4:]
    values = values * values.new_tensor(deviation) + values.new_tensor(mean)
    sides = flat[:, 3:] - flat[:, 1:3] + 1
    center = (flat[:, 3:] + flat[:, 1:3]) / 2 + values[:, :2] * sides
    extent = sides * values[:, 2:].exp()
    first = center - (extent - 1) / 2
    return torch.cat([flat[:, :1], first, first + extent - 1], 1)[:, :, None, None]


@operation(sees="map")
def regions_of_size(regions: Tensor, *, low: float = 0.0, high: float = inf) -> Tensor:
    """Return the regions whose size (the root of their area) is from `low` up to `high`, at least the nearest one."""
    if regions.is_meta:
        raise NotImplementedError("how many are of a size depends on the numbers")
    flat = regions.reshape(len(regions), -1)
    sides = flat[:, 3:] - flat[:, 1:3] + 1
    sizes = torch.where((sides >= 1).all(1), sides.prod(1), 0.0).sqrt()
    chosen = ((sizes >= low) & (sizes < high)).nonzero()[:, 0]
    if not len(chosen):
        middle = sqrt(low * high) if low and high < inf else low or (high if high < inf else 256.0)
        chosen = (sizes / middle).log2().abs().argmin()[None]
    return flat[chosen][:, :, None, None]
