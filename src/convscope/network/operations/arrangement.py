"""The same numbers in another order, more often, or only some of them; and sizes as numbers.

Where a network works its sizes out from its input's, they are ordinary values: `shape_of` and `tensor` give float
tensors in the processor's memory, exact for whole numbers, and the operations that take a size as an attribute take
it as a last input too.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import Literal

import torch
from torch import Tensor

from convscope.errors import InputError
from convscope.network.operations.checks import axis_index, dimensions, require_indices, whole_numbers
from convscope.network.operations.registry import operation
from convscope.network.operations.shape_rules import squeezed_shape, tensor_shape


@operation(shape=squeezed_shape, part="rearrangement", relevance="routed", affine=True)
def squeeze(input: Tensor, *, axes: Sequence[int] = ()) -> Tensor:
    """Return the input without the axes given (without every axis of size 1 when none is); their size must be 1."""
    indices = {axis_index(axis, input) for axis in axes}
    indices = indices or {axis for axis, size in enumerate(input.shape) if size == 1}
    if any(input.shape[axis] != 1 for axis in indices):
        raise InputError(f"axes {sorted(indices)} of {dimensions(input.shape)} are not all of size 1")
    return input.reshape([size for axis, size in enumerate(input.shape) if axis not in indices])


@operation(part="rearrangement", relevance="routed", affine=True)
def unsqueeze(input: Tensor, *, axes: Sequence[int]) -> Tensor:
    """Return the input with axes of size 1 put in; `axes` are their places in the output."""
    count = input.dim() + len(axes)
    places = {axis % count for axis in axes if -count <= axis < count}
    if len(places) != len(axes):
        raise InputError(f"axes {list(axes)} cannot be put into {dimensions(input.shape)}")
    sizes = iter(input.shape)
    return input.reshape([1 if axis in places else next(sizes) for axis in range(count)])


@operation(reads_sizes=True, relevance="routed")
def expand(input: Tensor, size: Tensor | None = None, *, shape: Sequence[int] = ()) -> Tensor:
    """Return the input stretched to a shape: a size of 1, on either side, takes the other's."""
    target = whole_numbers(size, shape)
    lengths = zip_longest(input.shape[::-1], target[::-1], fillvalue=1)
    return input.expand([length if other == 1 else other for length, other in lengths][::-1])


@operation(reads_sizes=True, relevance="routed")
def repeat(input: Tensor, counts: Tensor | None = None, *, times: Sequence[int] = ()) -> Tensor:
    """Return the input that many times along each axis."""
    return input.repeat(whole_numbers(counts, times))


