"""Maps read at places that the network works out: filters whose taps wander, regions, patches put back."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from convscope.errors import InputError
from convscope.network.operations.checks import Padding, Sizes, dimensions, margins, per_axis
from convscope.network.operations.registry import operation

_MOST_POINTS = 2**22  # of a region, in all channels: what any may have
_TIMES_THE_MAP = 16  # and of a large map, so many as that has numbers


@operation(sees="map", part="filters")
def deformable_convolution(
    input: Tensor,
    offsets: Tensor,
    mask: Tensor | None = None,
    *,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: Padding = 0,
    dilation: Sizes = 1,
    groups: int = 1,
    offset_groups: int = 1,
    fades: bool = True,
) -> Tensor:
    """Return the responses of filters whose taps are moved by `offsets` and weighted by a `mask`.

    Dai et al., *Deformable convolutional networks* (2017), and Zhu et al., version 2 (2019). Offsets are (batch, 2 x
    offset groups x taps, rows, columns), vertical before horizontal; outside the map there are zeros. Towards them it
    `fades`; else, as in version 1, it ends before its first position, and the last one reaches one further.
    """
    batch, channels, height, width = input.shape
    kernel, taps = tuple(weight.shape[2:]), weight.shape[2] * weight.shape[3]
    strides, dilations = per_axis(stride, 2, "stride"), per_axis(dilation, 2, "dilation")
    borders = margins(padding, (height, width), kernel, strides, dilations)
    rows, columns = offsets.shape[2:]
    if channels != weight.shape[1] * groups or offsets.shape[1] != 2 * offset_groups * taps:
        raise InputError(
            f"filters of {dimensions(weight.shape)} and offsets of {dimensions(offsets.shape)} do not fit "
            f"{dimensions(input.shape)}"
        )
    displacements = offsets.reshape(batch * offset_groups, taps, 2, rows, columns)
    places = [
        _tap_places(count, length, (s, before, d), axis, offsets)
        for axis, (count, length, s, (before, _), d) in enumerate(
            zip(kernel, (rows, columns), strides, borders, dilations, strict=True)
        )
    ]
    down, across = (
        (place.expand(*kernel, rows, columns).reshape(taps, rows, columns) + displacements[:, :, axis])
        for axis, place in enumerate(places)
    )
    inside = (down >= 0) & (down < height) & (across >= 0) & (across < width)
    if not fades:
        down, across = down.clamp(max=height - 1), across.clamp(max=width - 1)
    sampled = _sampled(input.reshape(batch * offset_groups, -1, height, width), down, across)
    if not fades:
        sampled = sampled * inside.unsqueeze(1)
    if mask is not None:
        sampled = sampled * mask.reshape(batch * offset_groups, 1, taps, rows, columns)
    patches = sampled.reshape(batch, groups, -1, rows * columns)
    products = weight.reshape(groups, -1, patches.shape[2]) @ patches
    output = products.reshape(batch, -1, rows, columns)
    return output if bias is None else output + bias.reshape(-1, 1, 1)


def _tap_places(count: int, length: int, window: tuple[int, int, int], axis: int, like: Tensor) -> Tensor:
    """Return where each tap of each window lies along an axis: (taps down, taps across, rows, columns), or 1s."""
    stride, before, dilation = window
    taps = torch.arange(count, device=like.device, dtype=like.dtype) * dilation - before
    starts = torch.arange(length, device=like.device, dtype=like.dtype) * stride
    shape = (count, 1, length, 1) if axis == 0 else (1, count, 1, length)
    return (taps.reshape(-1, 1) + starts).reshape(shape)


def _sampled(input: Tensor, down: Tensor, across: Tensor) -> Tensor:
    """Return a map between its positions, in straight lines, zeros outside: (maps, channels, taps, rows, columns)."""
    height, width = input.shape[2:]
    flat, samples = input.flatten(2), torch.zeros((), device=input.device)
    top, left = down.detach().floor(), across.detach().floor()
    for row, vertical in ((top, 1 - (down - top)), (top + 1, down - top)):
        for column, horizontal in ((left, 1 - (across - left)), (left + 1, across - left)):
            inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
            place = (row.clamp(0, height - 1) * width + column.clamp(0, width - 1)).long()
            index = place.reshape(len(input), 1, -1).expand(-1, input.shape[1], -1)
            corner = flat.gather(2, index).reshape(len(input), input.shape[1], *place.shape[1:])
            samples = samples + corner * (vertical * horizontal * inside).unsqueeze(1)
    return samples


@operation(sees="map")
def roi_align(
    input: Tensor,
    regions: Tensor,
    pictures: Tensor,
    *,
    size: Sequence[int],
    scale: float = 1.0,
    samples: int = 0,
    half_pixel: bool = True,
    summary: Literal["avg", "max"] = "avg",
) -> Tensor:
    """Return each region of a map at one size: means of points between its positions.

    He et al., *Mask R-CNN* (2017). Regions are (left, top, right, bottom) in the picture's pixels, `scale` times the
    map's; `samples` points a side of each cell, or as many as it has positions.
    """
    cells = []
    for region, picture in zip(regions, pictures.reshape(-1), strict=True):
        if region.is_meta:
            cells.append(input.new_empty(input.shape[1], *size))
            continue
        ends = region * scale - (0.5 if half_pixel else 0.0)
        (left, top), extent = ends[:2], ends[2:] - ends[:2]
        extent = extent if half_pixel else extent.clamp(min=1.0)
        step = [extent[1] / size[0], extent[0] / size[1]]
        counts = [samples or int(torch.ceil(each)) for each in step]
        if min(counts) < 1:  # a region without extent has no points, and their sum is 0
            cells.append(input.new_zeros(input.shape[1], *size))
            continue
        _require_few_points(input, prod(counts) * prod(size))
        down, across = (
            start + (torch.arange(count * length).to(input) + 0.5) * each / count
            for start, each, count, length in zip((top, left), step, counts, size, strict=True)
        )
        map = input[int(picture)]
        points = _between(map, down, across, summary == "max")
        blocks = points.reshape(len(map), size[0], counts[0], size[1], counts[1], -1)
        cells.append(blocks.mean((2, 4, 5)) if summary == "avg" else blocks.amax((2, 4, 5)))
    return torch.stack(cells) if cells else input.new_empty(0, input.shape[1], *size)


def _require_few_points(input: Tensor, points: int) -> None:
    """Refuse a region with many more points than the map has positions: it has as many as its file says."""
    if points * input.shape[1] > max(_MOST_POINTS, _TIMES_THE_MAP * input.shape[1:].numel()):
        rows = dimensions(input.shape[2:])
        raise InputError(
            f"a region is looked at in {points:,} points of a map of {rows}: the file is damaged, or made to take "
            "memory"
        )


def _between(map: Tensor, down: Tensor, across: Tensor, parts: bool) -> Tensor:
    """Return a map (channels, height, width) at rows x columns between its positions: (channels, rows, columns, ...).

    Up to one position outside, the edge's numbers count, beyond it zeros. The last axis is the sum of the four
    neighbors; with `parts` these are apart, each by its weight.
    """
    axes = []
    for places, length in ((down, map.shape[1]), (across, map.shape[2])):
        inside = (places >= -1) & (places <= length)
        clamped = places.clamp(0, length - 1)
        low = clamped.detach().floor().clamp(max=length - 1)
        share = clamped - low
        high = (low + 1).clamp(max=length - 1)
        axes.append([(low.long(), (1 - share) * inside), (high.long(), share * inside)])
    corners = [
        map[:, row[0]][:, :, column[0]] * row[1].reshape(-1, 1) * column[1]
        for row in axes[0]
        for column in axes[1]
    ]
    stacked = torch.stack(corners, -1)
    return stacked if parts else stacked.sum(-1, keepdim=True)


@operation(sees="map")
def suppress_boxes(
    boxes: Tensor,
    scores: Tensor,
    *,
    most: int = 0,
    overlap: float = 0.0,
    least: float | None = None,
    centered: bool = False,
) -> Tensor:
    """Return (picture, class, box) for up to `most` boxes of each class, the best first, without those that overlap.

    Non-maximum suppression; boxes are (batch, boxes, 4) with two corners, or `centered` with center and size, and
    scores (batch, classes, boxes). Those of one class in one picture, (boxes, 4) and (boxes,), give their places alone.
    How many are left depends on the numbers, so this has no shape before it runs.
    """
    if boxes.is_meta or scores.is_meta:
        raise NotImplementedError
    if boxes.dim() == 2:
        alone = boxes[None], scores[None, None]
        return suppress_boxes(*alone, most=most, overlap=overlap, least=least, centered=centered)[:, 2]
    if centered:
        middle, half = boxes[..., :2], boxes[..., 2:] / 2
        corners = torch.cat([middle - half, middle + half], -1)
    else:
        corners = _corners(boxes)
    rows = [
        [picture, label, box]
        for picture, classes in enumerate(scores)
        for label, row in enumerate(classes)
        for box in _survivors(corners[picture], row, most, overlap, least)
    ]
    return torch.tensor(rows, dtype=boxes.dtype, device=boxes.device).reshape(-1, 3)


@operation(sees="map")
def select_boxes(
    boxes: Tensor,
    scores: Tensor,
    *,
    most: int,
    overlap: float = 0.5,
    least: float | None = None,
    padded: bool = False,
    with_scores: bool = True,
    sigma: float = 0.0,
) -> tuple[Tensor, ...]:
    """Return the places of the boxes that `suppress_boxes` leaves of one class, their scores, and how many they are.

    Without `with_scores` only the first and the last. `padded` with zeros, places and scores are as many as `most`;
    else that depends on the numbers. With `sigma` what overlaps loses score instead (Soft-NMS: Bodla et al., 2017).
    """
    if boxes.is_meta or scores.is_meta:
        if not padded:
            raise NotImplementedError
        empty = boxes.new_empty(most), scores.new_empty(most), boxes.new_empty(())
        return empty if with_scores else empty[::2]
    if sigma > 0:
        places, chosen = _softened(_corners(boxes), scores, most, sigma, least)
    else:
        places = suppress_boxes(boxes, scores, most=most, overlap=overlap, least=least)
        chosen = scores[places.long()]
    count = places.new_tensor(float(len(places)))
    if padded:
        more = (0, most - len(places))
        places, chosen = F.pad(places, more), F.pad(chosen, more)
    return (places, chosen, count) if with_scores else (places, count)


@operation(sees="map")
def detect_boxes(
    boxes: Tensor,
    scores: Tensor,
    *,
    most: int,
    most_of_class: int,
    overlap: float = 0.5,
    least: float | None = None,
    clip: bool = True,
    short: bool = False,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return each picture's boxes, their scores and classes, the best first and zeros behind, and how many there are.

    TensorFlow's combined non-maximum suppression: `boxes` are (batch, boxes, 1 or classes, 4), `scores` (batch, boxes,
    classes). Of a class `most_of_class` are left, of all `most`; with `clip` they lie in 0 to 1. `short`: no more
    places than the classes can fill.
    """
    batch, classes = scores.shape[0], scores.shape[2]
    length = min(most, most_of_class * classes) if short else most
    shapes = ((batch, length, 4), (batch, length), (batch, length), (batch,))
    found, values, labels, counts = (boxes.new_zeros(shape) for shape in shapes)
    if boxes.is_meta or scores.is_meta:
        return found, values, labels, counts
    for picture in range(batch):
        rows = []
        for label in range(classes):
            own = boxes[picture, :, label if boxes.shape[2] > 1 else 0]
            value = scores[picture, :, label]
            kept = suppress_boxes(own, value, most=most_of_class, overlap=overlap, least=least).long()
            rows += [(value[place], label, own[place]) for place in kept]
        rows.sort(key=lambda row: -float(row[0]))
        counts[picture] = min(length, len(rows))
        for place, (value, label, box) in enumerate(rows[:length]):
            found[picture, place] = box.clamp(0, 1) if clip else box
            values[picture, place], labels[picture, place] = value, label
    return found, values, labels, counts


