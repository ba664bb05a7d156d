"""Regions of a picture, as Faster R-CNN and R-FCN have them: proposed, and pooled.

The arithmetic is that of the detectors' own Caffe layers: py-faster-rcnn's ``roi_pooling_layer.cpp`` and
``proposal_layer.py``, R-FCN's ``psroi_pooling_layer.cu``, LocNet's ``region_pooling_layer.cpp``. How many are proposed
depends on the numbers: such shapes are not known beforehand.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import Literal

import torch
from torch import Tensor

from convscope.errors import InputError
from convscope.network.operations.checks import dimensions, require_picture_axes
from convscope.network.operations.detection import non_maximum_suppression
from convscope.network.operations.pooling import LOWEST
from convscope.network.operations.registry import operation
from convscope.network.operations.rounding import half_away


@operation(part="pooling", sees="map")
def roi_pool(
    input: Tensor,
    regions: Tensor,
    *,
    size: tuple[int, int],
    scale: float = 1.0,
    margin: float = 0.0,
    summary: Literal["maximum", "mean"] = "maximum",
) -> Tensor:
    """Return the largest values (or the means) in a grid of `size` over each region: (regions, channels, *size).

    A region is (picture's index, left, top, right, bottom) in pixels of the network's input, `scale` of them one of the
    map's, rounded to whole positions, both ends included. `margin` of its sides is added all around. Girshick,
    *Fast R-CNN* (2015).
    """
    regions = regions_of(input, regions)
    if input.is_meta:
        return input.new_empty((len(regions), input.shape[1], *size))
    sides = (regions[:, 3:] - regions[:, 1:3] + 1) * margin
    corners = half_away((torch.cat([regions[:, 1:3] - sides, regions[:, 3:] + sides], 1) * scale).double())
    left, top, right, bottom = corners.long().cpu().unbind(1)  # they are read as numbers
    rows = _bins(top, bottom, size[0], input.shape[2], input.dtype)
    columns = _bins(left, right, size[1], input.shape[3], input.dtype)
    pictures = regions[:, 0].long().tolist()
    cells = _grid if summary == "maximum" else _means
    pooled = [cells(input[picture], *bins) for picture, *bins in zip(pictures, rows, columns, strict=True)]
    if not pooled:
        return input.new_empty((0, input.shape[1], *size))
    values = torch.stack(pooled)
    return torch.where(values == LOWEST, 0.0, values)


@operation(part="pooling", sees="map")
def ring_pool(
    input: Tensor, regions: Tensor, *, size: tuple[int, int], scale: float = 1.0, inset: float = 0.0
) -> Tensor:
    """Return the largest values, at least 0, in a grid of `size` over each ring: (regions, channels, *size).

    A ring is (picture's index, left, top, right, bottom of its outer edge, those of its inner one) in pixels of the
    network's input, `scale` of them one of the map's; both edges belong to it, what lies inside of the inner one does
    not. All corners are first moved inwards by `inset` pixels. Gidaris and Komodakis, *Object detection via a
    multi-region and semantic segmentation-aware CNN model* (2015).
    """
    regions = regions_of(input, regions, "left, top, right, bottom, and those of what is left out", 9)
    if input.is_meta:
        return input.new_empty((len(regions), input.shape[1], *size))
    edges = regions[:, 1:].reshape(-1, 2, 2, 2)  # outer and inner; first and last corner; across and down
    first = (((edges[:, :, 0] + 1 + inset) * scale).double() + 0.5).floor().long()
    last = (((edges[:, :, 1] + 1 - inset) * scale).double() - 0.5).ceil().long()
    middle = torch.div(first + last, 2, rounding_mode="trunc")
    first, last = (torch.where(first > last, middle, corner).cpu() for corner in (first, last))
    rows = _bins(first[:, 0, 1], last[:, 0, 1], size[0], input.shape[2], input.dtype)
    columns = _bins(first[:, 0, 0], last[:, 0, 0], size[1], input.shape[3], input.dtype)
    pooled = []
    for index, picture in enumerate(regions[:, 0].long().tolist()):
        across, down = (
            (positions > first[index, 1, axis]) & (positions < last[index, 1, axis])
            for axis, positions in enumerate(torch.arange(side) for side in (input.shape[3], input.shape[2]))
        )
        inside = (down[:, None] & across).to(input.device)
        maps = torch.where(inside, 0.0, input[picture])
        pooled.append(_grid(maps, rows[index], columns[index]).clamp(min=0))
    return torch.stack(pooled) if pooled else input.new_empty((0, input.shape[1], *size))


_Bins = list[tuple[int, int]]


def _grid(maps: Tensor, rows: _Bins, columns: _Bins) -> Tensor:
    """Return the largest numbers of (channels, height, width) in each cell: (channels, rows, columns)."""
    lines = [_largest(maps, 1, start, stop) for start, stop in rows]
    cells = [[_largest(line, 1, start, stop) for start, stop in columns] for line in lines]
    return torch.stack([torch.stack(line, -1) for line in cells], 1)


def _means(maps: Tensor, rows: _Bins, columns: _Bins) -> Tensor:
    """Return the means of (channels, height, width) in each cell, 0 where it is empty: (channels, rows, columns)."""
    for axis, bins in ((1, rows), (2, columns)):
        stretches = [maps.narrow(axis, start, max(stop - start, 0)) for start, stop in bins]
        means = [part.mean(axis) if part.shape[axis] else part.sum(axis) for part in stretches]
        maps = torch.stack(means, axis)
    return maps


def _bins(first: Tensor, last: Tensor, count: int, size: int, dtype: torch.dtype) -> list[_Bins]:
    """Return the positions (from, up to) of each bin of each region along an axis."""
    lengths = (last - first + 1).clamp(min=1)
    step = lengths.to(dtype) / torch.tensor(count, dtype=dtype)  # in the map's precision, as Caffe has it
    bins = torch.arange(count, dtype=dtype)
    start = (bins * step[:, None]).floor().long() + first[:, None]
    stop = ((bins + 1) * step[:, None]).ceil().long() + first[:, None]
    starts, stops = start.clamp(0, size).tolist(), stop.clamp(0, size).tolist()
    return [list(zip(*pair, strict=True)) for pair in zip(starts, stops, strict=True)]


def _largest(input: Tensor, axis: int, start: int, stop: int) -> Tensor:
    """Return the largest numbers along a stretch of an axis, which goes; LOWEST where the stretch is empty."""
    if stop <= start:
        return input.new_full((*input.shape[:axis], *input.shape[axis + 1 :]), LOWEST)
    return input.narrow(axis, start, stop - start).amax(axis)


@operation(part="pooling", sees="map")
def position_sensitive_roi_pool(
    input: Tensor, regions: Tensor, *, outputs: int, groups: int, scale: float
) -> Tensor:
    """Return the means in a grid of `groups` x `groups` over each region, each cell from channels of its own.

    Dai et al., *R-FCN* (2016): channel ``(o groups + row) groups + column`` answers for output o in that cell. A region
    is (picture's index, left, top, right, bottom) in pixels of the network's input.
    """
    regions = regions_of(input, regions)
    if input.shape[1] != outputs * groups * groups:
        dimensions_now = dimensions(input.shape)
        raise InputError(
            f"{outputs} outputs in {groups} x {groups} cells need {outputs * groups**2} channels: {dimensions_now}"
        )
    if input.is_meta:
        return input.new_empty((len(regions), outputs, groups, groups))
    rounded = half_away(regions[:, 1:])
    starts = rounded[:, :2] * scale
    extents = ((rounded[:, 2:] + 1) * scale - starts).clamp(min=0.1) / groups
    maps = input.reshape(len(input), outputs, groups, groups, *input.shape[2:])
    pooled = []
    for picture, start, extent in zip(regions[:, 0].long().tolist(), starts, extents, strict=True):
        cells = []
        for row in range(groups):
            rows = _stretch(start[1], extent[1], row, input.shape[2])
            for column in range(groups):
                columns = _stretch(start[0], extent[0], column, input.shape[3])
                cell = maps[picture, :, row, column, rows, columns]
                cells.append(cell.mean((1, 2)) if cell.numel() else cell.new_zeros(outputs))
        pooled.append(torch.stack(cells, 1).reshape(outputs, groups, groups))
    return torch.stack(pooled) if pooled else input.new_empty((0, outputs, groups, groups))


def _stretch(start: Tensor, extent: Tensor, index: int, size: int) -> slice:
    first, last = (index * extent + start).floor(), ((index + 1) * extent + start).ceil()
    return slice(int(first.clamp(0, size)), int(last.clamp(0, size)))


@operation(sees="map")
def propose_regions(
    scores: Tensor,
    deltas: Tensor,
    picture: Tensor,
    *,
    stride: int = 16,
    scales: Sequence[float] = (8, 16, 32),
    ratios: Sequence[float] = (0.5, 1, 2),
    base: int = 16,
    least: float = 16,
    before: int = 6000,
    after: int = 300,
    overlap: float = 0.7,
    small_are_last: bool = False,
    tops: int = 1,
) -> Tensor | tuple[Tensor, Tensor]:
    """Return the regions that look like objects, best first: (regions, 5), and with two `tops` their scores.

    `scores` are those of background and object, `deltas` the corrections, a set an anchor; `picture` is (height, width,
    scale), or has a scale down and one across. Regions are (0, left, top, right, bottom) in pixels; those smaller than
    `least` at the picture's scale are left out, or with `small_are_last` have a score of 0. Ren et al., *Faster R-CNN*
    (2015), its ``proposal_layer.py`` with the settings of a test.
    """
    if scores.is_meta:
        raise NotImplementedError("how many are proposed depends on the numbers")
    if len(scores) != 1:
        raise InputError(f"regions are proposed for one picture at a time, found {len(scores)}")
    anchors = _anchors(base, ratios, scales).to(scores)
    count, (rows, columns) = len(anchors), scores.shape[2:]
    y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    shifts = (torch.stack([x, y, x, y], -1) * stride).to(scores)
    placed = (shifts[:, :, None] + anchors).reshape(-1, 4)
    proposals = _moved(placed, deltas[0].permute(1, 2, 0).reshape(-1, 4))
    height, width, down, *others = picture.reshape(-1).tolist()
    limits = proposals.new_tensor([width - 1, height - 1, width - 1, height - 1])
    boxes = torch.minimum(proposals.clamp(min=0), limits)
    values = scores[0, count:].permute(1, 2, 0).reshape(-1)
    smallest = least * boxes.new_tensor([others[0] if others else down, down])
    large = ((boxes[:, 2:] - boxes[:, :2] + 1) >= smallest).all(1)
    values = torch.where(large, values, 0.0) if small_are_last else values
    order = values.sort(descending=True, stable=True).indices
    order = (order if small_are_last else order[large[order]])[: before if before > 0 else None]
    best = non_maximum_suppression(boxes, order.tolist(), overlap, pixel=1.0, most=after if after > 0 else -1)
    regions = torch.cat([boxes.new_zeros(len(best), 1), boxes[best]], 1)
    return regions if tops == 1 else (regions, values[best][:, None])


def _anchors(base: int, ratios: Sequence[float], scales: Sequence[float]) -> Tensor:
    """Return the boxes around the first position, (left, top, right, bottom), ratio by ratio."""
    center, boxes = (base - 1) / 2, []
    for ratio in ratios:
        across = round(sqrt(base * base / ratio))
        down = round(across * ratio)
        for scale in scales:
            right, low = (across * scale - 1) / 2, (down * scale - 1) / 2
            boxes.append([center - right, center - low, center + right, center + low])
    return torch.tensor(boxes, dtype=torch.float64)


def _moved(boxes: Tensor, deltas: Tensor) -> Tensor:
    """Return boxes whose centers and sizes are corrected."""
    sizes = boxes[:, 2:] - boxes[:, :2] + 1
    centers = boxes[:, :2] + sizes / 2 + deltas[:, :2] * sizes
    half = deltas[:, 2:].exp() * sizes / 2
    return torch.cat([centers - half, centers + half], 1)


def regions_of(
    input: Tensor, regions: Tensor, corners: str = "left, top, right, bottom", count: int = 5
) -> Tensor:
    """Return the regions as rows of `count` numbers; InputError where they are none, or of pictures not there."""
    require_picture_axes(input, "pooling in regions")
    regions = regions.reshape(len(regions), -1)
    if regions.shape[1] != count:
        raise InputError(f"a region is (picture, {corners}), not {dimensions(regions.shape)}")
    if (
        not regions.is_meta
        and len(regions)
        and not 0 <= regions[:, 0].min() <= regions[:, 0].max() < len(input)
    ):
        raise InputError(f"regions of pictures that are not among the {len(input)} given")
    return regions
