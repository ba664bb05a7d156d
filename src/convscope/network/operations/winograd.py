"""3x3 convolutions with a fourth of the multiplications: Winograd's minimal filtering, F(4x4, 3x3).

Filters and 6x6 patches of the input are brought, by sums alone, to a form in which 36 products give 4x4 outputs
instead of 144 (Lavin & Gray 2015, arXiv:1509.09308). What is left is matrix products, and 1.3 to 2.4 times as fast as
oneDNN's convolution, which is within a tenth of what the processor can multiply. The values agree with the plain
convolution's to 3e-6 of their length, and to 6e-6 of the largest one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from convscope.network.operations.checks import Sizes, per_axis

_PATCH, _BLOCK, _KERNEL = 6, 4, 3  # how far a patch, what it gives and a filter reach
# The transforms of the paper's section 4.3, for a patch, a filter and a block.
_OF_PATCH = (
    (4, 0, -5, 0, 1, 0),
    (0, -4, -4, 1, 1, 0),
    (0, 4, -4, -1, 1, 0),
    (0, -2, -1, 2, 1, 0),
    (0, 2, -1, -2, 1, 0),
    (0, 4, 0, -5, 0, 1),
)
_OF_FILTER = (
    (1 / 4, 0, 0),
    (-1 / 6, -1 / 6, -1 / 6),
    (-1 / 6, 1 / 6, -1 / 6),
    (1 / 24, 1 / 12, 1 / 6),
    (1 / 24, -1 / 12, 1 / 6),
    (0, 0, 1),
)
_OF_BLOCK = ((1, 1, 1, 1, 1, 0), (0, 1, -1, 2, -2, 0), (0, 1, 1, 4, 4, 0), (0, 1, -1, 8, -8, 1))
_LARGE, _MANY = 24, 2**13  # rows or columns, and filters: from where on it was measured to be faster
_NUMBERS_AT_ONCE, _PATCHES_AT_ONCE = 2**20, 128  # what stays in the caches, what keeps a matrix product busy
_FILTERS_AT_ONCE = 2**15  # transformed in double precision


@dataclass(frozen=True)
class WinogradConvolution:
    """A 3x3 convolution's filters, transformed: (36, channels, filters)."""

    filters: Tensor
    bias: Tensor | None
    padding: tuple[int, ...]


def is_large(size: Sequence[int]) -> bool:
    """Whether an output of (height, width) has enough blocks that few of them hang over its border."""
    return min(size) >= _LARGE


def winograd_pays(
    filters: Sequence[int],
    size: Sequence[int],
    *,
    stride: Sizes = 1,
    dilation: Sizes = 1,
    groups: int = 1,
) -> bool:
    """Whether it is the faster way, for filters (outputs, inputs, height, width) and an output of (height, width)."""
    outputs, channels, *kernel = filters
    dense = per_axis(stride, 2, "stride") == per_axis(dilation, 2, "dilation") == (1, 1) and groups == 1
    many = min(outputs, channels) >= 64 and outputs * channels >= _MANY
    return dense and many and kernel == [_KERNEL, _KERNEL] and is_large(size)


