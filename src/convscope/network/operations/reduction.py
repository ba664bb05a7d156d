"""Many numbers into few."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import torch
from torch import Tensor

from convscope.errors import InputError
from convscope.network.operations.checks import axis_index, dimensions, require_filled
from convscope.network.operations.registry import operation as register
from convscope.network.operations.shape_rules import reduced_shape


@register(part="summary", sees="map", relevance="shared")
def reduction(
    input: Tensor,
    *,
    operation: Literal["sum", "absolute_sum", "sum_of_squares", "mean"] = "sum",
    axis: int = 0,
    coefficient: float = 1.0,
) -> Tensor:
    """Return one number for all axes from `axis` on, times `coefficient`; from axis 0 it has no axes left."""
    require_filled(input, "reduction")
    axes = tuple(range(axis_index(axis, input), input.dim()))
    if operation == "mean":
        return coefficient * input.mean(axes)
    terms = {"absolute_sum": torch.abs, "sum_of_squares": torch.square}.get(operation)
    return coefficient * (input if terms is None else terms(input)).sum(axes)


Summary = Literal[
    "mean", "sum", "maximum", "minimum", "product", "l1", "l2", "sum_of_squares", "log_sum", "log_sum_exp"
]


@register(shape=reduced_shape, part="summary", sees="map", relevance="shared")
def reduce(
    input: Tensor,
    *,
    summary: Summary = "mean",
    axes: Sequence[int] | None = None,
    keep_axes: bool = True,
    empty_is_all: bool = False,
) -> Tensor:
    """Return one number for the axes given (for all of them with None): their mean, sum, largest number ...

    With `keep_axes` these axes stay, of size 1. Where there is no axis among `axes` each number is a summary of itself;
    with `empty_is_all` that means all axes, too.
    """
    along = range(input.dim()) if axes is None or (empty_is_all and not axes) else axes
    order = tuple(sorted({axis_index(axis, input) for axis in along}))
    if not input.numel():
        return _of_nothing(input, summary, order, keep_axes)
    if not order:
        return reduce(input.unsqueeze(-1), summary=summary, axes=(-1,), keep_axes=False)
    match summary:
        case "mean":
            return input.mean(order, keepdim=keep_axes)
        case "maximum":
            return input.amax(order, keepdim=keep_axes)
        case "minimum":
            return input.amin(order, keepdim=keep_axes)
        case "l2":
            length: Tensor = torch.linalg.vector_norm(input, 2, order, keepdim=keep_axes)
            return length
        case "log_sum_exp":
            return input.logsumexp(order, keepdim=keep_axes)
        case "product":
            for axis in reversed(order):
                input = input.prod(axis, keepdim=keep_axes)
            return input
        case "l1":
            return input.abs().sum(order, keepdim=keep_axes)
        case "sum_of_squares":
            return input.square().sum(order, keepdim=keep_axes)
        case "log_sum":
            return input.sum(order, keepdim=keep_axes).log()
        case "sum":
            return input.sum(order, keepdim=keep_axes)
    raise InputError(f"a summary is {', '.join(get_args(Summary))}; not {summary!r}")


_OF_NOTHING = {"product": 1.0, "log_sum": float("-inf"), "log_sum_exp": float("-inf")}


def _of_nothing(input: Tensor, summary: Summary, axes: Sequence[int], keep_axes: bool) -> Tensor:
    """Return the summaries of no numbers at all; a mean, or a largest one, is not among them."""
    if summary in ("mean", "maximum", "minimum"):
        require_filled(input, "a summary")
    sums = input.sum(tuple(axes), keepdim=keep_axes) if axes else input
    return torch.full_like(sums, _OF_NOTHING.get(summary, 0.0))


@register(sees="map")
def moments(input: Tensor, *, axes: Sequence[int], keep_axes: bool = False) -> tuple[Tensor, Tensor]:
    """Return the means and the variances along these axes."""
    require_filled(input, "moments")
    along = tuple(axes)
    return input.mean(along, keepdim=keep_axes), input.var(along, correction=0, keepdim=keep_axes)


@register(part="choice", sees="map")
def find_extreme(
    input: Tensor,
    *,
    axis: int = 0,
    keep_axis: bool = True,
    smallest: bool = False,
    last: bool = False,
) -> Tensor:
    """Return where along the axis the largest (or `smallest`) number is; of equal ones the first, or the `last`.

    Indices are whole numbers in the input's own type; it has no gradient.
    """
    require_filled(input, "an extreme")
    at = axis_index(axis, input)
    rows = input.flip(at) if last else input
    index = (rows.argmin if smallest else rows.argmax)(at, keepdim=keep_axis)
    return (input.shape[at] - 1 - index if last else index).to(input.dtype)


@register(part="choice", sees="map")
def argmax(input: Tensor, *, top_k: int = 1, axis: int | None = None, out_max_val: bool = False) -> Tensor:
    """Return where the `top_k` largest numbers are; of equal ones the one with the higher index comes first.

    Along `axis`: indices, or the numbers themselves with `out_max_val`. Without one, over each batch entry:
    (batch, 1, top_k), or (batch, 2, top_k) with the indices and then the numbers, with as many axes of size 1
    behind as the input had. Indices are whole numbers in the input's own type.
    """
    require_filled(input, "argmax")
    rows = input.reshape(input.shape[0], -1) if axis is None else input
    at = 1 if axis is None else axis_index(axis, input)
    if not 1 <= top_k <= rows.shape[at]:
        raise InputError(
            f"argmax of the {top_k} largest needs as many numbers, the input is {dimensions(input.shape)}"
        )
    index = _top_indices(rows, top_k, at)
    parts = [index.to(input.dtype)] if not out_max_val or axis is None else []
    parts += [rows.gather(at, index)] if out_max_val else []
    if axis is not None:
        return parts[0]
    return torch.stack(parts, 1).reshape(
        input.shape[0], len(parts), top_k, *(1 for _ in range(input.dim() - 3))
    )


def _top_indices(rows: Tensor, top_k: int, axis: int) -> Tensor:
    """Torch finds the first of equal numbers, so they are looked at from behind."""
    backwards = rows.flip(axis)
    if top_k == 1:
        return rows.shape[axis] - 1 - backwards.argmax(axis, keepdim=True)
    order = backwards.argsort(dim=axis, descending=True, stable=True)
    return rows.shape[axis] - 1 - order.narrow(axis, 0, top_k)
