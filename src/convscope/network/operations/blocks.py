"""Blocks of pixels into the batch and back, by which TensorFlow writes dilated convolutions; and sizes from sizes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from convscope.errors import InputError
from convscope.network.operations.aten import meant
from convscope.network.operations.checks import around, dimensions
from convscope.network.operations.registry import OPERATIONS, Result, operation
from convscope.network.operations.shape_rules import initializer_shape

Pairs = Sequence[Sequence[int]]


@operation(relevance="routed")
def space_to_batch(input: Tensor, *, block: Sequence[int], padding: Pairs) -> Tensor:
    """Return every block-th pixel of (batch, channels, ...) as a picture of its own, after `padding` with zeros.

    `block` is one number an axis, `padding` one (before, behind). The batch is prod(block) times as long, the block's
    position its slower index.
    """
    _spatial(input, block, padding)
    padded = F.pad(input, around([(int(before), int(behind)) for before, behind in padding]))
    count, axes = len(block), range(len(block))
    if any(size % b for size, b in zip(padded.shape[2:], block, strict=True)):
        raise InputError(f"{dimensions(padded.shape)} is not made of blocks of {dimensions(block)}")
    parts = [part for size, b in zip(padded.shape[2:], block, strict=True) for part in (size // b, b)]
    order = (*(3 + 2 * axis for axis in axes), 0, 1, *(2 + 2 * axis for axis in axes))
    split = padded.reshape(*input.shape[:2], *parts).permute(order)
    return split.reshape(input.shape[0] * prod(block), input.shape[1], *split.shape[count + 2 :])


@operation(relevance="routed")
def batch_to_space(input: Tensor, *, block: Sequence[int], crops: Pairs) -> Tensor:
    """Return pictures laid out as each other's neighboring pixels, then cropped: what `space_to_batch` undoes."""
    _spatial(input, block, crops)
    if input.shape[0] % prod(block):
        raise InputError(f"a batch of {input.shape[0]} is not made of blocks of {dimensions(block)}")
    axes, rows = range(len(block)), (input.shape[0] // prod(block), input.shape[1])
    split = input.reshape(*block, *rows, *input.shape[2:])
    count = len(block)
    order = (count, count + 1, *(at for axis in axes for at in (count + 2 + axis, axis)))
    sizes = [size * b for size, b in zip(input.shape[2:], block, strict=True)]
    whole = split.permute(order).reshape(*rows, *sizes)
    return F.pad(whole, around([(-int(before), -int(behind)) for before, behind in crops]))


def _spatial(input: Tensor, block: Sequence[int], pairs: Pairs) -> None:
    """Refuse blocks and margins that do not fit the axes behind the channels."""
    count = input.dim() - 2
    if count < 1 or len(block) != count or len(pairs) != count or min(block) < 1:
        raise InputError(f"blocks of {dimensions(block)} do not fit {dimensions(input.shape)}")
    if any(len(pair) != 2 or min(pair) < 0 for pair in pairs):
        raise InputError(f"margins are (before, behind) for each axis, not {list(pairs)}")


@operation
def dynamic_shape(*inputs: Tensor, kind: str, attributes: Mapping[str, Any], read: int = 1) -> Result:
    """Return what the operation `kind` makes of the first `read` inputs, its attributes worked out from sizes.

    In them ``"$1.2"`` is the size of axis 2 of the second input, ``("//", "$1.2", 2)`` arithmetic with it.

    >>> dynamic_shape(torch.zeros(2, 4, 3), kind="reshape", attributes={"shape": ("$0.0", -1)}).shape
    torch.Size([2, 12])
    """
    tensors = {str(index): tensor for index, tensor in enumerate(inputs)}
    settings = {name: meant(code, tensors) for name, code in attributes.items()}
    return OPERATIONS[kind](*inputs[:read], **settings)


@operation(shape=initializer_shape)
def initializer(*, value: Tensor, shape: Sequence[int] = (), order: Sequence[int] = ()) -> Tensor:
    """Return a parameter as its source lays it out: in a `shape`, then with its axes in another `order`."""
    laid = value.reshape(tuple(shape)) if shape else value
    return laid.permute(tuple(order)) if order else laid
