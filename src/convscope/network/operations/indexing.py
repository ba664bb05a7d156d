"""Numbers looked up and written by indices that the network works out: the largest ones, entries, sums up to a place.

Indices are whole numbers in a float type, as all values are; below 0 they count from the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Literal

import torch
from torch import Tensor

from convscope.errors import InputError
from convscope.network.operations.checks import axis_index, dimensions, whole_numbers
from convscope.network.operations.registry import operation

Combination = Literal["none", "add", "mul", "max", "min"]
_SCATTERED = {"add": "sum", "mul": "prod", "max": "amax", "min": "amin"}


@operation(sees="map", reads_sizes=True, relevance="routed")
def top_k(
    input: Tensor, size: Tensor | None = None, *, count: int = 1, axis: int = -1, largest: bool = True
) -> tuple[Tensor, Tensor]:
    """Return the `count` largest (or smallest) numbers along an axis, in order, and where they were.

    Of equal ones the first comes first; a second input gives the count.
    """
    at = axis_index(axis, input)
    (how_many,) = whole_numbers(size, (count,))
    if not 0 <= how_many <= input.shape[at]:
        raise InputError(f"axis {at} of {dimensions(input.shape)} does not have {how_many} numbers")
    values, places = torch.sort(input, dim=at, descending=largest, stable=True)
    return values.narrow(at, 0, how_many), places.narrow(at, 0, how_many).to(input.dtype)


@operation(sees="map", relevance="routed")
def gather_elements(input: Tensor, index: Tensor, *, axis: int = 0) -> Tensor:
    """Return the number at each index along the axis, all other places being the index's own."""
    at = axis_index(axis, input)
    return input.gather(at, _counted(index, input.shape[at]))


@operation(sees="map")
def scatter_elements(
    input: Tensor, index: Tensor, updates: Tensor, *, axis: int = 0, combination: Combination = "none"
) -> Tensor:
    """Return the input with each update written to (or added, multiplied ...) its index along the axis."""
    at = axis_index(axis, input)
    return _scattered(input, at, _counted(index, input.shape[at]), updates, combination)


@operation(sees="map", relevance="routed")
def gather_nd(input: Tensor, index: Tensor, *, batch_axes: int = 0) -> Tensor:
    """Return what lies where each row of indices points: as many axes as a row has, behind the `batch_axes`."""
    batch, depth = input.shape[:batch_axes], index.shape[-1]
    indexed, rest = input.shape[batch_axes : batch_axes + depth], input.shape[batch_axes + depth :]
    rows = input.reshape(prod(batch), prod(indexed), prod(rest))
    places = _flat_places(index, indexed).reshape(prod(batch), -1, 1).expand(-1, -1, rows.shape[2])
    return rows.gather(1, places).reshape((*batch, *index.shape[batch_axes:-1], *rest))


@operation(sees="map", relevance="routed")
def gather_in_batch(input: Tensor, index: Tensor, *, axis: int, batch_axes: int) -> Tensor:
    """Return what lies along an axis where the indices say; the first `batch_axes` axes of both are the same rows."""
    at = axis_index(axis, input)
    if not 0 < batch_axes <= min(at, index.dim()) or input.shape[:batch_axes] != index.shape[:batch_axes]:
        raise InputError(
            f"{dimensions(index.shape)} indices do not lie in the batch of {dimensions(input.shape)}"
        )
    rows = input.movedim(at, batch_axes)
    picked = gather_nd(rows, index.unsqueeze(-1), batch_axes=batch_axes)
    between, behind = at - batch_axes, index.dim() - batch_axes
    order = [
        *range(batch_axes + behind, batch_axes + behind + between),
        *range(batch_axes, batch_axes + behind),
    ]
    rest = range(batch_axes + behind + between, picked.dim())
    return picked.permute([*range(batch_axes), *order, *rest])


@operation(sees="map")
def scatter_nd(input: Tensor, index: Tensor, updates: Tensor, *, combination: Combination = "none") -> Tensor:
    """Return the input with each update written to (or added, multiplied ...) where its row of indices points."""
    depth = index.shape[-1]
    indexed, rest = input.shape[:depth], input.shape[depth:]
    rows = input.reshape(prod(indexed), prod(rest))
    places = _flat_places(index, indexed).reshape(-1, 1).expand(-1, rows.shape[1])
    result = _scattered(rows, 0, places, updates.reshape(places.shape), combination)
    return result.reshape(input.shape)