def _corners(boxes: Tensor) -> Tensor:
    """Return boxes of any two corners with the lower ones first."""
    one, other = boxes[..., :2], boxes[..., 2:]
    return torch.cat([torch.minimum(one, other), torch.maximum(one, other)], -1)


def _survivors(boxes: Tensor, scores: Tensor, most: int, overlap: float, least: float | None) -> list[int]:
    order = scores.sort(descending=True, stable=True).indices
    left = order if least is None else order[scores[order] > least]
    survivors: list[int] = []
    while len(left) and len(survivors) < most:
        best, left = left[0], left[1:]
        survivors.append(int(best))
        left = left[~(_shares(boxes[best], boxes[left]) > overlap)]
    return survivors


def _softened(
    boxes: Tensor, scores: Tensor, most: int, sigma: float, least: float | None
) -> tuple[Tensor, Tensor]:
    """Return places and scores of the boxes that are left where each that is taken lowers the others it overlaps."""
    open_places = torch.ones_like(scores, dtype=torch.bool)
    places: list[int] = []
    found: list[Tensor] = []
    while len(places) < most and open_places.any():
        best = int(scores.where(open_places, -torch.inf).argmax())
        if least is not None and not scores[best] > least:
            break
        places.append(best)
        found.append(scores[best])
        open_places[best] = False
        shares = torch.nan_to_num(_shares(boxes[best], boxes))
        scores = scores * torch.exp(-0.5 / sigma * shares.square())
    return scores.new_tensor(places), torch.stack(found) if found else scores[:0]


