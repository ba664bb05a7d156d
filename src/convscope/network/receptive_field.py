"""How much of the picture one position of a layer sees.

The arithmetic of Dumoulin and Visin, *A guide to convolution arithmetic* (2016), and Araujo et al., *Computing
receptive fields of convolutional neural networks* (Distill, 2019), walked over the graph.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil, floor, lcm
from operator import sub
from typing import Any, TypeAlias

from convscope.network.axes import shape_channels_first
from convscope.network.graph import Graph, Operation
from convscope.network.operations import kind_of
from convscope.network.operations.checks import margins
from convscope.network.operations.registry import Pair, Window
from convscope.network.operations.windows import pair
from convscope.network.parameters import Shape
from convscope.network.resized_window import resized_window
from convscope.network.staircase import Staircase, outermost

Borders: TypeAlias = tuple[Staircase, Staircase]
"""The first and the last pixel that each position of an axis sees."""
_Seen: TypeAlias = tuple[Borders, Borders]  # down and across


@dataclass(frozen=True)
class ReceptiveField:
    """What a layer's position (i, j) sees, in input pixels, as (vertical, horizontal) pairs.

    It sees at most `size` pixels, from about ``start + i * stride`` on, never before that; `start` is negative where
    padding is seen. Behind layers that enlarge, positions begin at steps: `borders` has the exact first and last pixels
    of each axis, without which those in between are counted by the formula. A stride of 0 says that every position sees
    the same: behind a mean over the map, a gate made of one (squeeze and excitation), or attention, all there is.
    """

    size: Pair
    stride: Pair
    start: Pair
    borders: tuple[Borders, Borders] | None = field(default=None, repr=False)

    def box(self, row: int, column: int) -> tuple[int, int, int, int]:
        """Return (top, left, bottom, right) of what one position sees, unclipped, ends excluded."""
        if self.borders is not None:
            (tops, bottoms), (lefts, rights) = self.borders
            return tops[row], lefts[column], bottoms[row] + 1, rights[column] + 1
        top, left = (self.start[axis] + at * self.stride[axis] for axis, at in enumerate((row, column)))
        return ceil(top), ceil(left), floor(top + self.size[0]), floor(left + self.size[1])

    def enclosing(self) -> ReceptiveField:
        """Return the field without exact borders, its size as large as holds them all."""
        if self.borders is None:
            return self
        ends = _per_axis(lambda a: _offset(self.borders[a][1], max) + 1)  # type: ignore[index]
        return ReceptiveField(_per_axis(lambda a: ends[a] - self.start[a]), self.stride, self.start)

    def __str__(self) -> str:
        return extent_in_words(*map(float, self.size))


def extent_in_words(height: float, width: float) -> str:
    """Return how much is seen as it is shown: 7, or 3x11 where the sides differ."""
    return f"{height:g}" if height == width else f"{height:g}x{width:g}"


def receptive_fields(
    graph: Graph, shapes: Mapping[str, Shape | None], *, gates: bool = True
) -> dict[str, ReceptiveField | None]:
    """Return what one position of each value sees; None where the question has no answer.

    A value after a fully-connected layer sees all that the layer's input sees. Without `gates`, what is the same at
    every position (a gate of squeeze and excitation, what attention adds) is left out where it meets what is not: what
    a position sees on the way that keeps places apart.
    """
    itself = (Staircase((0,), 1),) * 2
    seen: dict[str, _Seen | None] = {
        name: (itself, itself) if len(shape) == 4 else None for name, shape in graph.inputs.items()
    }
    if graph.channels_last:
        shapes = {value: shape and shape_channels_first(shape) for value, shape in shapes.items()}
    for operation in graph.operations:
        seen_here = _seen(operation, seen, shapes, graph.parameters.shapes, gates)
        seen.update(dict.fromkeys(operation.outputs, seen_here))
    return {value: borders and _field(borders) for value, borders in seen.items()}


def _field(borders: _Seen) -> ReceptiveField:
    """Return what the borders of both axes say; with only what is needed where every position steps alike."""
    size = _per_axis(lambda a: max(map(sub, *_over_a_period(borders[a]))) + 1)
    stride = _per_axis(lambda a: borders[a][0].slope)
    start = _per_axis(lambda a: _offset(borders[a][0], min))
    steps = any(len(border.values) > 1 for axis in borders for border in axis)
    return ReceptiveField(size, stride, start, borders if steps else None)


def _over_a_period(borders: Borders) -> tuple[list[int], list[int]]:
    """Return the last and the first pixels until they repeat."""
    first, last = borders
    period = lcm(len(first.values), len(last.values))
    return [last[at] for at in range(period)], [first[at] for at in range(period)]


def _offset(border: Staircase, choose: Callable[[Iterable[Fraction]], Fraction]) -> Fraction:
    """Return the border's outermost distance from a straight line through 0 with its slope."""
    return choose(value - at * border.slope for at, value in enumerate(border.values))