@operation(sees="map")
def spread_nd(index: Tensor, updates: Tensor, *, shape: Sequence[int]) -> Tensor:
    """Return zeros of a shape, with each update added where its row of indices points."""
    return scatter_nd(updates.new_zeros(tuple(shape)), index, updates, combination="add")


@operation(sees="map")
def one_hot(
    index: Tensor,
    values: Tensor | Sequence[float] = (0.0, 1.0),
    *,
    depth: int,
    axis: int = -1,
    from_behind: bool = True,
) -> Tensor:
    """Return a new axis of `depth` numbers for each index: the second of two values there, the first elsewhere.

    Negative indices count `from_behind`, or are nowhere.
    """
    at = axis % (index.dim() + 1)
    places = torch.arange(depth, device=index.device).reshape(-1, *[1] * (index.dim() - at))
    whole = index.long().unsqueeze(at)
    hit = (torch.where(whole < 0, whole + depth, whole) if from_behind else whole) == places
    numbers = torch.as_tensor(values, dtype=index.dtype, device=index.device)
    return torch.where(hit, numbers[1], numbers[0])


@operation(sees="map")
def cumulate(
    input: Tensor,
    *,
    axis: int,
    summary: Literal["sum", "product"] = "sum",
    exclusive: bool = False,
    reverse: bool = False,
) -> Tensor:
    """Return the sum (or the product) of all numbers up to each place along the axis.

    With `exclusive` without that number itself, with `reverse` from the end.
    """
    at = axis_index(axis, input)
    rows = input.flip(at) if reverse else input
    if exclusive and rows.shape[at]:
        first = torch.full_like(rows.narrow(at, 0, 1), 0.0 if summary == "sum" else 1.0)
        rows = torch.cat([first, rows.narrow(at, 0, rows.shape[at] - 1)], at)
    sums = rows.cumsum(at) if summary == "sum" else rows.cumprod(at)
    return sums.flip(at) if reverse else sums


@operation(sees="map")
def summarize_segments(
    input: Tensor, *, index: Sequence[int], count: int, summary: str = "sum", empty: float = 0.0
) -> Tensor:
    """Return the rows that have one number in `index` as one: their "sum", "mean", "prod", "amax" or "amin".

    There are `count` numbers; one that no row has gives `empty`, and a row with a negative number is left out.
    """
    if len(index) != len(input) or max(index, default=0) >= count:
        raise InputError(
            f"{len(index)} numbers below {count} do not name the rows of {dimensions(input.shape)}"
        )
    rows = [row for row, number in enumerate(index) if number >= 0]
    numbers = torch.tensor([index[row] for row in rows], device=input.device)
    start = input.new_full((count, *input.shape[1:]), empty)
    row_of = numbers.reshape(-1, *[1] * (input.dim() - 1)).expand(len(rows), *input.shape[1:])
    return start.scatter_reduce(0, row_of, input[rows], summary, include_self=False)


@operation(part="choice", sees="map")
def hard_max(input: Tensor, *, axis: int = -1, to_the_end: bool = False) -> Tensor:
    """Return 1 for the largest number along the axis (the first of equal ones) and 0 for all others."""
    at = axis_index(axis, input)
    rows = input.flatten(at) if to_the_end else input
    return torch.zeros_like(rows).scatter(at, rows.argmax(at, keepdim=True), 1.0).reshape(input.shape)


@operation(sees="map", relevance="routed")
def reverse_sequences(input: Tensor, lengths: Tensor, *, time_axis: int = 0, batch_axis: int = 1) -> Tensor:
    """Return each sequence of a batch from back to front, up to its own length; what lies behind stays."""
    steps = torch.arange(input.shape[time_axis], device=input.device)
    ends = lengths.long().reshape(-1, 1)
    order = torch.where(steps < ends, ends - 1 - steps, steps)  # (batch, time)
    order = order if batch_axis < time_axis else order.T
    shape = [size if axis in (time_axis, batch_axis) else 1 for axis, size in enumerate(input.shape)]
    return input.gather(time_axis, order.reshape(shape).expand(input.shape))


