"""SSD's boxes: those a map proposes, and those that are left of them after non-maximum suppression.

The arithmetic is that of SSD's own Caffe layers, ``prior_box_layer.cpp`` and ``detection_output_layer.cpp``. How many
boxes remain depends on the numbers: such shapes are not known beforehand.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from convscope.errors import InputError
from convscope.network.operations.checks import require_picture_axes
from convscope.network.operations.registry import operation

Coding = Literal["corner", "center_size", "corner_size"]


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
    variances = torch.tensor(list(variance), dtype=maps.dtype, device=maps.device)
    return torch.stack([boxes, variances.repeat(boxes.numel() // len(variances))])[None]


@operation(sees="map")
def decode_detections(
    locations: Tensor,
    scores: Tensor,
    priors: Tensor,
    *first_stage: Tensor,
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
    objectness: float = 0.01,
) -> Tensor:
    """Return what a detector found: (1, 1, found, 7), each (picture, class, score, left, top, right, bottom).

    Boxes are told from `priors` and `locations`; of those of one class that overlap by more than `overlap` the best
    stays. Where nothing is found a row a picture says -1. Liu et al., *SSD* (2016).

    A `first_stage` has looked at the same priors: its scores (of nothing and of an object, for each), below whose
    `objectness` a box shows nothing, and then its locations, which move the priors before `locations` do. Zhang et
    al., *RefineDet* (2018).
    """
    if locations.is_meta:
        raise NotImplementedError("how many are found depends on the numbers")
    count = priors.shape[2] // 4
    per_box = 1 if shared_locations else classes
    boxes = locations.reshape(len(locations), count, per_box, 4)
    confidence = scores.reshape(len(boxes), count, classes)
    prior, variances = priors[0].reshape(2, count, 1, 4)
    variances = boxes.new_ones(4) if variance_in_target else variances
    if first_stage:
        is_seen = first_stage[0].reshape(len(boxes), count, 2)[..., 1:] >= objectness
        nothing = torch.eye(classes, dtype=confidence.dtype, device=confidence.device)[0]
        confidence = torch.where(is_seen, confidence, nothing)
    for moves in first_stage[1:]:
        prior = _decoded(moves.reshape(len(boxes), count, 1, 4), prior, variances, coding)
    decoded = _decoded(boxes, prior, variances, coding)
    rows: list[Tensor] = []
    for picture in range(len(boxes)):
        best: list[tuple[float, int, int]] = []
        for label in range(classes):
            if label == background:
                continue
            values = confidence[picture, :, label]
            order = _best(values, threshold, top_k)
            own = decoded[picture, :, 0 if shared_locations else label]
            best += [
                (float(values[i]), label, i)
                for i in non_maximum_suppression(own, order.tolist(), overlap, eta)
            ]
        if -1 < keep_top_k < len(best):
            best = sorted(best, key=lambda item: -item[0])[:keep_top_k]
        for _, label, i in sorted(best, key=lambda item: item[1]):
            box = decoded[picture, i, 0 if shared_locations else label]
            head = box.new_tensor([picture, label])
            rows.append(torch.cat([head, confidence[picture, i, label][None], box]))
    if rows:
        return torch.stack(rows)[None, None]
    empty = locations.new_full((len(boxes), 7), -1)
    empty[:, 0] = torch.arange(len(boxes))
    return empty[None, None]


def _decoded(boxes: Tensor, prior: Tensor, variances: Tensor, coding: Coding) -> Tensor:
    """Return boxes as corners, from what was predicted against the priors."""
    if coding == "corner":
        return prior + variances * boxes
    size = prior[..., 2:] - prior[..., :2]
    if coding == "corner_size":
        return prior + variances * boxes * torch.cat([size, size], -1)
    center = (prior[..., :2] + prior[..., 2:]) / 2 + variances[..., :2] * boxes[..., :2] * size
    half = (variances[..., 2:] * boxes[..., 2:]).exp() * size / 2
    return torch.cat([center - half, center + half], -1)


def _best(scores: Tensor, threshold: float, top_k: int) -> Tensor:
    """Return the indices of the scores above a threshold, best first, at most `top_k`."""
    order = scores.sort(descending=True, stable=True).indices
    order = order[scores[order] > threshold]
    return order[:top_k] if top_k > -1 else order


@operation
def decode_yolo(
    *maps: Tensor,
    classes: int,
    anchors: Sequence[tuple[float, float]],
    scales: Sequence[int],
    threshold: float,
    overlap: float,
    one_class: bool = False,
) -> Tensor:
    """Return what YOLO's maps show: (1, 1, found, 7), each (picture, class from 1, score, left, top, right, bottom).

    A map has (x, y, width, height, object, classes) for each of its anchors, which are (width, height) in pixels, as
    many for each map; a pixel of it covers so many of the picture as its scale. Of boxes that overlap by more than
    `overlap` the best stays, whatever its class. Redmon and Farhadi, *YOLOv3* (2018), as MobileNet-YOLO has it; with
    `one_class` a box is of its likeliest class alone, as in *YOLO9000* (2017).
    """
    if maps[0].is_meta:
        raise NotImplementedError("how many are found depends on the numbers")
    share, rows_of_maps = len(anchors) // len(maps), []
    for at, (values, scale) in enumerate(zip(maps, scales, strict=True)):
        batch, channels, height, width = values.shape
        if channels != share * (5 + classes):
            raise InputError(
                f"{share} boxes of {classes} classes are {share * (5 + classes)} channels, found {channels}"
            )
        boxes = values.reshape(batch, share, 5 + classes, height, width).permute(0, 3, 4, 1, 2)
        rows = torch.arange(height, device=values.device)[:, None, None]
        columns = torch.arange(width, device=values.device)[:, None]
        sides = values.new_tensor(anchors[at * share : (at + 1) * share])
        x, y = (columns + boxes[..., 0].sigmoid()) / width, (rows + boxes[..., 1].sigmoid()) / height
        w = boxes[..., 2].exp() * sides[:, 0] / (width * scale) / 2
        h = boxes[..., 3].exp() * sides[:, 1] / (height * scale) / 2
        likely = _likeliest(boxes[..., 5:]) if one_class else boxes[..., 5:].sigmoid()
        scores = boxes[..., 4:5].sigmoid() * likely
        corners = torch.stack([x - w, y - h, x + w, y + h], -1)
        hit = (scores > threshold).nonzero(as_tuple=True)
        best, label = scores[hit], hit[-1]
        rows_of_maps.append(
            torch.cat([torch.stack([0 * best, label + 1.0, best], -1), corners[hit[:-1]]], -1)
        )
    rows = torch.cat(rows_of_maps)
    rows = rows[rows[:, 2].sort(descending=True, stable=True).indices]
    survivors = non_maximum_suppression(rows[:, 3:], range(len(rows)), overlap)
    if survivors:
        return rows[survivors][None, None]
    nothing = maps[-1].new_full((len(maps[-1]), 7), -1)
    nothing[:, 0] = torch.arange(len(nothing))
    return nothing[None, None]


def _likeliest(scores: Tensor) -> Tensor:
    """Return the probabilities of the first likeliest class, 0 for the others."""
    shares = scores.softmax(-1)
    best = shares.argmax(-1, keepdim=True)
    return torch.zeros_like(shares).scatter(-1, best, shares.gather(-1, best))


def non_maximum_suppression(
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
    best: list[int] = []

    def is_near(index: int, others: Any) -> Tensor:
        corners = torch.minimum(boxes[index, 2:], boxes[others, 2:]) - torch.maximum(
            boxes[index, :2], boxes[others, :2]
        )
        common = (corners + pixel).clamp(min=0).prod(1)
        return common > overlap * (areas[index] + areas[others] - common)

    if eta >= 1:  # the limit stays, so what is near a box that is kept can go at once
        left = torch.as_tensor(order, dtype=torch.long, device=boxes.device)
        while len(left) and len(best) != most:
            best.append(int(left[0]))
            left = left[1:][~is_near(best[-1], left[1:])]
        return best
    for index in order:
        if best and is_near(index, best).any():
            continue
        best.append(index)
        if len(best) == most:
            break
        if overlap > 0.5:
            overlap *= eta
    return best
