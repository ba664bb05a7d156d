"""Max pooling with a way back that keeps nothing but the place of each maximum.

Values and gradients are those of `max_pool`. Torch goes back picture by picture, each on one core; where windows do not
overlap, every row of windows is made a picture of its own, which is the same memory and keeps all cores busy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from convscope.network.operations.checks import around
from convscope.network.operations.pooling import LOWEST, channels_innermost, windows_of


@dataclass(frozen=True)
class Places:
    """Where the maxima were: torch's indices into the windows of a `padded` input, cut into `rows` of windows."""

    indices: Tensor
    window: tuple[Any, ...]
    border: list[int]
    padded: torch.Size
    rows: int


def max_pool_with_places(input: Tensor, **keywords: Any) -> tuple[Tensor, Places]:
    """Return what `max_pool` does with these keywords, and what `max_pool_gradient` needs."""
    down, across = windows_of(input, **keywords)
    padding, border = (down.padding, across.padding), [0, 0, 0, 0]
    if not (down.built_in and across.built_in):
        border = around([down.border, across.border])
        input, padding = F.pad(input, border, value=LOWEST), (0, 0)
    input = channels_innermost(input)
    kernel, stride, dilation = (
        (down.kernel, across.kernel),
        (down.stride, across.stride),
        (down.dilation, across.dilation),
    )
    apart = kernel[0] == stride[0] and padding[0] == 0 and dilation[0] == 1
    rows = down.number if apart and input.shape[2] == down.number * kernel[0] else 1
    window = (
        kernel,
        stride,
        padding,
        dilation,
        keywords.get("rounding", "ceil") != "floor" and not any(border),
    )
    values, indices = torch.ops.aten.max_pool2d_with_indices(_cut(input, rows), *window)
    return _joined(values, rows), Places(indices, window, border, input.shape, rows)


def max_pool_gradient(gradient: Tensor, places: Places) -> Tensor:
    """Return the gradient for the input of what `max_pool_with_places` returned."""
    gradient = _cut(channels_innermost(gradient), places.rows)
    # Torch reads no more of the input than its shape, so this memory is never touched.
    input = torch.empty(
        places.padded, dtype=gradient.dtype, device=gradient.device, memory_format=torch.channels_last
    )
    back = torch.ops.aten.max_pool2d_with_indices_backward
    slope = _joined(back(gradient, _cut(input, places.rows), *places.window, places.indices), places.rows)
    return F.pad(slope, [-side for side in places.border]) if any(places.border) else slope


def _cut(pictures: Tensor, rows: int) -> Tensor:
    """Return each of the rows of pictures in channels_last memory as a picture: a view."""
    count, channels, height, width = pictures.shape
    pieces = pictures.permute(0, 2, 3, 1).reshape(count * rows, height // rows, width, channels)
    return pieces.permute(0, 3, 1, 2)


def _joined(pieces: Tensor, rows: int) -> Tensor:
    count, channels, height, width = pieces.shape
    whole = pieces.permute(0, 2, 3, 1).reshape(count // rows, height * rows, width, channels)
    return whole.permute(0, 3, 1, 2)
