"""What networks of optical flow compute on two pictures: how alike they are when moved, and a picture moved by a flow.

The arithmetic is that of FlowNet's own Caffe layers, ``correlation_layer.cu``, ``flow_warp_layer.cpp`` and
``resample_layer.cu``, and of LiteFlowNet's ``warp_layer.cpp``.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import Literal

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from convscope.errors import InputError
from convscope.network.operations.checks import dimensions, require_picture_axes
from convscope.network.operations.registry import operation
from convscope.network.operations.rounding import half_away

_MOST = 100_000  # channels or pixels of a side


@operation(sees="map")
def correlation(
    first: Tensor,
    second: Tensor,
    *,
    displacement: int,
    kernel: int = 1,
    padding: int = 0,
    stride: int = 1,
    step: int = 1,
    of_differences: bool = False,
) -> Tensor:
    """Return how alike the windows of two maps are, a channel for each way that the second is moved.

    It is moved by up to `displacement` positions down and across, `step` at a time, from the upper left on; alike is
    the mean of the products over a `kernel` and all channels, or of the absolute differences. Dosovitskiy et al.,
    *FlowNet* (2015).
    """
    require_picture_axes(first, "a map to compare")
    if first.shape != second.shape:
        raise InputError(
            f"maps of one size are compared, found {dimensions(first.shape)} and {dimensions(second.shape)}"
        )
    one, other = (F.pad(maps, (padding,) * 4) for maps in (first, second))
    height, width = (size - 2 * displacement for size in one.shape[2:])
    reach = displacement // step
    if min(height, width) < kernel or (2 * reach + 1) ** 2 > _MOST:
        raise InputError(
            f"moves of {displacement} and a kernel of {kernel} do not fit maps of {dimensions(one.shape[2:])}"
        )

    def part(maps: Tensor, down: int, across: int) -> Tensor:
        top, left = displacement + down, displacement + across
        return maps[:, :, top : top + height, left : left + width]

    fixed, moves = part(one, 0, 0), [step * place for place in range(-reach, reach + 1)]
    rows = []
    for down in moves:
        for across in moves:
            moved = part(other, down, across)
            alike = (fixed - moved).abs() if of_differences else fixed * moved
            rows.append(alike.mean(1, keepdim=True))
    return F.avg_pool2d(torch.cat(rows, 1), kernel, stride)


@operation(sees="map")
def warp(input: Tensor, flow: Tensor, *, absolute: bool = False, outside: float = 0.0) -> Tensor:
    """Return a map as it is seen where a flow (batch, 2, height, width: across, down) points to, in straight lines.

    The flow is added to each position's own place, and what points out of the map is `outside`; where it is `absolute`,
    it is the place itself, and only the neighbors that lie outside are 0.
    """
    require_picture_axes(input, "a map to be moved")
    if flow.dim() != 4 or flow.shape[1] != 2 or len(flow) != len(input):
        raise InputError(f"a flow is (batch, 2, height, width), found {dimensions(flow.shape)}")
    height, width = input.shape[2:]
    if not absolute and flow.shape[2:] != input.shape[2:]:
        raise InputError(f"a flow of {dimensions(flow.shape)} does not fit {dimensions(input.shape)}")
    x, y = flow[:, 0], flow[:, 1]
    if not absolute:
        y = y + torch.arange(height, dtype=flow.dtype, device=flow.device)[:, None]
        x = x + torch.arange(width, dtype=flow.dtype, device=flow.device)
    left, top = x.detach().floor(), y.detach().floor()
    total = torch.zeros(())
    for down in (0, 1):
        for across in (0, 1):
            column, row = left + across, top + down
            weight = (1 - (x - column).abs()) * (1 - (y - row).abs())
            inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
            at = row.clamp(0, height - 1).long() * width + column.clamp(0, width - 1).long()
            values = input.flatten(2).gather(2, at.flatten(1)[:, None].expand(-1, input.shape[1], -1))
            seen = values.view(*input.shape[:2], *at.shape[1:])
            total = total + seen * (weight if not absolute else torch.where(inside, weight, 0.0))[:, None]
    if absolute:
        return total
    inside = (x >= 0) & (y >= 0) & (x < width) & (y < height)
    return torch.where(inside[:, None], total, torch.full_like(total, outside))


@operation
def scale_and_shift(input: Tensor, *, scale: float, shifts: Sequence[float]) -> Tensor:
    """Return the input times `scale`, and a number added to each channel; with fewer than there are, in turn."""
    if input.dim() < 2 or input.shape[1] % len(shifts):
        raise InputError(f"{len(shifts)} numbers are not those of channels of {dimensions(input.shape)}")
    added = torch.tensor(list(shifts), dtype=input.dtype, device=input.device)
    channels = added.repeat(input.shape[1] // len(shifts))
    return scale * input + channels.view(-1, *(1,) * (input.dim() - 2))


@operation(sees="map")
def resample(
    input: Tensor,
    reference: Tensor | None = None,
    *,
    size: tuple[int, int] = (0, 0),
    way: Literal["nearest", "linear", "cubic"] = "linear",
    antialias: bool = True,
) -> Tensor:
    """Return a map at another size, or at that of a reference, each pixel weighed by how far away it lies.

    FlowNet's arithmetic confuses the two axes where their factors differ: half of the other one is where it begins.
    """
    require_picture_axes(input, "a map to be resized")
    wanted = tuple(size) if reference is None else tuple(reference.shape[2:])
    if min(wanted) < 1 or max(wanted) > _MOST:
        raise InputError(f"a size of {dimensions(wanted)} cannot be made")
    factors = [before / after for before, after in zip(input.shape[2:], wanted, strict=True)]
    smooth = antialias and max(factors) > 1
    down, across = (
        _weights(input, axis, wanted[axis], (factors[axis], factors[1 - axis]), way, smooth)
        for axis in (0, 1)
    )
    return torch.einsum("yh,nchw,xw->ncyx", down, input, across)


def _weights(
    input: Tensor, axis: int, count: int, factors: tuple[float, float], way: str, smooth: bool
) -> Tensor:
    """Return the weights of an axis' pixels, a row for each of the result's."""
    before, (own, other) = input.shape[2 + axis], factors
    place = torch.arange(count, dtype=torch.float64, device=input.device) * own + other / 2 - 0.5
    middle, pixels = half_away(place), torch.arange(before, dtype=torch.float64, device=input.device)
    if way == "nearest":
        weights = (pixels == middle.clamp(0, before - 1)[:, None]).double()
        return weights.to(input.dtype)
    sharpness = 1 / own if smooth else 1.0
    reach = 2 if own < 1 else ceil((4 if way == "cubic" else 2) / sharpness)
    far = (sharpness * (place[:, None] - pixels)).abs()
    near = _cubic(far) if way == "cubic" else (1 - far).clamp_min(0)
    weights = torch.where((pixels - middle[:, None]).abs() <= reach, near, 0.0)
    sums = weights.sum(1, keepdim=True)
    return torch.where(sums == 0, 0.0, weights / sums).to(input.dtype)


def _cubic(far: Tensor) -> Tensor:
    close = far * far * (1.5 * far - 2.5) + 1
    beyond = far * (far * (-0.5 * far + 2.5) - 4) + 2
    return torch.where(far <= 1, close, torch.where(far < 2, beyond, 0.0))
