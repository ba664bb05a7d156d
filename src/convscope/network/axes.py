"""Where the channels are: right after the batch, as Caffe and torch have them, or last, as TensorFlow and Keras do.

A network's values keep the order its people know. What computes or shows works on the channels-first view of them:
the same memory, read in another order, and the one in which convolutions run fastest.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from convscope.address import Address, position_text
from convscope.errors import UnknownLayer
from convscope.network.parameters import Shape


def to_channels_first(value: Tensor) -> Tensor:
    """Return a view of (batch, height, width, channels) as (batch, channels, height, width).

    Any number of axes between is moved along; a value with two axes or fewer is as it was.

    >>> to_channels_first(torch.zeros(1, 224, 200, 3)).shape
    torch.Size([1, 3, 224, 200])
    """
    return value.movedim(-1, 1) if value.dim() > 2 else value


def to_channels_last(value: Tensor) -> Tensor:
    """Return a view of (batch, channels, height, width) as (batch, height, width, channels)."""
    return value.movedim(1, -1) if value.dim() > 2 else value


def shape_channels_first(shape: Shape) -> Shape:
    """Return the shape of `to_channels_first`.

    >>> shape_channels_first((1, 224, 200, 3))
    (1, 3, 224, 200)
    """
    return (shape[0], shape[-1], *shape[1:-1]) if len(shape) > 2 else shape


def shape_channels_last(shape: Shape) -> Shape:
    """Return the shape of `to_channels_last`."""
    return (shape[0], *shape[2:], shape[1]) if len(shape) > 2 else shape


def require_position(address: Address, *sizes: int) -> None:
    """UnknownLayer for an address whose position its layer, of so many rows and columns, does not have.

    `sizes` are those of all axes beside the channels: mostly rows and columns, one for a list of boxes or tokens.

    >>> require_position(Address("conv1", 3, (5, 0)), 6, 6)
    """
    position = address.position
    if position is None:
        return
    if len(position) != len(sizes) or any(at >= size for at, size in zip(position, sizes, strict=True)):
        raise UnknownLayer(f"{address}: the layer has {positions_in_words(sizes)} here")


def at_position(value: Tensor, position: Sequence[int], first: int = 2) -> Tensor:
    """Return the view of a value at a position; `first` is the axis of its first number.

    >>> at_position(torch.zeros(2, 16, 7, 6), (3, 5)).shape
    torch.Size([2, 16])
    """
    for at in position:
        value = value.select(first, at)
    return value


def positions_in_words(sizes: Sequence[int]) -> str:
    """Return the sizes of the axes beside the channels as words.

    >>> positions_in_words([7, 6])
    '7 rows and 6 columns'
    """
    if not sizes:
        return "no positions"
    if len(sizes) == 2:
        return f"{sizes[0]} rows and {sizes[1]} columns"
    return f"{' × '.join(map(str, sizes))} positions, the last {position_text([size - 1 for size in sizes])}"
