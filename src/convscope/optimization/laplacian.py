"""The Laplacian pyramid of Burt and Adelson (1983), as Mordvintsev's TensorFlow tutorial of 2016 builds it.

Each level is what a low-pass filter and every second pixel leave out; the last is the small picture that remains. The
filter is the 5 x 5 binomial one; edges are padded with zeros, one pixel more behind than in front where it is odd.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

_BINOMIAL = (1.0, 4.0, 6.0, 4.0, 1.0)


def split(picture: Tensor, levels: int) -> list[Tensor]:
    """Return `levels` pictures of ever coarser detail and the small one that remains, largest first.

    >>> [tuple(level.shape[-2:]) for level in split(torch.rand(1, 3, 313, 439), 2)]
    [(313, 439), (157, 220), (79, 110)]
    """
    found = []
    for _ in range(levels):
        small = _reduced(picture)
        found.append(picture - _expanded(small, picture))
        picture = small
    return [*found, picture]


def merge(levels: Sequence[Tensor]) -> Tensor:
    """Return the picture that was split, but for rounding."""
    *details, picture = levels
    for detail in reversed(details):
        picture = _expanded(picture, detail) + detail
    return picture


def _kernel(picture: Tensor) -> Tensor:
    line = picture.new_tensor(_BINOMIAL)
    return (torch.outer(line, line) / 256).expand(picture.shape[1], 1, 5, 5)


def _padding(size: int) -> tuple[int, int]:
    """TensorFlow's SAME padding of a stride of 2."""
    whole = 4 if size % 2 else 3
    return whole // 2, whole - whole // 2


def _reduced(picture: Tensor) -> Tensor:
    rows, columns = (_padding(size) for size in picture.shape[-2:])
    return F.conv2d(F.pad(picture, (*columns, *rows)), _kernel(picture), stride=2, groups=picture.shape[1])


def _expanded(small: Tensor, like: Tensor) -> Tensor:
    large = F.conv_transpose2d(small, _kernel(small) * 4, stride=2, groups=small.shape[1])
    top, left = (_padding(size)[0] for size in like.shape[-2:])
    return large[..., top : top + like.shape[-2], left : left + like.shape[-1]]
