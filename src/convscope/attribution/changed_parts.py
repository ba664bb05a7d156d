"""Where a part of a picture shows something else, only what that part reaches runs again: exactly, and for less.

A layer near the picture sees a few pixels at each position. So a window that is covered changes a window of its
answers; that is computed from a crop a little larger, and the rest is what the layer answers to the whole picture. Each
stage's window is larger; the network runs on in full where it is most of the map.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod

import torch
from torch import Tensor

from convscope.address import Address
from convscope.attribution.target import AttributionTarget
from convscope.errors import InputError
from convscope.looking.main_line import main_line
from convscope.network.engine.runner import Runner
from convscope.network.graph import Graph, Operation
from convscope.network.operations import kind_of
from convscope.network.parameters import Shape
from convscope.network.receptive_field import receptive_fields
from convscope.network.shapes import infer_shapes
from convscope.network.tail import constant_values

Span = tuple[int, int]
Box = tuple[Span, ...]
"""A window: where it begins and ends on each axis, of a picture its rows and its columns."""
_MOST = 0.6  # of a map: where more changes, all of it is computed
_WINDOWS = ("convolution", "max_pool", "average_pool", "lrn_within_channel")
_AT_EACH_POSITION = (
    *("lrn_across_channels", "lrn_of_even_size", "batch_norm", "scale", "bias", "prelu", "add", "multiply"),
    *("concat", "eltwise_sum", "eltwise_product", "eltwise_max", "subtract"),
)


@dataclass(frozen=True)
class Axis:
    """How positions of one value see those of another along an axis: `size` positions of it, `stride` apart.

    Position i sees from ``i * stride - padding``. ``before`` and ``after`` are how many positions both have.
    """

    size: int
    stride: int
    padding: int
    before: int
    after: int

    def reached(self, span: Span) -> Span:
        """Return the positions that see something of a span: at least one, whether it does or not."""
        first = (span[0] + self.padding - self.size) // self.stride + 1
        first = min(max(0, first), self.after - 1)
        return first, max(first + 1, min(self.after, (span[1] - 1 + self.padding) // self.stride + 1))

    def needed(self, span: Span) -> Span:
        """Return what a span of positions sees, within the map."""
        first, last = span[0] * self.stride - self.padding, (span[1] - 1) * self.stride - self.padding
        return max(0, first), min(self.before, last + self.size)

    def crop_size(self, spans: Sequence[Span]) -> int:
        """Return how long crops are that hold what each span of positions needs, all of one length.

        They begin at a multiple of the stride and may end where the map ends, so a crop's positions are the map's.
        """
        needs = map(self.needed, spans)
        longest = max(end - begin // self.stride * self.stride for begin, end in needs)
        return self.before - max(0, self.before - longest) // self.stride * self.stride

    def crop(self, span: Span, size: int) -> int:
        """Return where the crop for a span of positions begins."""
        return min(self.needed(span)[0] // self.stride * self.stride, self.before - size)


@dataclass(frozen=True)
class Stage:
    """The operations from one value that every path goes through to the next, each position by what it sees."""

    before: str
    after: str
    rows: Axis
    columns: Axis
    runner: Runner

    def reached(self, box: Box) -> Box:
        """Return the positions that see something of a box."""
        return self.rows.reached(box[0]), self.columns.reached(box[1])


class ChangedParts:
    """A target's answers to one picture, a box of which shows `instead`, for boxes of about one size.

    ``layer`` is the value up to which only what a box reaches is computed; None where that does not pay.

    >>> parts = ChangedParts(target, baseline, [((0, 45), (0, 45)), ((0, 45), (15, 60))])
    >>> parts.answers(parts.boxes[:1]).shape  # of parts.layer
    torch.Size([1, 128, 28, 28])
    """

    def __init__(self, target: AttributionTarget, instead: Tensor, boxes: Sequence[Box]) -> None:
        self.target, self.instead, self.boxes = target, instead, list(boxes)
        self._first = 1 if target.network.graph.channels_last else 2  # the axis of the rows
        self.stages: list[Stage] = []
        self._sizes: list[Span] = []
        reached = self.boxes
        for stage in _stages(target):
            reached = [stage.reached(box) for box in reached]
            size = (
                stage.rows.crop_size([rows for rows, _ in reached]),
                stage.columns.crop_size([columns for _, columns in reached]),
            )
            if prod(size) > _MOST * stage.rows.before * stage.columns.before:
                break
            self.stages.append(stage)
            self._sizes.append(size)

    @property
    def layer(self) -> str | None:
        """The value that `answers` are of."""
        return self.stages[-1].after if self.stages else None

    @cached_property
    def _known(self) -> dict[str, Tensor]:
        """What the picture itself is answered with, where a stage begins or ends."""
        names = dict.fromkeys(name for stage in self.stages for name in (stage.before, stage.after))
        with torch.no_grad():
            return self.target.network.activations(self.target.input, *map(Address, names))

    def answers(self, boxes: Sequence[Box]) -> Tensor:
        """Return what `layer` answers where each box shows something else, in the network's own order of axes."""
        boxes, parts = list(boxes), [self._at(self.instead, box) for box in boxes]
        for stage, size in zip(self.stages, self._sizes, strict=True):
            whole, reached = self._known[stage.before], [stage.reached(box) for box in boxes]
            crops, places = [], []
            for part, box, (rows, columns) in zip(parts, boxes, reached, strict=True):
                top, left = stage.rows.crop(rows, size[0]), stage.columns.crop(columns, size[1])
                frame = ((top, top + size[0]), (left, left + size[1]))
                crops.append(self._pasted(self._at(whole, frame), part, box, frame))
                down, across = top // stage.rows.stride, left // stage.columns.stride
                places.append(((rows[0] - down, rows[1] - down), (columns[0] - across, columns[1] - across)))
            after = stage.runner.run({stage.before: torch.cat(crops)}, (stage.after,))[stage.after]
            boxes, parts = (
                reached,
                [self._at(one, place) for one, place in zip(torch.split(after, 1), places, strict=True)],
            )
        assert self.layer is not None
        whole = self._known[self.layer]
        everything = (0, whole.shape[self._first]), (0, whole.shape[self._first + 1])
        return torch.cat(
            [self._pasted(whole, part, box, everything) for part, box in zip(parts, boxes, strict=True)]
        )

    def _at(self, value: Tensor, box: Box) -> Tensor:
        (top, bottom), (left, right) = box
        return value.narrow(self._first, top, bottom - top).narrow(self._first + 1, left, right - left)

    def _pasted(self, below: Tensor, part: Tensor, box: Box, frame: Box) -> Tensor:
        """Return a copy of what stands in a frame with a part pasted where its box is, as far as that is inside."""
        (top, bottom), (left, right) = (
            (max(begin, first), min(end, last))
            for (begin, end), (first, last) in zip(box, frame, strict=True)
        )
        copy = below.clone()
        own = self._at(part, ((top - box[0][0], bottom - box[0][0]), (left - box[1][0], right - box[1][0])))
        inside = ((top - frame[0][0], bottom - frame[0][0]), (left - frame[1][0], right - frame[1][0]))
        self._at(copy, inside).copy_(own)
        return copy


