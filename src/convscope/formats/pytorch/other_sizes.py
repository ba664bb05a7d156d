"""Whether a module is the same network for more pictures and for other sizes than it was traced for.

Sizes are followed as far as they are arithmetic, and what is decided by them is noted, a plain number made of one
(`int(x.shape[0])`) among it. A loop over the pictures shows where the module is traced once more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations, takewhile
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor

from convscope.errors import ConvscopeError, UnsupportedLayer
from convscope.formats.decisions import Decision
from convscope.formats.pytorch.traced import Traced
from convscope.formats.pytorch.values import TraceStep
from convscope.formats.sizes import Axis, axes_of
from convscope.network.parameters import Shape

Named: TypeAlias = Callable[[], tuple[list[int], list[tuple[int, int]]]]
Retrace: TypeAlias = Callable[[Mapping[str, Shape]], Traced]
# Of what has one shape at one size and is stretched at another: the operation that stretches is right for both.
_STRETCHED = {"eltwise_sum": "add", "eltwise_product": "multiply"}
# At sizes that the code names: so many, no larger, and not more steps in all.
_MOST, _LARGEST, _LONGEST = 48, 1024, 4000
_SAME, _OTHERWISE, _ANOTHER = "the same steps", "others, by what was decided", "others"


class Limits(NamedTuple):
    """What a traced module is right for: so many pictures, its own size, or where the decisions come out the same."""

    of_batch: bool = False
    of_size: bool = False
    decisions: Sequence[Decision] = ()


def limits(traced: Traced, retrace: Retrace, *, blind: bool = False, named: Named | None = None) -> Limits:
    """Return what a module is right for, told by what it does with more pictures and at other sizes.

    Where decisions are not seen, `blind`, it is looked at more sizes; where the code got a size that nothing was seen
    to read, at some that are much larger and smaller, and at those that its code names: `named` gives them.
    """
    pictures = all(len(shape) == 4 for shape in traced.inputs.values())
    again = _at(traced, retrace, _larger, 1) if pictures else None
    for_any = again is not None and _compared(traced, again) == _SAME
    unseen = blind or any(_varies(("", axis, 0), traced, _some(again)) for axis in traced.decisions.unseen)
    if for_any and not traced.decisions.made and not unseen:
        return Limits()
    if not for_any and not _repeats(traced, retrace):
        raise UnsupportedLayer(
            "the network answers otherwise each time it is run on the same picture: it draws random numbers"
        )
    more = again if for_any else _at(traced, retrace, _equal_size, 1)
    of_batch = more is not None and _compared(traced, more) != _SAME
    others = [] if for_any or not pictures else _some(_at(traced, retrace, _larger))
    others += [more] if for_any and more else []
    if pictures:
        others += _some(_at(traced, retrace, _smaller))
        numbers = any(
            is_number(made) and _varies(made.terms, traced, others) for made in traced.decisions.made
        )
        far = (_far, _quarter, _eighth) if unseen or numbers else ()
        for sample in (*far, _rounder, _half, _threefold):
            if (
                sample in far
                or blind
                or numbers
                or _SAME not in {_compared(traced, other) for other in others}
            ):
                others += _some(_at(traced, retrace, sample))
        if named and (unseen or numbers):
            others += _at_named_sizes(traced, retrace, others, named)
    outcomes = {_compared(traced, other) for other in others}
    of_size = _ANOTHER in outcomes or outcomes == {_OTHERWISE}
    others += _some(more)
    relevant = _relevant(traced, others)
    return Limits(of_batch, of_size, [*relevant, *_bounds(traced, others, relevant)])


def _at_named_sizes(traced: Traced, retrace: Retrace, others: Sequence[Traced], named: Named) -> list[Traced]:
    """Return the traces where a size that went unseen is a number that stands in the code; of long ones only a few."""
    (rows, columns), *more = (shape[-2:] for shape in traced.inputs.values())
    if more:
        return []
    series = {
        made.terms: [
            (one.inputs, again.outcome)
            for one in (traced, *others)
            for again in one.decisions.made
            if again.terms == made.terms
        ]
        for made in traced.decisions.made
        if is_number(made) and not _says_only(made.place)
    }
    series |= {
        ("", axis, 0): [(one.inputs, one.measured[axis]) for one in (traced, *others) if axis in one.measured]
        for axis in traced.decisions.unseen
        if isinstance(axis, Axis)
    }
    growths = dict.fromkeys(growth for pairs in series.values() for growth in _growths(pairs))
    numbers, sizes = named()
    wanted = [(a, b) for pair in sizes for a, b in (pair, pair[::-1])] + [(one, one) for one in numbers]
    asked = {
        (round(start + growth * high), round(start + growth * wide)): None
        for start, growth in growths
        for high, wide in wanted
    }
    most = max(_LARGEST, 4 * max(rows, columns))
    known = {tuple(shape[-2:]) for one in (traced, *others) for shape in one.inputs.values()}
    sizes_there = [size for size in asked if min(size) > 0 and max(size) <= most and size not in known]
    count = min(len(sizes_there), _LONGEST // max(1, len(traced.steps)), _MOST)
    found: list[Traced] = []
    for high, wide in sizes_there[:count]:
        found += _some(_at(traced, retrace, lambda *_, size=(high, wide): size))
    return found


def _growths(pairs: Sequence[tuple[Mapping[str, Shape], Any]]) -> Iterator[tuple[float, float]]:
    """Yield which sizes of the input give which numbers, rows or columns: the size for 0, and that for each more."""
    numbers = [number for _, number in pairs]
    if not numbers or min(numbers) == max(numbers):
        return
    (low, first), (high, last) = (
        pick(pairs, key=lambda pair: (pair[1], min(next(iter(pair[0].values()))[-2:]))) for pick in (min, max)
    )
    for axis in (-2, -1):
        start, end = (next(iter(inputs.values()))[axis] for inputs in (low, high))
        growth = (end - start) / (last - first)
        if growth > 0:
            yield start - growth * first, growth


def _says_only(place: str) -> bool:
    """Whether a line of code that a number went into only says something."""
    return any(word in place for word in ("assert", "print(", "warn", ".debug(", ".info(", "raise "))


def _repeats(traced: Traced, retrace: Retrace) -> bool:
    """Whether a module does the same once more: one that draws random numbers, NumPy's say, has others each time."""
    once_more = _at(traced, retrace, _equal_size)
    return once_more is None or _compared(traced, once_more) == _SAME