def prepare_winograd(weight: Tensor, bias: Tensor | None, padding: Sequence[int]) -> WinogradConvolution:
    """Return the transformed filters; they take four times the memory of those they are made of."""
    transform = torch.tensor(_OF_FILTER, dtype=torch.float64)
    both = torch.einsum("ai,bj->abij", transform, transform).reshape(_PATCH**2, _KERNEL**2)
    outputs, channels = weight.shape[:2]
    transformed = torch.empty(_PATCH**2, channels, outputs)
    at_once = max(1, _FILTERS_AT_ONCE // outputs)
    for first in range(0, channels, at_once):
        part = weight.detach()[:, first : first + at_once].permute(2, 3, 1, 0).double()
        found = both @ part.reshape(_KERNEL**2, -1)
        transformed[:, first : first + at_once] = found.view(_PATCH**2, -1, outputs)
    return WinogradConvolution(transformed, bias, tuple(padding))


def winograd_convolution(
    input: Tensor,
    convolution: WinogradConvolution,
    addend: Tensor | None = None,
    activation: Literal["none", "relu"] = "none",
) -> Tensor:
    """Return what the convolution gives, plus `addend` where there is one, through the activation.

    >>> winograd_convolution(x, prepare_winograd(weight, None, (1, 1)))  # convolution(x, weight=weight, padding=1)
    """
    down, across = convolution.padding
    count, _, rows, columns = input.shape
    filters = convolution.filters
    output = input.new_empty(count, rows + 2 * down - 2, columns + 2 * across - 2, filters.shape[2])
    blocks = [-(-size // _BLOCK) for size in output.shape[1:3]]
    at_once = max(_PATCHES_AT_ONCE, _NUMBERS_AT_ONCE // (_PATCH**2 * max(filters.shape[1:])))
    strips = -(-blocks[0] // max(1, at_once // blocks[1]))
    height = _BLOCK * -(-blocks[0] // strips)
    # One picture after the other: each has the same bytes alone as in a batch.
    for index, picture in enumerate(input.permute(0, 2, 3, 1)):
        for first in range(0, output.shape[1], height):
            strip = output[index, first : first + height]
            reach = -(-strip.shape[0] // _BLOCK) * _BLOCK, blocks[1] * _BLOCK
            others = convolution.bias
            if addend is not None:
                added = addend[index].permute(1, 2, 0)[first : first + height]
                others = added if others is None else added + others
            _put(_blocks(_patches(_window(picture, first - down, across, reach)), filters), strip, others)
            if activation == "relu":
                strip.relu_()
    # Detached it is no view: it belongs to who gets it, who may write over it.
    return output.permute(0, 3, 1, 2).detach()


def _window(picture: Tensor, top: int, left: int, reach: tuple[int, int]) -> Tensor:
    """Return what the blocks of a strip read of a picture (H, W, C), zeros where that is outside of it."""
    height, width = (size + _KERNEL - 1 for size in reach)
    begin, end = max(0, top), min(picture.shape[0], top + height)
    right = width - left - picture.shape[1]
    return F.pad(picture[begin:end], (0, 0, left, right, begin - top, top + height - end))


def _patches(window: Tensor) -> Tensor:
    """Return the transformed 6x6 patches of a strip, four apart: (6, 6, rows, columns, C)."""
    down, across, channel = window.stride()
    rows, columns = ((size - 2) // _BLOCK for size in window.shape[:2])
    shape = _PATCH, _PATCH, rows, columns, window.shape[2]
    patches = window.as_strided(shape, (down, across, _BLOCK * down, _BLOCK * across, channel))
    return _transformed(_matrix(_OF_PATCH), patches.contiguous())


def _blocks(patches: Tensor, filters: Tensor) -> Tensor:
    """Return the blocks of a strip that transformed patches and filters give: (rows, 4, columns, 4, filters)."""
    rows, columns, channels = patches.shape[2:]
    products = torch.bmm(patches.view(_PATCH**2, rows * columns, channels), filters)
    blocks = _transformed(_matrix(_OF_BLOCK), products.view(_PATCH, _PATCH, rows, columns, -1))
    return blocks.permute(2, 0, 3, 1, 4)


def _put(blocks: Tensor, strip: Tensor, others: Tensor | None) -> None:
    """Write blocks into their strip (height, width, filters), what hangs over cut off; `others` is added."""
    if strip.shape[:2] == (blocks.shape[0] * _BLOCK, blocks.shape[2] * _BLOCK):
        strip = strip.view_as(blocks)
        others = others if others is None or others.dim() == 1 else others.reshape(blocks.shape)
    else:
        blocks = blocks.flatten(2, 3).flatten(0, 1)[: strip.shape[0], : strip.shape[1]]
    _ = strip.copy_(blocks) if others is None else torch.add(blocks, others, out=strip)


def _transformed(matrix: Tensor, values: Tensor) -> Tensor:
    """Return matrix @ values @ matrix.T over the first two axes."""
    size, rest = len(matrix), values.shape[2:]
    down = torch.mm(matrix, values.view(_PATCH, -1)).view(size, _PATCH, -1)
    return torch.matmul(matrix, down).view(size, size, *rest)


@cache
def _matrix(rows: tuple[tuple[float, ...], ...]) -> Tensor:
    return torch.tensor(rows, dtype=torch.float32)
