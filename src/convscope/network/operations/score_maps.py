"""Regions that are read out of maps that have scores and moves in one: MS-CNN's ``box_output_layer.cpp``.

Cai, Fan, Feris and Vasconcelos, *A unified multi-scale deep convolutional neural network for fast object detection*
(2016).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log

import torch
from torch import Tensor

from convscope.errors import InputError
from convscope.network.operations.cascade_regions import Four, region_rows, regions_and_scores
from convscope.network.operations.checks import dimensions
from convscope.network.operations.detection import non_maximum_suppression
from convscope.network.operations.registry import operation


@operation(sees="map")
def propose_from_score_maps(
    *maps: Tensor,
    fields: Sequence[tuple[float, float]],
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

    Each of the `maps` (pictures, channels, height, width) has the background's score, those of objects, and four moves
    of its field of (width, height), whose positions lie a stride apart; a region's score is the best object's less the
    background's. The other limits are `propose_from_maps`'s; here a side is what lies between its corners.
    """
    if maps[0].is_meta:
        raise NotImplementedError("how many are proposed depends on the numbers")
    for values in maps:
        if values.dim() != 4 or values.shape[1] < 6:
            raise InputError(
                f"a map has the background's score, an object's and 4 moves: {dimensions(values.shape)}"
            )
    found = []
    for picture in range(len(maps[0])):
        scores, corners = [], []
        for values, field, stride in zip(maps, fields, strides, strict=True):
            own = values[picture]
            scores.append((own[1:-4].amax(0) - own[0]).reshape(-1))
            moves = own[-4:] * own.new_tensor(deviation)[:, None, None] + own.new_tensor(mean)[:, None, None]
            corners.append(_boxes(moves, field, stride, (1 / farthest, log(widest))))
        rows, score = torch.cat(corners), torch.cat(scores)
        large = (rows[:, 2:] - rows[:, :2] >= least).all(1) & (score >= threshold)
        backward = score.flip(0).sort(descending=True, stable=True).indices  # of equal ones the last is first
        order = len(score) - 1 - backward
        order = order[large[order]][: before if before > 0 else None]
        best = non_maximum_suppression(rows, order.tolist(), overlap, most=after if after > 0 else -1)
        found.append(region_rows(picture, rows[best], score[best]))
    return regions_and_scores(torch.cat(found), tops)


def _boxes(moves: Tensor, field: tuple[float, float], stride: int, limits: tuple[float, float]) -> Tensor:
    """Return the corners of a field moved by (4, rows, columns), within the picture: (rows x columns, 4)."""
    (_, rows, columns), (most, most_log) = moves.shape, limits
    y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    size = moves.new_tensor(field)[:, None, None]
    center = moves[:2].clamp(-most, most) * size + (torch.stack([x, y]).to(moves) + 0.5) * stride
    extent = moves[2:].clamp(-most_log, most_log).exp() * size
    first = (center - extent / 2).clamp(min=0)
    picture = moves.new_tensor([columns * stride, rows * stride])[:, None, None]
    return torch.cat([first, first + torch.minimum(extent, picture - first)]).reshape(4, -1).T