@operation(reads_sizes=True, relevance="routed")
def slice_steps(
    input: Tensor,
    *bounds: Tensor,
    starts: Sequence[int] = (),
    ends: Sequence[int] = (),
    axes: Sequence[int] = (),
    steps: Sequence[int] = (),
) -> Tensor:
    """Return a part of the input, as ``input[start:end:step]`` along each of the axes (the first ones unless given).

    With further inputs these are `starts` and `ends`. Backward, as in ONNX, it begins at the last place where the start
    is behind that, at the first where it is before that; an end of 2^31 - 1 or more takes all there is.
    """
    first = whole_numbers(bounds[0] if bounds else None, starts)
    last = whole_numbers(bounds[1] if len(bounds) > 1 else None, ends)
    along = tuple(axes) or tuple(range(len(first)))
    for axis, start, end, step in zip(along, first, last, tuple(steps) or (1,) * len(along), strict=True):
        axis = axis_index(axis, input)
        start, end, step = _span(start, end, step, input.shape[axis])
        count = max(0, -(-(end - start) // step))
        if step > 0:
            input = input.narrow(axis, start, (count - 1) * step + 1 if count else 0)
            input = input[(slice(None, None, None),) * axis + (slice(None, None, step),)]
        else:
            input = input.index_select(
                axis, torch.arange(start, start + count * step, step, device=input.device)
            )
    return input


_ALL = 2**31 - 1


def _span(start: int, end: int, step: int, size: int) -> tuple[int, int, int]:
    if step > 0 or size == 0:
        return slice(start, end, step).indices(size)
    first = max(0, min(start + size if start < 0 else start, size - 1))
    return first, -1 if end >= _ALL else max(-1, min(end + size if end < 0 else end, size)), step


@operation(relevance="routed")
def gather(
    input: Tensor,
    places: Tensor | None = None,
    *,
    axis: int = 0,
    index: Tensor | None = None,
    number: int | None = None,
) -> Tensor:
    """Return the entries of an axis with these indices (whole numbers of any shape, whose axes take the axis's place).

    A single `number` takes the axis away. An index below 0 counts from the end.
    """
    axis = axis_index(axis, input)
    size = input.shape[axis]
    if number is not None:
        if not -size <= number < size:
            raise InputError(f"axis {axis} of {dimensions(input.shape)} has no entry {number}")
        return input.select(axis, number)
    indices = places if index is None else index
    if indices is None:
        raise InputError("gather needs indices")
    whole = indices.to(input.device if not indices.is_meta else indices.device).long()
    whole = require_indices(torch.where(whole < 0, whole + size, whole), size, "gather")
    rows = input.index_select(axis, whole.reshape(-1))
    return rows.reshape((*input.shape[:axis], *whole.shape, *input.shape[axis + 1 :]))


@operation(relevance="routed")
def depth_to_space(input: Tensor, *, block: int, order: Literal["depth", "column"] = "depth") -> Tensor:
    """Return blocks of channels laid out as pixels: (batch, channels / block^2, height x block, width x block).

    In "depth" order the block's position is the slower channel index (TensorFlow), in "column" order the faster one
    (PyTorch's pixel shuffle).
    """
    batch, channels, height, width = _maps(input)
    if block < 1 or channels % (block * block):
        raise InputError(f"{channels} channels are no blocks of {block} x {block}")
    inner = channels // (block * block)
    if order == "column":
        parts = input.reshape(batch, inner, block, block, height, width).permute(0, 1, 4, 2, 5, 3)
    else:
        parts = input.reshape(batch, block, block, inner, height, width).permute(0, 3, 4, 1, 5, 2)
    return parts.reshape(batch, inner, height * block, width * block)


@operation(relevance="routed")
def space_to_depth(input: Tensor, *, block: int, order: Literal["depth", "column"] = "depth") -> Tensor:
    """Return blocks of pixels as channels: what `depth_to_space` undoes, in the same orders."""
    batch, channels, height, width = _maps(input)
    if block < 1 or height % block or width % block:
        raise InputError(f"{dimensions(input.shape)} is not made of blocks of {block} x {block}")
    parts = input.reshape(batch, channels, height // block, block, width // block, block)
    blocks = parts.permute(0, 1, 3, 5, 2, 4) if order == "column" else parts.permute(0, 3, 5, 1, 2, 4)
    return blocks.reshape(batch, channels * block * block, height // block, width // block)


@operation(from_shapes=True)
def shape_of(input: Tensor, *, start: int = 0, end: int | None = None) -> Tensor:
    """Return the input's sizes as numbers, those from `start` up to `end`."""
    return torch.tensor(tuple(input.shape)[start:end], dtype=torch.float32)


@operation(shape=tensor_shape, from_shapes=True)
def tensor(*, values: Sequence[float], shape: Sequence[int] | None = None) -> Tensor:
    """Return plain numbers, as a row or in a shape."""
    constant = torch.tensor(tuple(values), dtype=torch.float32)
    return constant if shape is None else constant.reshape(tuple(shape))


_COUNTABLE = 2**24


@operation
def fill(size: Tensor, *, value: float = 0.0) -> Tensor:
    """Return a tensor of that size with the same number everywhere, which is there once."""
    return torch.tensor(value, dtype=torch.float32).expand(whole_numbers(size, ()))


@operation
def arange(start: Tensor, end: Tensor, step: Tensor) -> Tensor:
    """Return the numbers from `start` up to, and without, `end`, `step` apart; single precision counts to 2**24."""
    (first,), (last,), (by,) = (value.reshape(-1).tolist() for value in (start, end, step))
    if by and (last - first) / by > _COUNTABLE:
        raise InputError(f"from {first:,} to {last:,} there are more numbers than single precision can count")
    return torch.arange(first, last, by, dtype=torch.float32)


def _maps(input: Tensor) -> tuple[int, int, int, int]:
    if input.dim() != 4:
        raise InputError(
            f"this needs batch x channels x height x width, the input is {dimensions(input.shape)}"
        )
    batch, channels, height, width = input.shape
    return batch, channels, height, width


@operation(part="rearrangement", relevance="routed")
def shuffle_channels(input: Tensor, *, groups: int) -> Tensor:
    """Return the channels dealt out: the first of each of `groups` groups, then their second ones, and so on.

    Zhang et al., *ShuffleNet* (2017).
    """
    if input.dim() < 2 or groups < 1 or input.shape[1] % groups:
        raise InputError(f"the channels of {dimensions(input.shape)} do not make {groups} equal groups")
    dealt = input.reshape(len(input), groups, input.shape[1] // groups, *input.shape[2:])
    return dealt.transpose(1, 2).reshape(input.shape)


@operation(part="rearrangement", relevance="routed")
def reorganize(input: Tensor, *, stride: int, reverse: bool = False) -> Tensor:
    """Return a map `stride` times smaller with as many more channels, in the order of Darknet's reorg layer.

    That order is not `space_to_depth`: Redmon and Farhadi, *YOLO9000* (2016), read the map as one of fewer channels and
    more pixels first. With `reverse` the map is larger and has fewer channels.
    """
    if input.dim() != 4 or stride < 1 or input.shape[1] % stride**2:
        raise InputError(
            f"{dimensions(input.shape)} cannot be rearranged by {stride}: it needs {stride**2} channels"
        )
    batch, channels, height, width = input.shape
    fewer = channels // stride**2
    if reverse:
        parts = input.reshape(batch, stride, stride, fewer, height, width).permute(0, 3, 4, 1, 5, 2)
        return parts.reshape(batch, fewer, height * stride, width * stride)
    if height % stride or width % stride:
        raise InputError(f"{height} x {width} cannot be divided by {stride}")
    parts = input.reshape(batch, fewer, height, stride, width, stride).permute(0, 3, 5, 1, 2, 4)
    return parts.reshape(batch, channels * stride**2, height // stride, width // stride)


@operation(part="rearrangement", relevance="routed")
def flip(input: Tensor, *, axes: Sequence[int]) -> Tensor:
    """Return the input with these axes from back to front."""
    return input.flip([axis_index(axis, input) for axis in axes])
