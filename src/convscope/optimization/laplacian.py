"""The Laplacian pyramid of Burt and Adelson (1983), as Mordvintsev's TensorFlow tutorial of 2016 builds it.

Each level is what a low-pass filter and every second pixel leave out; the last is the small picture that remains. The
filter is the 5 x 5 binomial one; edges are padded with zeros, one pixel more behind than in front where it is odd.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

_BINOMIAL = (1.0, 4.0, 6.0, 4.0, 1.0)


def split(picture: Tensor, levels: int) -> Iterator[Tensor]:
    """Yield `levels` pictures of ever coarser detail and the small one that remains, largest first.

    >>> [tuple(level.shape[-2:]) for level in split(torch.rand(1, 3, 313, 439), 2)]
    [(313, 439), (157, 220), (79, 110)]
    """
    for _ in range(levels):
        small = _reduced(picture)
        yield picture - _expanded(small, picture)
        picture = small
    yield picture


def merge(levels: Sequence[Tensor]) -> Tensor:
    """Return the picture that was split, but for rounding."""
    *details, picture = levels
    for detail in reversed(details):
        picture = _expanded(picture, detail) + detail
    return picture


def _padding(size: int) -> tuple[int, int]:
    """TensorFlow's SAME padding of a stride of 2."""
    whole = 4 if size % 2 else 3
    return whole // 2, whole - whole // 2


def _reduced(picture: Tensor) -> Tensor:
    for dim in (-2, -1):
        picture = _reduced_along(picture, dim)
    return picture


def _expanded(small: Tensor, like: Tensor) -> Tensor:
    for dim in (-2, -1):
        small = _expanded_along(small, dim, like.shape[dim])
    return small


# Line by line of the filter instead of by a convolution: that one copies three channels into room for sixteen.


def _reduced_along(picture: Tensor, dim: int) -> Tensor:
    """Return every second value of the picture, low-passed along one axis (-2 rows, -1 columns)."""
    size = picture.shape[dim]
    padded = F.pad(picture, (0, 0, *_padding(size)) if dim == -2 else _padding(size))
    parts = [_every_second(padded, dim, place, (size + 1) // 2) for place in range(5)]
    small = torch.zeros_like(parts[0])
    for part, share in zip(parts, _BINOMIAL, strict=True):
        small = small.add_(part, alpha=share / 16)
    return small


def _expanded_along(small: Tensor, dim: int, size: int) -> Tensor:
    """Return a picture of `size` along one axis, whose every second value is from the small one, low-passed."""
    shape = [*small.shape]
    shape[dim] = 2 * small.shape[dim] + 3
    large = small.new_zeros(shape)
    for place, share in enumerate(_BINOMIAL):
        _every_second(large, dim, place, small.shape[dim]).add_(small, alpha=share / 8)
    return large.narrow(dim, _padding(size)[0], size)


def _every_second(picture: Tensor, dim: int, start: int, count: int) -> Tensor:
    window = picture.narrow(dim, start, 2 * count - 1)
    return window[..., ::2, :] if dim == -2 else window[..., ::2]
