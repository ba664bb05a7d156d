"""Several tensors into one, one into several."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from itertools import pairwise

import torch
from torch import Tensor

from convscope.errors import InputError
from convscope.network.operations.checks import axis_index, dimensions, require_indices, require_same_shape
from convscope.network.operations.registry import Result, one_or_all, operation
from convscope.network.operations.shape_rules import concat_shape, shape_of_equals


def in_one_batch(inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Return the inputs as batches of one length: what stands beside the pictures may be given once for all."""
    lengths = {tensor.shape[0] for tensor in inputs if tensor.dim()} - {1}
    if len(lengths) != 1:
        return inputs
    (length,) = lengths
    return tuple(
        tensor.expand(length, *tensor.shape[1:]) if tensor.shape[:1] == (1,) else tensor for tensor in inputs
    )


@operation(shape=shape_of_equals, part="join", relevance="multiplied")
def eltwise_product(*inputs: Tensor) -> Tensor:
    """Return the elementwise product of all inputs."""
    inputs = in_one_batch(inputs)
    require_same_shape(inputs, "a product")
    return reduce(torch.mul, inputs)


@operation(shape=shape_of_equals, part="join", per_channel=True, relevance="shared", affine=True)
def eltwise_sum(*inputs: Tensor, coefficients: Sequence[float] = ()) -> Tensor:
    """Return the elementwise sum of all inputs, each times its coefficient."""
    inputs = in_one_batch(inputs)
    require_same_shape(inputs, "a sum")
    if coefficients and len(coefficients) != len(inputs):
        raise InputError(f"a sum of {len(inputs)} inputs has {len(coefficients)} coefficients")
    return reduce(
        torch.add, (c * x for c, x in zip(coefficients, inputs, strict=True)) if coefficients else inputs
    )


@operation(shape=shape_of_equals, part="join", relevance="routed")
def eltwise_max(*inputs: Tensor) -> Tensor:
    """Return the elementwise maximum of all inputs.

    Of two equal numbers Caffe's second gets the gradient (torch.maximum would split it); a third input gets
    it only where it is larger.
    """
    inputs = in_one_batch(inputs)
    require_same_shape(inputs, "a maximum")
    largest = inputs[0]
    for index, other in enumerate(inputs[1:]):
        stays = largest > other if index == 0 else largest >= other
        largest = torch.where(stays, largest, other)
    return largest


@operation(shape=concat_shape, part="join", relevance="routed", affine=True)
def concat(*inputs: Tensor, axis: int = 1) -> Tensor:
    """Return the inputs one after the other along the axis; their other sizes must agree."""
    axis = axis_index(axis, inputs[0])
    inputs = in_one_batch(inputs) if axis else inputs
    rest = {(*tensor.shape[:axis], *tensor.shape[axis + 1 :]) for tensor in inputs}
    if len(rest) > 1 or len({tensor.dim() for tensor in inputs}) > 1:
        shapes = ", ".join(dimensions(tensor.shape) for tensor in inputs)
        raise InputError(f"inputs that differ in more than axis {axis} cannot be joined along it: {shapes}")
    return torch.cat(inputs, axis)


@operation(relevance="routed")
def slice(
    input: Tensor,
    *,
    axis: int = 1,
    points: Sequence[int] = (),
    lengths: Sequence[int] = (),
    parts: int = 0,
    shorter: bool = False,
) -> Result:
    """Return the input cut along the axis: at the `points`, into pieces of these `lengths`, or into `parts` equal ones.

    One of the lengths may be -1, what the others leave; without one they have to be as many places as there are. With
    `shorter` the last of the parts may be.
    """
    axis = axis_index(axis, input)
    size = input.shape[axis]
    if lengths:
        pieces = [size - sum(lengths) - 1 if length == -1 else length for length in lengths]
    elif points:
        pieces = [end - start for start, end in pairwise((0, *points, size))]
    else:
        length = -(-size // max(parts, 1))
        pieces = [length] * (parts - 1) + [size - length * (parts - 1)]
    if (
        min(pieces) < (0 if lengths else 1)
        or sum(pieces) != size
        or (parts and not (points or shorter) and size % parts)
    ):
        way = f"into pieces of {list(lengths)}" if lengths else f"at {list(points)}"
        way = way if lengths or points else f"into {parts}{'' if shorter else ' equal'} parts"
        raise InputError(
            f"axis {axis} of {dimensions(input.shape)} cannot be cut {way}: the network fixes this size"
        )
    return one_or_all(torch.split(input, pieces, axis))


@operation(relevance="routed")
def split(input: Tensor, *, copies: int) -> Result:
    """Return the input as many times as there are layers that read it."""
    return one_or_all([input] * copies)


@operation
def batch_reindex(input: Tensor, index: Tensor) -> Tensor:
    """Return the batch in another order: entry i of the output is entry ``index[i]`` of the input."""
    return input.index_select(0, require_indices(index.reshape(-1), input.shape[0], "batch_reindex"))


@operation
def filter(*inputs: Tensor) -> Result:
    """Return, of every input but the last, the batch entries for which the last one is not 0.

    How many those are depends on the numbers, so this has no shape before it runs.
    """
    *tensors, selector = inputs
    if any(tensor.shape[0] != selector.numel() for tensor in tensors):
        shapes = ", ".join(dimensions(tensor.shape) for tensor in tensors)
        raise InputError(f"a selector of {selector.numel()} entries does not fit batches of {shapes}")
    places = selector.reshape(-1).nonzero().squeeze(1)
    return one_or_all([tensor.index_select(0, places) for tensor in tensors])


@operation
def constant(**values: Tensor) -> Result:
    """Return parameters as they are: a layer that is nothing but its numbers."""
    return one_or_all(list(values.values()))
