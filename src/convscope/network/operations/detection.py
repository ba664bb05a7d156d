"""What detectors add to a network: boxes made, pooled in, chosen and told.

The arithmetic is that of the detectors' own Caffe layers: py-faster-rcnn's ``roi_pooling_layer.cpp`` and
``proposal_layer.py``, R-FCN's ``psroi_pooling_layer.cu``, SSD's ``prior_box_layer.cpp`` and
``detection_output_layer.cpp``. How many boxes remain depends on the numbers: such shapes are not known beforehand.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import Literal

import torch
from torch import Tensor

from convscope.errors import InputError
from convscope.network.operations.checks import dimensions, require_picture_axes
from convscope.network.operations.pooling import LOWEST
from convscope.network.operations.registry import operation

Coding = Literal["corner", "center_size", "corner_size"]


@operation(part="pooling", sees="map")
def roi_pool(input: Tensor, regions: Tensor, *, size: tuple[int, int], scale: float = 1.0) -> Tensor:
    """Return the largest values in a grid of `size` over each region: (regions, channels, *size).

    A region is (picture's index, left, top, right, bottom) in pixels of the network's input, `scale` of them one of the
    map's, rounded to whole positions, both ends included. Girshick, *Fast R-CNN* (2015).
    """
    regions = _regions(input, regions)
    if input.is_meta:
        return input.new_empty((len(regions), input.shape[1], *size))
    corners = (regions[:, 1:] * scale).double()
    corners = torch.where(corners < 0, (corners - 0.5).ceil(), (corners + 0.5).floor()).long()
    left, top, right, bottom = corners.unbind(1)
    rows = _bins(top, bottom, size[0], input.shape[2], input.dtype)
    columns = _bins(left, right, size[1], input.shape[3], input.dtype)
    pooled = []
    for index, picture in enumerate(regions[:, 0].long().tolist()):
        maps = input[picture]
        lines = [_largest(maps, 1, start, stop) for start, stop in rows[index]]
        cells = [[_largest(line, 1, start, stop) for start, stop in columns[index]] for line in lines]
        pooled.append(torch.stack([torch.stack(line, -1) for line in cells], 1))
    if not pooled:
        return input.new_empty((0, input.shape[1], *size))
    values = torch.stack(pooled)
    return torch.where(values == LOWEST, 0.0, values)


def _bins(
    first: Tensor, last: Tensor, count: int, size: int, dtype: torch.dtype
) -> list[list[tuple[int, int]]]:
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
    regions = _regions(input, regions)
    if input.shape[1] != outputs * groups * groups:
        found = dimensions(input.shape)
        raise InputError(
            f"{outputs} outputs in {groups} x {groups} cells need {outputs * groups**2} channels: {found}"
        )
    if input.is_meta:
        return input.new_empty((len(regions), outputs, groups, groups))
    corners = regions[:, 1:]
    rounded = torch.where(corners < 0, (corners - 0.5).ceil(), (corners + 0.5).floor())
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
def prior_boxes(
    maps: Tensor,
    picture: Tensor,
    *,
    sizes: Sequence[tuple[float, float]],
    steps: tuple[float, float] = (0.0, 0.0),
    picture_size: tuple[int, int] = (0, 0),
    offset: float = 0.5,
    clip: bool = False,
    variance: Sequence[float] = (0.1,),
) -> Tensor:
    """Return the boxes that a detector starts from, and their variances: (1, 2, positions * boxes * 4).

    At each position of `maps` lie boxes of `sizes` (width, height) in pixels of the picture, `steps` (down, across)
    apart (0: spread over it), as (left, top, right, bottom) in 0 to 1. Liu et al., *SSD* (2016).
    """
    require_picture_axes(maps, "a map of boxes")
    rows, columns = maps.shape[2:]
    height, width = picture_size if all(picture_size) else tuple(picture.shape[2:])
    down, across = steps if all(steps) else (height / rows, width / columns)
    y = (torch.arange(rows, dtype=torch.float64, device=maps.device) + offset) * down
    x = (torch.arange(columns, dtype=torch.float64, device=maps.device) + offset) * across
    half = torch.tensor(list(sizes), dtype=torch.float64, device=maps.device) / 2
    center = torch.stack([x.expand(rows, columns), y[:, None].expand(rows, columns)], -1)[:, :, None]
    extent = torch.tensor([width, height], dtype=torch.float64, device=maps.device)
    boxes = torch.cat([(center - half) / extent, (center + half) / extent], -1).to(maps.dtype).reshape(-1)
    boxes = boxes.clamp(0, 1) if clip else boxes
    spread = torch.tensor(list(variance), dtype=maps.dtype, device=maps.device)
    return torch.stack([boxes, spread.repeat(boxes.numel() // len(spread))])[None]


@operation(sees="map")
def decode_detections(
    locations: Tensor,
    scores: Tensor,
    priors: Tensor,
    *,
    classes: int,
    background: int = 0,
    shared_locations: bool = True,
    coding: Coding = "corner",
    variance_in_target: bool = False,
    threshold: float = float("-inf"),
    overlap: float = 0.3,
    eta: float = 1.0,
    top_k: int = -1,
    keep_top_k: int = -1,
) -> Tensor:
    """Return what a detector found: (1, 1, found, 7), each (picture, class, score, left, top, right, bottom).

    Boxes are told from `priors` and `locations`; of those of one class that overlap by more than `overlap` the best
    stays. Where nothing is found a row a picture says -1. Liu et al., *SSD* (2016).
    """
    if locations.is_meta:
        raise NotImplementedError("how many are found depends on the numbers")
    count = priors.shape[2] // 4
    per_box = 1 if shared_locations else classes
    boxes = locations.reshape(len(locations), count, per_box, 4)
    confidence = scores.reshape(len(boxes), count, classes)
    prior, spread = priors[0].reshape(2, count, 1, 4)
    decoded = _decoded(boxes, prior, boxes.new_ones(4) if variance_in_target else spread, coding)
    found: list[Tensor] = []
    for picture in range(len(boxes)):
        kept: list[tuple[float, int, int]] = []
        for label in range(classes):
            if label == background:
                continue
            values = confidence[picture, :, label]
            order = _best(values, threshold, top_k)
            own = decoded[picture, :, 0 if shared_locations else label]
            kept += [(float(values[i]), label, i) for i in _suppressed(own, order.tolist(), overlap, eta)]
        if -1 < keep_top_k < len(kept):
            kept = sorted(kept, key=lambda item: -item[0])[:keep_top_k]
        for _, label, i in sorted(kept, key=lambda item: item[1]):
            box = decoded[picture, i, 0 if shared_locations else label]
            head = box.new_tensor([picture, label])
            found.append(torch.cat([head, confidence[picture, i, label][None], box]))
    if found:
        return torch.stack(found)[None, None]
    nothing = locations.new_full((len(boxes), 7), -1)
    nothing[:, 0] = torch.arange(len(boxes))
    return nothing[None, None]


def _decoded(boxes: Tensor, prior: Tensor, spread: Tensor, coding: Coding) -> Tensor:
    """Return boxes as corners, from what was predicted against the priors."""
    if coding == "corner":
        return prior + spread * boxes
    size = prior[..., 2:] - prior[..., :2]
    if coding == "corner_size":
        return prior + spread * boxes * torch.cat([size, size], -1)
    center = (prior[..., :2] + prior[..., 2:]) / 2 + spread[..., :2] * boxes[..., :2] * size
    half = (spread[..., 2:] * boxes[..., 2:]).exp() * size / 2
    return torch.cat([center - half, center + half], -1)


def _best(scores: Tensor, threshold: float, top_k: int) -> Tensor:
    """Return the indices of the scores above a threshold, best first, at most `top_k`."""
    order = scores.sort(descending=True, stable=True).indices
    order = order[scores[order] > threshold]
    return order[:top_k] if top_k > -1 else order


def _suppressed(
    boxes: Tensor, order: Sequence[int], overlap: float, eta: float = 1.0, pixel: float = 0.0, most: int = -1
) -> list[int]:
    """Return those of the boxes, best first, that overlap no better one by more than `overlap`.

    With `pixel` 1 a box's corners are pixels that belong to it. An `eta` below 1 lowers the limit at each box kept.
    """
    sides = (
        (boxes[:, 2:] - boxes[:, :2] + pixel).clamp(min=0)
        if pixel == 0
        else boxes[:, 2:] - boxes[:, :2] + pixel
    )
    areas = sides.prod(1)
    kept: list[int] = []
    for index in order:
        if kept:
            others = boxes[kept]
            corners = torch.minimum(boxes[index, 2:], others[:, 2:]) - torch.maximum(
                boxes[index, :2], others[:, :2]
            )
            common = (corners + pixel).clamp(min=0).prod(1)
            if (common > overlap * (areas[index] + areas[kept] - common)).any():
                continue
        kept.append(index)
        if len(kept) == most:
            break
        if eta < 1 and overlap > 0.5:
            overlap *= eta
    return kept


@operation(sees="map")
def propose_regions(
    scores: Tensor,
    deltas: Tensor,
    picture: Tensor,
    *,
    stride: int = 16,
    scales: Sequence[float] = (8, 16, 32),
    ratios: Sequence[float] = (0.5, 1, 2),
    least: float = 16,
    before: int = 6000,
    after: int = 300,
    overlap: float = 0.7,
    tops: int = 1,
) -> Tensor | tuple[Tensor, Tensor]:
    """Return the regions that look like objects, best first: (regions, 5), and with two `tops` their scores.

    `scores` are those of background and object, `deltas` the corrections, a set an anchor; `picture` is (height, width,
    scale). Regions are (0, left, top, right, bottom) in pixels. Ren et al., *Faster R-CNN* (2015), its
    ``proposal_layer.py`` with the settings of a test.
    """
    if scores.is_meta:
        raise NotImplementedError("how many are proposed depends on the numbers")
    if len(scores) != 1:
        raise InputError(f"regions are proposed for one picture at a time, found {len(scores)}")
    anchors = _anchors(16, ratios, scales).to(scores)
    count, (rows, columns) = len(anchors), scores.shape[2:]
    y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    shifts = (torch.stack([x, y, x, y], -1) * stride).to(scores)
    placed = (shifts[:, :, None] + anchors).reshape(-1, 4)
    moved = _moved(placed, deltas[0].permute(1, 2, 0).reshape(-1, 4))
    height, width, scale = picture.reshape(-1)[:3].tolist()
    limits = moved.new_tensor([width - 1, height - 1, width - 1, height - 1])
    boxes = torch.minimum(moved.clamp(min=0), limits)
    values = scores[0, count:].permute(1, 2, 0).reshape(-1)
    large = ((boxes[:, 2:] - boxes[:, :2] + 1) >= least * scale).all(1)
    order = values.sort(descending=True, stable=True).indices
    order = order[large[order]][: before if before > 0 else None]
    kept = _suppressed(boxes, order.tolist(), overlap, pixel=1.0, most=after if after > 0 else -1)
    regions = torch.cat([boxes.new_zeros(len(kept), 1), boxes[kept]], 1)
    return regions if tops == 1 else (regions, values[kept][:, None])


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


def _regions(input: Tensor, regions: Tensor) -> Tensor:
    require_picture_axes(input, "pooling in regions")
    regions = regions.reshape(len(regions), -1)
    if regions.shape[1] != 5:
        raise InputError(f"a region is (picture, left, top, right, bottom), not {dimensions(regions.shape)}")
    if (
        not regions.is_meta
        and len(regions)
        and not 0 <= regions[:, 0].min() <= regions[:, 0].max() < len(input)
    ):
        raise InputError(f"regions of pictures that are not among the {len(input)} given")
    return regions
