"""Maps of codes at another size, as TensorFlow's QuantizedResizeBilinear does it: weights and sums are whole numbers.

(tensorflow/core/kernels/quantized_resize_bilinear_op.cc, 2017-: what it has for processors without NEON.)
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from convscope.network.operations.registry import operation

Between = tuple[Tensor, Tensor, Tensor]
"""The pixel before each place, the one behind it, and the weight of that one."""


@operation(sees="map")
def resize_codes(
    input: Tensor, *, size: Sequence[int], corners: bool = False, centers: bool = False, resolution: int = 7
) -> Tensor:
    """Return a map of codes at another size, by weights of so many bits: 7 for codes of 8 bits, 30 for sums.

    With `corners` the outermost pixels stay where they are; with `centers` a pixel lies at its center.
    The weights are cut off, and so is what is between two rows; the result is rounded.
    """
    if tuple(input.shape[2:]) == tuple(size):
        return input
    one = 1 << resolution
    rows, columns = (
        _between(_places(before, after, corners, centers).to(input.device), before, one)
        for before, after in zip(input.shape[2:], size, strict=True)
    )
    rows = (*rows[:2], rows[2].unsqueeze(-1))
    smooth = _mixed(_mixed(input, 3, columns, one) / one, 2, rows, one) / one
    codes = input.detach().to(torch.int64)
    lines = _mixed(codes, 3, columns, one)
    upper, lower = (lines.index_select(2, places) for places in rows[:2])
    sums = upper + torch.div(lower - upper, one, rounding_mode="trunc") * rows[2]
    exact = torch.div(sums + one // 2, one, rounding_mode="trunc").to(input)
    return smooth + (exact - smooth).detach()


def _places(before: int, after: int, corners: bool, centers: bool) -> Tensor:
    """Return where among `before` pixels each of `after` ones lies, in single precision."""
    inside = int(corners and after > 1)
    scale = torch.tensor(float(before - inside)) / (after - inside)
    pixels = torch.arange(after, dtype=torch.float32)
    return (pixels + 0.5) * scale - 0.5 if centers else pixels * scale


def _between(places: Tensor, count: int, one: int) -> Between:
    behind = places.ceil().long().clamp(max=count - 1)
    ahead = torch.minimum(places.floor().long().clamp(min=0), behind)
    return ahead, behind, ((places - places.floor()) * one).long()


def _mixed(map: Tensor, axis: int, between: Between, one: int) -> Tensor:
    """Return `one` times the numbers between two places of an axis."""
    ahead, behind = (map.index_select(axis, places) for places in between[:2])
    return ahead * one + (behind - ahead) * between[2].to(map)
