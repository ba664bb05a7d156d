"""Arithmetic of two values, or of a value and what the network has learned; sizes of 1 stretch, as in numpy.

The last operand may be a parameter (`operand`) or a plain `number` instead of a value; `swapped` puts it first.
Everything is a float: truth is 1 or 0, whole numbers are whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial, reduce
from itertools import zip_longest
from typing import Literal

import torch
from torch import Tensor

from convscope.errors import InputError
from convscope.network.operations.checks import dimensions
from convscope.network.operations.registry import operation
from convscope.network.operations.shape_rules import stretched_shape

Relation = Literal[
    "equal", "not_equal", "greater", "greater_or_equal", "less", "less_or_equal", "and", "or", "xor"
]


@operation(shape=stretched_shape, relevance="shared", foldable=True)
def add(*inputs: Tensor, operand: Tensor | None = None, number: float | None = None) -> Tensor:
    """Return the sum of all."""
    return reduce(torch.add, _terms(inputs, operand, number))


@operation(shape=stretched_shape, relevance="shared", foldable=True)
def subtract(
    *inputs: Tensor, operand: Tensor | None = None, number: float | None = None, swapped: bool = False
) -> Tensor:
    """Return the first input minus every further one."""
    return reduce(torch.sub, _terms(inputs, operand, number, swapped))


@operation(shape=stretched_shape)
def squared_difference(one: Tensor, other: Tensor) -> Tensor:
    """Return ``(one - other)^2``."""
    _require_stretchable((one, other))
    return (one - other).square()


@operation(shape=stretched_shape, relevance="multiplied", foldable=True)
def multiply(*inputs: Tensor, operand: Tensor | None = None, number: float | None = None) -> Tensor:
    """Return the product of all."""
    return reduce(torch.mul, _terms(inputs, operand, number))


@operation(shape=stretched_shape, relevance="divided", foldable=True)
def divide(
    *inputs: Tensor,
    operand: Tensor | None = None,
    number: float | None = None,
    swapped: bool = False,
    rounding: Literal["trunc", "floor"] | None = None,
) -> Tensor:
    """Return the first divided by the others; between whole numbers, `rounding` says to which one."""
    terms = _terms(inputs, operand, number, swapped)
    return reduce(partial(torch.div, rounding_mode=rounding), terms)


@operation
def divide_or_zero(first: Tensor, second: Tensor) -> Tensor:
    """Return the first divided by the second, and 0 where the second is 0."""
    _require_stretchable((first, second))
    nothing = second == 0
    return torch.where(nothing, 0.0, first / torch.where(nothing, 1.0, second))


@operation
def remainder(
    *inputs: Tensor, operand: Tensor | None = None, number: float | None = None, swapped: bool = False
) -> Tensor:
    """Return what is left of the first after division by the second, with the second's sign."""
    return reduce(torch.remainder, _terms(inputs, operand, number, swapped))


@operation
def fmod(
    *inputs: Tensor, operand: Tensor | None = None, number: float | None = None, swapped: bool = False
) -> Tensor:
    """Return what is left of the first after division by the second, with the first's sign, as in C."""
    return reduce(torch.fmod, _terms(inputs, operand, number, swapped))


@operation
def pow(
    *inputs: Tensor, operand: Tensor | None = None, number: float | None = None, swapped: bool = False
) -> Tensor:
    """Return the first to the power of the second."""
    return reduce(torch.pow, _terms(inputs, operand, number, swapped))


@operation(shape=stretched_shape, relevance="routed")
def maximum(*inputs: Tensor, operand: Tensor | None = None, number: float | None = None) -> Tensor:
    """Return the largest of all; equal ones share the gradient."""
    return reduce(torch.maximum, _terms(inputs, operand, number))


@operation(shape=stretched_shape, relevance="routed")
def minimum(*inputs: Tensor, operand: Tensor | None = None, number: float | None = None) -> Tensor:
    """Return the smallest of all; equal ones share the gradient."""
    return reduce(torch.minimum, _terms(inputs, operand, number))


@operation
def compare(
    *inputs: Tensor,
    relation: Relation,
    operand: Tensor | None = None,
    number: float | None = None,
    swapped: bool = False,
) -> Tensor:
    """Return 1 where the relation holds and 0 elsewhere; it has no gradient."""
    one, other = _terms(inputs, operand, number, swapped)
    match relation:
        case "equal":
            holds = one == other
        case "not_equal":
            holds = one != other
        case "greater":
            holds = one > other
        case "greater_or_equal":
            holds = one >= other
        case "less":
            holds = one < other
        case "less_or_equal":
            holds = one <= other
        case "and":
            holds = (one != 0) & (other != 0)
        case "or":
            holds = (one != 0) | (other != 0)
        case "xor":
            holds = (one != 0) ^ (other != 0)
    return holds.to(one.dtype)


@operation(relevance="routed")
def where(condition: Tensor, first: Tensor, second: Tensor, *, rows: bool = False) -> Tensor:
    """Return the first where the condition is not 0, elsewhere the second; with `rows` whole rows of the first axis."""
    if rows:
        condition = condition.reshape(-1, *[1] * (first.dim() - 1))
    _require_stretchable((condition, first, second))
    return torch.where(condition != 0, first, second)


@operation(relevance="passed")
def clip_between(input: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """Return the input cut off above and then below, so that the lower limit holds where the two cross."""
    _require_stretchable((input, low, high))
    return torch.maximum(torch.minimum(input, high), low)


def _terms(
    inputs: Sequence[Tensor], operand: Tensor | None, number: float | None, swapped: bool = False
) -> Sequence[Tensor]:
    constants = [] if operand is None else [operand]
    constants += [] if number is None else [inputs[0].new_tensor(number)]
    terms = [*constants, *inputs] if swapped else [*inputs, *constants]
    _require_stretchable(terms)
    return terms


def _require_stretchable(terms: Sequence[Tensor]) -> None:
    for sizes in zip_longest(*(tensor.shape[::-1] for tensor in terms), fillvalue=1):
        if len({size for size in sizes if size != 1}) > 1:
            shapes = ", ".join(dimensions(tensor.shape) for tensor in terms)
            raise InputError(f"these do not stretch to one shape: {shapes}")


@operation(part="join", relevance="gated")
def axpy(scale: Tensor, input: Tensor, addend: Tensor) -> Tensor:
    """Return ``scale x + y``, a scale for each channel of each picture: Hu et al., *Squeeze-and-excitation* (2018)."""
    if input.shape != addend.shape or scale.shape[:2] != input.shape[:2] or scale[0, 0].numel() != 1:
        shapes = ", ".join(dimensions(tensor.shape) for tensor in (scale, input, addend))
        raise InputError(f"a number for each channel and two equal maps are needed, found {shapes}")
    return scale.reshape(*input.shape[:2], *(1,) * (input.dim() - 2)) * input + addend