def _shares(box: Tensor, boxes: Tensor) -> Tensor:
    """Return what share of both together a box and each of others have in common."""
    common = torch.minimum(box[2:], boxes[:, 2:]) - torch.maximum(box[:2], boxes[:, :2])
    area, size = common.clamp(min=0).prod(-1), (box[2:] - box[:2]).prod(-1)
    return area / (size + (boxes[:, 2:] - boxes[:, :2]).prod(-1) - area)


@operation(part="rearrangement", sees="map")
def fold_patches(
    input: Tensor,
    *,
    size: Sequence[int],
    kernel: Sequence[int],
    stride: Sizes = 1,
    padding: Padding = 0,
    dilation: Sizes = 1,
) -> Tensor:
    """Return a map out of patches (batch, channels x taps, positions), added where they lie over each other."""
    axes = len(size)
    strides, dilations = per_axis(stride, axes, "stride"), per_axis(dilation, axes, "dilation")
    borders = margins(padding, size, kernel, strides, dilations)
    taps = input.reshape(len(input), -1, *kernel, input.shape[-1])
    places = torch.zeros((), dtype=torch.long)
    whole = [length + before + behind for length, (before, behind) in zip(size, borders, strict=True)]
    counts = [
        (length - (d * (k - 1) + 1)) // s + 1
        for length, k, s, d in zip(whole, kernel, strides, dilations, strict=True)
    ]
    for at, (length, count, k, s, d) in enumerate(
        zip(whole, counts, kernel, strides, dilations, strict=True)
    ):
        shape = [1] * 2 * axes
        shape[at], shape[axes + at] = k, count
        along = torch.arange(k).reshape(-1, 1) * d + torch.arange(count) * s
        places = places * length + along.reshape(shape)
    if prod(counts) != input.shape[-1]:
        raise InputError(
            f"a map of {dimensions(size)} has {prod(counts)} such patches, not {input.shape[-1]}"
        )
    index = places.reshape(-1).to(input.device).expand(len(input), taps.shape[1], -1)
    total = 1
    for length in whole:
        total *= length
    flat = input.new_zeros(len(input), taps.shape[1], total)
    folded = flat.scatter_add(2, index, taps.reshape(*flat.shape[:2], -1)).reshape(*flat.shape[:2], *whole)
    for at, (length, (before, _)) in enumerate(zip(size, borders, strict=True)):
        folded = folded.narrow(2 + at, before, length)
    return folded