def _some(traced: Traced | None) -> list[Traced]:
    return [] if traced is None else [traced]


def _equal_size(rows: int, columns: int) -> tuple[int, int]:
    return rows, columns


def _larger(rows: int, columns: int) -> tuple[int, int]:
    return rows + 33, columns + 65


def _rounder(rows: int, columns: int) -> tuple[int, int]:
    return rows + 64, columns + 64


def _smaller(rows: int, columns: int) -> tuple[int, int]:
    return rows - rows // 3, columns - columns // 4


def _half(rows: int, columns: int) -> tuple[int, int]:
    return rows // 2, columns // 2


def _threefold(rows: int, columns: int) -> tuple[int, int]:
    return 3 * rows, 3 * columns


def _far(rows: int, columns: int) -> tuple[int, int]:
    times = 8 if rows * columns <= 2**14 else 4  # what is made of sizes past torch's functions takes memory
    return times * rows, times * columns


def _quarter(rows: int, columns: int) -> tuple[int, int]:
    return max(2, rows // 4), max(2, columns // 4)


def _eighth(rows: int, columns: int) -> tuple[int, int]:
    return max(2, rows // 8), max(2, columns // 8)


def _at(
    traced: Traced, retrace: Retrace, size: Callable[[int, int], tuple[int, int]], more: int = 0
) -> Traced | None:
    """Return the trace for another size and so many pictures more; None where the module does not take that."""
    inputs = {
        name: (shape[0] + more, *shape[1:-2], *size(*shape[-2:]))
        if len(shape) == 4
        else (shape[0] + more, *shape[1:])
        for name, shape in traced.inputs.items()
    }
    try:
        return retrace(inputs)
    except ConvscopeError:  # which it says when it gets one
        return None


def _compared(one: Traced, other: Traced) -> str:
    ends = len(one.steps), one.outputs
    if ends == (len(other.steps), other.outputs) and _same_steps(one.steps, other.steps):
        return _SAME
    decision = _parting(one, other)
    parted = decision is not None and _same_steps(one.steps[: decision.step], other.steps)
    return _OTHERWISE if parted else _ANOTHER


def _parting(one: Traced, other: Traced) -> Decision | None:
    """Return the first decision that came out otherwise."""
    for before, after in zip(one.decisions.made, other.decisions.made, strict=False):
        if before.terms != after.terms:
            return None
        if before.outcome != after.outcome:
            return before
    return None


def _relevant(traced: Traced, others: Sequence[Traced]) -> list[Decision]:
    """Return the decisions that may come out otherwise at another size, and then change what is done."""
    alike = [traced, *(other for other in others if _compared(traced, other) == _SAME)]
    partings = [_parting(traced, other) for other in others if _compared(traced, other) != _SAME]
    parting = {decision.terms for decision in partings if decision}
    parting |= {terms for other in others for terms in _numbers_otherwise(traced, other)}
    return [
        decision
        for decision in traced.decisions.made
        if (decision.terms in parting or decision.terms not in _idle(alike))
        and _varies(decision.terms, traced, others)
    ]


def _numbers_otherwise(one: Traced, other: Traced) -> Iterator[Any]:
    """Yield the numbers that went unseen before two traces part: each may be why, where the first of them is one."""
    parting = _parting(one, other)
    if parting is None or not is_number(parting) or _compared(one, other) == _SAME:
        return
    for pair in takewhile(_of_same_terms, zip(one.decisions.made, other.decisions.made, strict=False)):
        if is_number(pair[0]) and pair[0].outcome != pair[1].outcome:
            yield pair[0].terms


def _idle(alike: Sequence[Traced]) -> set[Any]:
    """Return the decisions that change nothing, of traces with the same steps.

    One that alone came out otherwise is such a decision, and so is one that came out otherwise beside such ones only:
    of ``rows > 20 or columns > 20``, either changes nothing, and both together do. Numbers are looked at by themselves.
    """
    pairs = [
        list(zip(one.decisions.made, two.decisions.made, strict=False)) for one, two in combinations(alike, 2)
    ]
    idle = {
        one.terms
        for pair in pairs
        for one, two in takewhile(_of_same_terms, pair)
        if is_number(one) and one.outcome != two.outcome
    }
    flips = [
        {
            one.terms
            for one, two in zip(a.decisions.made, b.decisions.made, strict=True)
            if one.outcome != two.outcome
        }
        for a, b in combinations(alike, 2)
        if [one.terms for one in a.decisions.made] == [one.terms for one in b.decisions.made]
    ]
    while alone := {terms for flipped in flips if len(flipped - idle) == 1 for terms in flipped - idle}:
        idle |= alone
    return idle


def _of_same_terms(pair: tuple[Decision, Decision]) -> bool:
    return pair[0].terms == pair[1].terms


def _bounds(traced: Traced, others: Sequence[Traced], relevant: Sequence[Decision]) -> list[Decision]:
    """Return that sizes whose numbers went where nobody sees them are between those at which it was looked.

    There it made no difference. How many pictures there are is not bound.
    """
    bounds = []
    for made in traced.decisions.made:
        axes = axes_of(made.terms) if is_number(made) and made not in relevant else ()
        for axis in (one for one in axes if one.axis):
            seen = [one.measured[axis] for one in (traced, *others) if axis in one.measured]
            place = f"{made.place}, of which it was looked from {min(seen)} to {max(seen)}"
            if min(seen) < max(seen):
                bounds += [Decision(">=", axis, min(seen), True, made.step, place)]
                bounds += [Decision("<=", axis, max(seen), True, made.step, place)]
    return bounds


def is_number(decision: Decision) -> bool:
    """Whether a decision is a number that went where nobody sees it."""
    return not isinstance(decision.outcome, bool)


def _varies(terms: tuple[str, Any, Any], traced: Traced, others: Sequence[Traced]) -> bool:
    """Whether the sizes that something is made of are others elsewhere, as far as it was looked."""
    axes = [axis for axis in axes_of(terms) if axis in traced.measured]
    return not others or any(
        other.measured.get(axis) != traced.measured[axis] for axis in axes for other in others
    )


def _same_steps(some: Sequence[TraceStep], others: Sequence[TraceStep]) -> bool:
    return len(some) <= len(others) and all(map(_same, some, others))


def _same(one: TraceStep, other: TraceStep) -> bool:
    a, b = one.plan, other.plan
    return (
        (a.kind, a.inputs, a.attributes)
        == (_STRETCHED.get(b.kind, b.kind) if a.kind != b.kind else b.kind, b.inputs, b.attributes)
        and a.parameters.keys() == b.parameters.keys()
        and all(_equal(a.parameters[role], b.parameters[role]) for role in a.parameters)
    )


def _equal(one: Tensor, other: Tensor) -> bool:
    return one is other or (one.shape == other.shape and one.dtype == other.dtype and torch.equal(one, other))