def _seen(
    operation: Operation,
    seen: Mapping[str, _Seen | None],
    shapes: Mapping[str, Shape | None],
    parameters: Mapping[str, Shape],
    gates: bool,
) -> _Seen | None:
    first, shape = seen[operation.inputs[0]] if operation.inputs else None, shapes.get(operation.outputs[0])
    read = [one for value in operation.inputs if (one := seen[value]) is not None]
    live, kind = "", kind_of(operation.kind)
    if operation.kind == "dynamic":  # its parameters are its last inputs
        kind, roles = kind_of(operation.attributes["kind"]), operation.attributes["roles"]
        live = dict(zip(roles[::-1], operation.inputs[::-1], strict=False)).get("weight", "")
    if kind.sees == "first":
        read = [] if first is None else [first]
    if not read or kind.from_shapes:  # what is worked out of a size (how wide a border is) sees no pixel
        return None
    if not gates and operation.kind != "concat":  # there, what is the same everywhere has channels of its own
        read = [one for one in read if all(first.slope for first, _ in one)] or read
    together = _union(read)
    before = shapes.get(operation.inputs[0])
    if before is None or shape is None or len(before) != 4:
        return together
    if rule := kind.window:
        weight = parameters.get(operation.parameters.get("weight", ""), ()) or shapes.get(live) or ()
        if operation.kind == "pad" and len(operation.inputs) > 1:
            return _seen_through(together, before[2:], _border_window(before, shape))
        attributes = operation.attributes
        if operation.kind != "pad":  # whose border may have other axes
            attributes = _with_numeric_padding(attributes, weight, before[2:])
        return _seen_through(together, before[2:], rule(attributes, weight))
    if operation.kind == "dense" and len(shape) == 4 and shape[2:] == before[2:]:
        return together  # at each position by itself
    if len(shape) == 4 and (window := resized_window(operation, before[2:], shape[2:])):
        return _seen_through(together, before[2:], window)
    if kind.sees == "map" or len(shape) != 4 or (shape[2:] != before[2:] and max(shape[2:]) == 1):
        extent = (Fraction(before[2]), Fraction(before[3]))
        return _seen_through(together, before[2:], (extent, pair(0), pair(0)))
    return together


def _border_window(before: Shape, after: Shape) -> Window:
    """Return what each position may see behind a border whose widths are worked out as the network runs."""
    rows, columns = (Fraction(after[axis] - before[axis]) for axis in (2, 3))
    none = Fraction(0)
    return (1 + abs(rows), 1 + abs(columns)), pair(1), (max(rows, none), max(columns, none))


def _with_numeric_padding(attributes: Mapping[str, Any], weight: Shape, sizes: Shape) -> Mapping[str, Any]:
    """Return the attributes with the padding before the first position in numbers, for an input of this size."""
    padding = attributes.get("padding", 0)
    if not isinstance(padding, str):
        return attributes if isinstance(padding, int) else {**attributes, "padding": padding[:2]}
    kernel, stride = attributes.get("kernel", weight[2:]), attributes.get("stride", 1)
    borders = margins(padding, sizes, kernel, stride, attributes.get("dilation", 1))
    return {**attributes, "padding": tuple(before for before, _ in borders)}


def _seen_through(seen: _Seen, lengths: Shape, window: Window) -> _Seen:
    down, across = (_through(seen[axis], lengths[axis], *(part[axis] for part in window)) for axis in (0, 1))
    return down, across


def _through(borders: Borders, length: int, kernel: Fraction, stride: Fraction, padding: Fraction) -> Borders:
    first, last = borders
    begin = first.at_steps(stride, lambda at: ceil(at * stride - padding))
    end = last.at_steps(stride, lambda at: floor(at * stride - padding + kernel - 1))
    if begin is None or end is None:  # no end of different steps: rather more than less
        return (Staircase((first[0],), 0), Staircase((last[length - 1],), 0))
    return begin, end


def _union(seen: list[_Seen]) -> _Seen:
    down, across = (
        (outermost([one[axis][0] for one in seen], min), outermost([one[axis][1] for one in seen], max))
        for axis in (0, 1)
    )
    return down, across


def _per_axis(function: Callable[[int], Fraction | int]) -> Pair:
    return Fraction(function(0)), Fraction(function(1))
