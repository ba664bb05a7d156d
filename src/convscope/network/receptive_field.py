"""How much of the picture one position of a layer sees.

The arithmetic of Dumoulin and Visin, *A guide to convolution arithmetic* (2016), and Araujo et al., *Computing
receptive fields of convolutional neural networks* (Distill, 2019), walked over the graph.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import floor
from typing import Any

from convscope.network.axes import shape_channels_first
from convscope.network.graph import Graph, Operation
from convscope.network.operations import kind_of
from convscope.network.operations.checks import margins
from convscope.network.operations.registry import Pair, Window
from convscope.network.operations.windows import pair
from convscope.network.parameters import Shape


@dataclass(frozen=True)
class ReceptiveField:
    """What a layer's position (i, j) sees, in input pixels, as (vertical, horizontal) pairs.

    It sees the pixels from ``start + i * stride`` to ``start + i * stride + size - 1``; `start` is negative
    where padding is seen, and fractions come from layers that enlarge. A stride of 0 says that every position sees the
    same: behind a mean over the map, a gate made of one (squeeze and excitation), or attention, all there is.
    """

    size: Pair
    stride: Pair
    start: Pair

    def box(self, row: int, column: int) -> tuple[int, int, int, int]:
        """Return (top, left, bottom, right) of what one position sees, unclipped, ends excluded."""
        top, left = (
            floor(self.start[axis] + at * self.stride[axis]) for axis, at in enumerate((row, column))
        )
        return top, left, top + int(self.size[0]), left + int(self.size[1])

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
    fields: dict[str, ReceptiveField | None] = {
        name: ReceptiveField(pair(1), pair(1), pair(0)) if len(shape) == 4 else None
        for name, shape in graph.inputs.items()
    }
    if graph.channels_last:
        shapes = {value: shape and shape_channels_first(shape) for value, shape in shapes.items()}
    for operation in graph.operations:
        field = _field(operation, fields, shapes, graph.parameters.shapes, gates)
        fields.update(dict.fromkeys(operation.outputs, field))
    return fields


def _field(
    operation: Operation,
    fields: Mapping[str, ReceptiveField | None],
    shapes: Mapping[str, Shape | None],
    parameters: Mapping[str, Shape],
    gates: bool,
) -> ReceptiveField | None:
    first, shape = fields[operation.inputs[0]] if operation.inputs else None, shapes.get(operation.outputs[0])
    fields_read = [field for value in operation.inputs if (field := fields[value]) is not None]
    live, kind = "", kind_of(operation.kind)
    if operation.kind == "dynamic":  # its parameters are its last inputs
        kind, roles = kind_of(operation.attributes["kind"]), operation.attributes["roles"]
        live = dict(zip(roles[::-1], operation.inputs[::-1], strict=False)).get("weight", "")
    if kind.sees == "first":
        fields_read = [] if first is None else [first]
    if not fields_read:
        return None
    if not gates and operation.kind != "concat":  # there, what is the same everywhere has channels of its own
        fields_read = [one for one in fields_read if all(one.stride)] or fields_read
    field = _union(fields_read)
    before = shapes.get(operation.inputs[0])
    if before is None or shape is None or len(before) != 4:
        return field
    if rule := kind.window:
        weight = parameters.get(operation.parameters.get("weight", ""), ()) or shapes.get(live) or ()
        return _seen_through(
            field, rule(_with_numeric_padding(operation.attributes, weight, before[2:]), weight)
        )
    if operation.kind == "dense" and len(shape) == 4 and shape[2:] == before[2:]:
        return field  # at each position by itself
    if kind.sees == "map" or len(shape) != 4 or (shape[2:] != before[2:] and max(shape[2:]) == 1):
        extent = (Fraction(before[2]), Fraction(before[3]))
        return _seen_through(field, (extent, pair(0), pair(0)))
    return field


def _with_numeric_padding(attributes: Mapping[str, Any], weight: Shape, sizes: Shape) -> Mapping[str, Any]:
    """Return the attributes with the padding before the first position in numbers, for an input of this size."""
    padding = attributes.get("padding", 0)
    if not isinstance(padding, str):
        return attributes if isinstance(padding, int) else {**attributes, "padding": padding[:2]}
    kernel, stride = attributes.get("kernel", weight[2:]), attributes.get("stride", 1)
    borders = margins(padding, sizes, kernel, stride, attributes.get("dilation", 1))
    return {**attributes, "padding": tuple(before for before, _ in borders)}


def _seen_through(field: ReceptiveField, window: Window) -> ReceptiveField:
    kernel, stride, padding = window
    axes = (0, 1)
    return ReceptiveField(
        size=_per_axis(lambda a: field.size[a] + (kernel[a] - 1) * field.stride[a], axes),
        stride=_per_axis(lambda a: field.stride[a] * stride[a], axes),
        start=_per_axis(lambda a: field.start[a] - padding[a] * field.stride[a], axes),
    )


def _union(fields: list[ReceptiveField]) -> ReceptiveField:
    axes = (0, 1)
    start = _per_axis(lambda a: min(field.start[a] for field in fields), axes)
    end = _per_axis(lambda a: max(field.start[a] + field.size[a] for field in fields), axes)
    strides = [[field.stride[a] for field in fields] for a in axes]
    return ReceptiveField(
        _per_axis(lambda a: end[a] - start[a], axes),
        _per_axis(lambda a: min(strides[a]) and max(strides[a]), axes),
        start,
    )


def _per_axis(function: Callable[[int], Fraction], axes: tuple[int, int]) -> Pair:
    return function(axes[0]), function(axes[1])