@operation(sees="map")
def select_where(input: Tensor, condition: Tensor, *, axis: int | None = None) -> Tensor:
    """Return the entries of an axis (of all numbers in a row without one) for which the condition is not 0.

    How many those are depends on the numbers, so this has no shape before it runs.
    """
    if condition.is_meta:
        raise NotImplementedError
    rows = input.flatten() if axis is None else input
    return rows.index_select(axis or 0, condition.reshape(-1).nonzero().squeeze(1))


@operation(sees="map")
def find_nonzero(input: Tensor, *, rows: bool = False) -> Tensor:
    """Return where the numbers are that are not 0: a column each, an axis a row; or with `rows` a row each."""
    if input.is_meta:
        raise NotImplementedError
    places = input.nonzero().to(input.dtype)
    return places if rows else places.T


@operation(sees="map")
def find_distinct(
    input: Tensor, *, axis: int | None = None, in_order: bool = True
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return the distinct numbers, where each first was, which of them stands at each place, and how often it occurs.

    With an axis these are its entries; without `in_order` they stay as they come first.
    """
    if input.is_meta:
        raise NotImplementedError
    at = 0 if axis is None else axis_index(axis, input)
    rows = input.flatten() if axis is None else input
    along = None if axis is None else at  # torch takes ten times the memory along an axis, be it the only one
    # torch has no derivative of this; the numbers taken out again by their places have one
    _, which, counts = torch.unique(rows.detach(), return_inverse=True, return_counts=True, dim=along)
    numbers = torch.arange(len(which), device=input.device)
    first = torch.full_like(counts, len(which)).scatter_reduce(0, which, numbers, "amin")
    if not in_order:
        order = first.argsort()
        first, counts = first[order], counts[order]
        which = order.argsort()[which]
    distinct = rows.index_select(at, first)
    return distinct, first.to(input.dtype), which.to(input.dtype), counts.to(input.dtype)


@operation
def diagonal_of_ones(input: Tensor, *, offset: int = 0) -> Tensor:
    """Return ones on a diagonal of a matrix of the input's size, zeros elsewhere."""
    return torch.ones_like(input).triu(offset).tril(offset)


@operation(affine=True)
def triangle(input: Tensor, *, diagonal: int = 0, upper: bool = True) -> Tensor:
    """Return a matrix with zeros below a diagonal, or above it where it is not `upper`."""
    return input.triu(diagonal) if upper else input.tril(diagonal)


@operation(affine=True)
def band(input: Tensor, *, below: int, above: int) -> Tensor:
    """Return of matrices, the last two axes, so many diagonals below the middle one and so many above."""
    return input.triu(-below).tril(above)


def _counted(index: Tensor, size: int) -> Tensor:
    """Return indices as whole numbers from the front; InputError where one is outside."""
    whole = index.long()
    looked_at = not (whole.is_meta or torch.compiler.is_compiling() or whole.numel() == 0)
    if looked_at and not -size <= int(whole.min()) <= int(whole.max()) < size:
        span = f"{int(whole.min())} to {int(whole.max())}"
        raise InputError(f"indices into {size} entries go from {-size} to {size - 1}, these are {span}")
    return torch.where(whole < 0, whole + size, whole)


def _flat_places(index: Tensor, sizes: Sequence[int]) -> Tensor:
    """Return one index for each row of indices, into the axes laid out in a row."""
    if len(sizes) != index.shape[-1]:
        raise InputError(f"indices of {index.shape[-1]} axes do not fit {dimensions(sizes)}")
    flat = torch.zeros(index.shape[:-1], dtype=torch.long, device=index.device)
    for column, size in enumerate(sizes):
        flat = flat * size + _counted(index[..., column], size)
    return flat


def _scattered(input: Tensor, axis: int, index: Tensor, updates: Tensor, combination: str) -> Tensor:
    if combination == "none":
        return input.scatter(axis, index, updates)
    if combination not in _SCATTERED:
        raise InputError(f"updates are written by none, {', '.join(_SCATTERED)}, not by {combination!r}")
    return input.scatter_reduce(axis, index, updates, _SCATTERED[combination])
