"""Boxes of a map, each at one size, and means over the area that each pixel of a smaller map covers.

As TensorFlow has them (``tf.image.crop_and_resize``, ``tf.compat.v1.image.resize_area``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from convscope.errors import InputError
from convscope.network.operations.checks import dimensions
from convscope.network.operations.registry import operation
from convscope.network.operations.rounding import half_away


@operation(sees="map")
def crop_and_resize(
    input: Tensor,
    boxes: Tensor,
    pictures: Tensor,
    *,
    size: Sequence[int],
    interpolation: Literal["bilinear", "nearest"] = "bilinear",
    outside: float = 0.0,
) -> Tensor:
    """Return each box of a map at one size: (boxes, channels, height, width).

    A box is (top, left, bottom, right), 0 and 1 the centers of the outermost pixels; `pictures` says of which map of
    the batch it is. What lies beyond the map is `outside`.
    """
    crops = []
    for box, picture in zip(boxes, pictures.reshape(-1), strict=True):
        if box.is_meta:
            crops.append(input.new_empty(input.shape[1], *size))
            continue
        map = input[int(picture)]
        for axis, count in ((1, size[0]), (2, size[1])):
            last = map.shape[axis] - 1
            first, end = box[axis - 1] * last, box[axis + 1] * last
            steps = torch.arange(count).to(input)
            places = (
                first + steps * ((end - first) / max(count - 1, 1)) if count > 1 else (first + end)[None] / 2
            )
            shape = [-1 if at == axis else 1 for at in range(3)]
            missing = ((places < 0) | (places > last)).reshape(shape)
            map = torch.where(
                missing, torch.nan, _sample_along(map, axis, places.clamp(0, last), interpolation)
            )
        crops.append(map)
    whole = torch.stack(crops) if crops else input.new_empty(0, input.shape[1], *size)
    return torch.where(whole.isnan(), outside, whole)


def _sample_along(map: Tensor, axis: int, places: Tensor, interpolation: str) -> Tensor:
    if interpolation == "nearest":
        return map.index_select(axis, half_away(places).long())
    before, behind = (map.index_select(axis, whole.long()) for whole in (places.floor(), places.ceil()))
    share = (places - places.floor()).reshape([-1 if at == axis else 1 for at in range(map.dim())])
    return before + (behind - before) * share


@operation(sees="map", affine=True, relevance="shared")
def resize_area(input: Tensor, *, size: Sequence[int], corners: bool = False) -> Tensor:
    """Return a map at another size, each pixel the mean of what it covers; with `corners` the outermost ones stay."""
    for axis, count in ((2, size[0]), (3, size[1])):
        length = input.shape[axis]
        scale = (length - 1) / (count - 1) if corners and count > 1 else length / count
        begins = torch.arange(count, dtype=torch.float64).reshape(-1, 1) * scale
        pixels = torch.arange(int(begins.max() + scale) + 2, dtype=torch.float64)
        covered = (torch.minimum(begins + scale, pixels + 1) - torch.maximum(begins, pixels)).clamp(min=0)
        weights = torch.zeros(count, length, dtype=torch.float64)
        weights.index_add_(
            1, pixels.clamp(max=length - 1).long(), covered / scale
        )  # beyond it the edge counts
        input = torch.tensordot(input, weights.to(input), dims=([axis], [1])).movedim(-1, axis)
    return input


@operation(sees="map", affine=True)
def merge_middle(input: Tensor, other: Tensor, *, add: bool = False) -> Tensor:
    """Return a map with the middle of a larger one as further channels, or with `add` added to it.

    Where the difference in size is odd the middle is nearer to the upper left. The first has as many channels as the
    other, or several times as many where they are not added: Greentea's ``mergecrop_layer.cu`` mixes up all others.
    """
    differences = [more - size for more, size in zip(other.shape[2:], input.shape[2:], strict=False)]
    (batch, channels), others = input.shape[:2], other.shape[1]
    fits = channels == others or not (add or channels % others)
    if input.dim() != other.dim() or min(differences) < 0 or batch != len(other) or not fits:
        raise InputError(
            f"{dimensions(input.shape)} cannot be merged with the middle of {dimensions(other.shape)}: that has to be "
            "at least as large, with as many channels"
        )
    middle = other
    for axis, (difference, size) in enumerate(zip(differences, input.shape[2:], strict=True), 2):
        middle = middle.narrow(axis, difference // 2, size)
    return input + middle if add else torch.cat([input, middle], 1)
