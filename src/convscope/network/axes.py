"""Where the channels are: right after the batch, as Caffe and torch have them, or last, as TensorFlow and Keras do.

A network's values keep the order its people know. What computes or shows works on the channels-first view of them:
the same memory, read in another order, and the one in which convolutions run fastest.
"""

from __future__ import annotations

from torch import Tensor

from convscope.address import Address
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


def require_position(address: Address, rows: int, columns: int) -> None:
    """UnknownLayer for an address whose position its layer, of so many rows and columns, does not have.

    >>> require_position(Address("conv1", 3, (5, 0)), 6, 6)
    """
    if address.position is not None and not (address.position[0] < rows and address.position[1] < columns):
        raise UnknownLayer(f"{address}: the layer has {rows} rows and {columns} columns here")
