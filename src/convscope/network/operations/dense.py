"""Fully-connected layers, table look-ups, and per-channel scales and biases."""

from __future__ import annotations

from math import prod

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from convscope.errors import InputError
from convscope.network.operations.checks import axis_index, dimensions, require_indices
from convscope.network.operations.registry import operation
from convscope.network.operations.shape_rules import dense_shape, per_channel_shape


@operation(
    shape=dense_shape,
    filter_rows=True,
    part="filters",
    sees="map",
    absorbs=("bias", "relu"),
    relevance="filters",
    affine=True,
)
def dense(
    input: Tensor, *, weight: Tensor, bias: Tensor | None = None, axis: int = 1, transpose: bool = False
) -> Tensor:
    """Return weighted sums of all numbers from `axis` on; the axes before it are batch.

    `weight` is (outputs, inputs), or (inputs, outputs) with `transpose`. Raises InputError where the number
    of inputs differs: a fully-connected layer fixes the size of a network's input.
    """
    axis = axis_index(axis, input)
    count, expected = prod(input.shape[axis:]), weight.shape[0 if transpose else 1]
    if count == 0:  # oneDNN has no words for it
        raise InputError(
            f"a fully-connected layer needs numbers to weigh, the input is {dimensions(input.shape)}"
        )
    if count != expected:
        raise InputError(
            f"a fully-connected layer for {expected} numbers got {count} ({dimensions(input.shape)}): "
            "use the input size the network was made for, or cast the layer into a convolution"
        )
    return F.linear(input.flatten(axis), weight.t() if transpose else weight, bias)


@operation(relevance="mixed")
def matmul(
    first: Tensor,
    second: Tensor | None = None,
    *,
    weight: Tensor | None = None,
    swapped: bool = False,
    transpose: bool = False,
) -> Tensor:
    """Return the product of the matrices in the last two axes; the axes before them are batch and stretch.

    The second is another value or a `weight`; `transpose` turns its last two axes around, `swapped` puts it first.
    """
    other = weight if second is None else second
    if other is None:
        raise InputError("matmul needs a second input or a weight")
    other = other.mT if transpose else other
    left, right = (other, first) if swapped else (first, other)
    if left.dim() and right.dim() and left.shape[-1] != right.shape[-2 if right.dim() > 1 else 0]:
        raise InputError(
            f"matrices of {dimensions(left.shape)} and {dimensions(right.shape)} have no product"
        )
    return torch.matmul(left, right)


@operation
def embed(index: Tensor, *, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return the row of `weight` (entries, features) for each index, plus `bias`; indices may be floats."""
    rows = F.embedding(require_indices(index, weight.shape[0], "embed"), weight)
    return rows if bias is None else rows + bias


@operation(shape=per_channel_shape, per_channel=True, relevance="passed", foldable=True, affine=True)
def scale(
    input: Tensor,
    multiplier: Tensor | None = None,
    *,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    axis: int = 1,
) -> Tensor:
    """Return the input by `weight` or by a second input, plus `bias`; both lie along the axes from `axis`."""
    factor = multiplier if weight is None else weight
    if factor is None:
        raise InputError("scale needs a weight or a second input")
    output = input * _along(factor, input, axis)
    return output if bias is None else output + _along(bias, input, axis)


@operation(shape=per_channel_shape, per_channel=True, relevance="passed", foldable=True, affine=True)
def bias(input: Tensor, addend: Tensor | None = None, *, bias: Tensor | None = None, axis: int = 1) -> Tensor:
    """Return the input plus `bias` (or plus a second input), laid along the axes from `axis`."""
    summand = addend if bias is None else bias
    if summand is None:
        raise InputError("bias needs a bias or a second input")
    return input + _along(summand, input, axis)


def _along(factor: Tensor, input: Tensor, axis: int) -> Tensor:
    """Return the factor with axes of size 1 behind it, so that it lies along the input's axes from `axis`."""
    axis = axis_index(axis, input) if factor.dim() else 0
    if factor.shape != input.shape[axis : axis + factor.dim()]:
        raise InputError(
            f"{dimensions(factor.shape)} numbers do not lie along axis {axis} of {dimensions(input.shape)}"
        )
    return factor.reshape(*factor.shape, *(1 for _ in range(input.dim() - axis - factor.dim())))