def _stages(target: AttributionTarget) -> Iterator[Stage]:
    """Yield the stages from the picture on, as long as each position of the next sees a window alone."""
    network, graph = target.network, target.network.graph
    if len(graph.inputs) != 1 or target.channels_last != graph.channels_last:
        return
    before = next(iter(graph.inputs))
    shape: Shape = tuple(target.input.shape)
    operations: list[Operation] = []  # from there on, as long as nothing spreads on this way
    inside, spreads = {before}, False
    for after, segment in _segments(target):
        operations += segment
        inside.update(value for operation in segment for value in operation.outputs)
        if not all(_is_local(graph, one) and inside.issuperset(one.inputs) for one in segment):
            return
        spreads = spreads or any(_spreads(graph, one) for one in segment)
        if not spreads:
            continue
        part = Graph(
            graph.name,
            {before: shape},
            tuple(operations),
            (after,),
            graph.parameters,
            channels_last=graph.channels_last,
        )
        try:
            shapes = infer_shapes(part, part.inputs, [after])
        except InputError:
            return
        axes = _axes(part, shapes, before, after)
        if axes is None:
            return
        yield Stage(before, after, *axes, Runner(part, network.device))
        before, shape = after, shapes[after] or ()
        operations, inside, spreads = [], {before}, False


def _segments(target: AttributionTarget) -> Iterator[tuple[str, list[Operation]]]:
    """Yield the values that every path goes through, before the targets, and the operations from each to the next."""
    graph = target.network.graph
    constants = constant_values(graph)  # which no line leads through
    needed = [one for one in graph.needed_for(target.layers) if not constants.issuperset(one.outputs)]
    places = {value: place for place, operation in enumerate(needed) for value in operation.outputs}
    begin = 0
    for after in main_line(target.network, target.layers):
        if after in target.layers:
            return
        end = places[after] + 1
        yield after, needed[begin:end]
        begin = end


def _spreads(graph: Graph, operation: Operation) -> bool:
    """Whether a position of what an operation makes sees another than its own."""
    window = kind_of(operation.kind).window
    if window is None:
        return False
    weight = graph.parameters.shapes.get(operation.parameters.get("weight", ""), ())
    size, stride, _ = window({**operation.attributes, "padding": 0}, weight)
    return max(*size, *stride) > 1


def _axes(
    graph: Graph, shapes: Mapping[str, Shape | None], before: str, after: str
) -> tuple[Axis, Axis] | None:
    """Return how positions of the last value see the first, down and across; None where that is no window."""
    field, first = receptive_fields(graph, shapes)[after], 1 if graph.channels_last else 2
    sizes = [shapes[value] or () for value in (before, after)]
    if field is None or any(len(size) != 4 for size in sizes):
        return None
    numbers = [(field.size[axis], field.stride[axis], -field.start[axis]) for axis in (0, 1)]
    if field.borders is not None or not all(row[1] for row in numbers):
        return None
    rows, columns = (
        Axis(int(size), int(stride), int(padding), *(shape[first + axis] for shape in sizes))
        for axis, (size, stride, padding) in enumerate(numbers)
    )
    return rows, columns


def _is_local(graph: Graph, operation: Operation) -> bool:
    """Whether each position is computed from a window around it, everywhere in the same way."""
    if operation.kind in _WINDOWS:
        return len(operation.inputs) == 1 and operation.channels_last == graph.channels_last
    known = kind_of(operation.kind).pointwise or operation.kind in _AT_EACH_POSITION
    shapes = [graph.parameters.shapes[key] for key in operation.parameters.values()]
    axis = operation.attributes.get("axis", 1)
    return known and axis == 1 and all(_is_of_channels(operation.kind, shape) for shape in shapes)


def _is_of_channels(kind: str, shape: Shape) -> bool:
    """Whether parameters are one number, or one a channel."""
    # These go over the last axes, which are a map's rows and columns.
    stretched = kind in {"add", "multiply", "subtract"}
    return (
        prod(shape) == 1
        or (len(shape) == 1 and not stretched)
        or (stretched and len(shape) >= 3 and prod(shape) == shape[-3])
    )
