"""What each output of a network is: classes, a map of classes, a picture, boxes, tokens, a map, or plain numbers.

No format says it, so it is told from the output's shape beside the input's, from what made it, and, where numbers stand
alone, from its name: a softmax tells classes apart, what is as large as the picture and ends in a softmax or in a 1 x 1
convolution tells them apart at each place. What stays unclear is called by the plainer name, a map or a vector.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Literal

from convscope.network.axes import shape_channels_first
from convscope.network.graph import Graph, Operation
from convscope.network.operations import kind_of
from convscope.network.parameters import Shape
from convscope.network.producers import SQUASHING, answer_of, made_by, producer_of

Role = Literal["classes", "class map", "picture", "boxes", "tokens", "map", "vector"]

_LINEAR = ("bias", "scale", "power", "add", "multiply")
_COARSE = 8  # a map whose positions are so many pixels apart is a classifier's, looked at in several places
_ANCHORS, _KINDS = (1, 3, 5, 9), (1, 20, 80)  # of the YOLO family: boxes at a place, classes of VOC and COCO
_LANDMARKS = (136, 212, 936, 956, 1404, 1434)  # 68, 106, 468 and 478 points of a face
_WIDEST_TOKEN = 2_000  # numbers: the widest in use have 1,664
_EXTRA_TOKENS = (0, 1, 2, 5)  # a class's, a teacher's, registers
_NO_CLASSES = re.compile(
    r"(box|land_?mark|key_?point|coord|offset|loc|embed|descriptor|feature|regress|pose|angle|depth|age)s?(?![a-z])",
    re.IGNORECASE,
)
_SCORES = re.compile(r"score|conf|prob|class|cls|logit", re.IGNORECASE)


@dataclass(frozen=True)
class Output:
    """One output: its ``name`` in the network's format, and what it is.

    ``value`` is the address of the numbers to show (an argmax is looked through, to the scores it chose from);
    ``shape`` is theirs, that of maps channels first, None where it depends on the picture. ``labeled`` is True for
    classes that are as many as the labels. ``role`` is

    - "classes": one number a class, (batch, classes), or a classifier's coarse map of them;
    - "class map": one number a class at each place, (batch, classes, height, width): show the strongest, with a legend;
    - "picture": (batch, channels, height, width), at least as large as the input: show it as one;
    - "boxes": a detector's rows of coordinates and scores, or the maps it makes them of;
    - "tokens": (batch, tokens, numbers), the tokens a ``grid`` of places after some that are none;
    - "map": (batch, channels, height, width) of any other numbers; "vector": numbers of any other shape.

    ``cut`` is True for what is no output in the source, but the last before a cut.
    ``sure`` is False where a classifier is told by nothing but a last layer of numbers; ``of_boxes`` says
    what "boxes" has of them, where the corners are another output's.
    """

    name: str
    value: str
    role: Role
    shape: Shape | None
    grid: tuple[int, int] | None = None
    sure: bool = True
    labeled: bool = False
    of_boxes: Literal["corners", "scores", "numbers"] = "corners"
    cut: bool = False

    def __str__(self) -> str:
        shape = "" if self.shape is None else " × ".join(f"{size:,}" for size in self.shape[1:])
        count = "" if self.shape is None or len(self.shape) < 2 else f"{self.shape[1]:,} "
        words = {
            "classes": f"{count}{'class' if count == '1 ' else 'classes'}"
            + ("" if self.sure else ", as far as can be told"),
            "class map": f"a map of {count}classes" + (f", {shape}" if shape else ""),
            "picture": f"a picture, {shape}",
            "boxes": f"{'' if self.of_boxes == 'corners' else f'{self.of_boxes} of '}boxes, {shape}",
            "tokens": f"tokens, {shape}",
            "map": f"a map of numbers, {shape}",
            "vector": f"numbers, {shape or 'how many depends on the picture'}",
        }
        return f"{self.name}: {words[self.role]}{'; the network is cut behind it' if self.cut else ''}"


def find_outputs(
    graph: Graph, shapes: Mapping[str, Shape | None], labels: Sequence[str] | None = None
) -> tuple[Output, ...]:
    """Return what each output of a graph is, in the graph's order.

    >>> [str(output) for output in find_outputs(network.graph, network.shapes)]
    ['prob: 1,000 classes']
    """
    seen = _Context(graph, shapes, _picture(graph), 0 if labels is None else len(labels))
    outputs_of_graph = [
        _before_a_cut(seen, seen.output(name)) if name in graph.ends else seen.output(name)
        for name in graph.outputs
    ]
    outputs_of_graph = _without_codes(graph, outputs_of_graph)
    outputs_of_graph = [_beside_corners(graph, output, outputs_of_graph) for output in outputs_of_graph]
    with_shape = [output for output in outputs_of_graph if output.shape]
    classes = [output for output in with_shape if output.role == "classes"]
    rows = {output.shape[1] for output in with_shape if output.shape and output.role == "boxes"}
    beside = [_beside_others(graph, output, classes, rows) for output in outputs_of_graph]
    corners = {output.shape[1] for output in beside if output.shape and _has_corners(output)}
    return tuple(_of_boxes(graph, output, corners) for output in beside)


@dataclass(frozen=True)
class _Context:
    graph: Graph
    shapes: Mapping[str, Shape | None]
    picture: Shape | None
    labels: int

    def output(self, name: str) -> Output:
        value = answer_of(self.graph, name)
        if _is_of_places(self.shapes.get(name)) and not _is_of_places(self.shapes.get(value)):
            value = name  # a decoder's numbers, laid out as its picture
        shape = self.shapes.get(value)
        shape = shape if shape is not None and len(shape) == 3 else _channels_first(self.graph, shape)
        if shape is not None and len(shape) == 4 and shape[1:3] == (1, 1) and not self.graph.channels_last:
            shape = (shape[0], shape[3], 1, 1)  # the channels last, in a graph that has them first
        output = Output(self._output_name(name), value, "vector", shape)
        if shape is None or len(shape) < 2:
            of_classes = shape is None and made_by(self.graph, value) == "softmax"
            return replace(output, role="classes" if of_classes else "vector")
        if prod(shape[2:]) == 1:
            return self._of_numbers(output, shape[1])
        if len(shape) == 3:
            return self._of_rows(output, shape)
        return replace(output, role=self._of_places(value, shape)) if len(shape) in (4, 5) else output

    def _output_name(self, name: str) -> str:
        return next((alias for alias, value in self.graph.output_names.items() if value == name), name)

    def _of_numbers(self, output: Output, count: int) -> Output:
        part = kind_of(made_by(self.graph, output.value)).part
        if count == self.labels > 1:
            return replace(output, role="classes", labeled=True)
        hint = _NO_CLASSES.search(f"{output.name} {output.value}")
        sigmoid = made_by(self.graph, output.value) == "sigmoid"
        if count > 1 and made_by(self.graph, output.value) != "softmax" and self._counts_places(output.value):
            return output
        if part in SQUASHING and (count > 1 or sigmoid):
            other = count in _LANDMARKS or (sigmoid and count > 1 and hint)
            return output if other else replace(output, role="classes", labeled=count == self.labels)
        if count == 1:
            return output
        if hint or count in _LANDMARKS or not self._ends_in_scores(output.value):
            return output
        return replace(output, role="classes", sure=False)

    def _ends_in_scores(self, value: str) -> bool:
        """Whether the numbers are a last layer's, and not features that one could follow: pooled, or after a ReLU."""
        pooled = False
        while (step := producer_of(self.graph, value)) is not None:
            kind = made_by(self.graph, value)
            part = kind_of(kind).part
            if part == "filters" or (kind == "matmul" and step.parameters):
                return self._is_of_single_places(step) or not pooled
            passed = part in ("pooling", "summary", "rearrangement") or kind in _LINEAR
            if not passed and not (pooled and kind in ("relu", "clip")):
                return False
            pooled = pooled or part in ("pooling", "summary")
            value = step.inputs[0] if step.inputs else ""
        return False

    def _counts_places(self, value: str) -> bool:
        """Whether the numbers are those of a map, one after the other: as many as the picture has places."""
        while (step := producer_of(self.graph, value)) is not None:
            if _is_of_places(self.shapes.get(value)):
                return True
            kind = made_by(self.graph, value)
            passed = kind_of(kind).part in (*SQUASHING, "rearrangement")
            passed = passed or kind in ("permute", "concat", *_LINEAR)
            if not passed or not step.inputs:
                return False
            value = step.inputs[0]
        return False

    def _is_of_single_places(self, step: Operation) -> bool:
        weight = self.graph.parameters.shapes.get(step.parameters.get("weight", ""), ())
        return prod(weight[2:]) == 1

    def _of_rows(self, output: Output, shape: Shape) -> Output:
        _, rows, numbers = shape
        grid = None if self.picture is None else token_grid((self.picture[2], self.picture[3]), rows)
        of_few_kinds = rows < 10 and numbers > _WIDEST_TOKEN  # coordinates and a class, of each of many boxes
        if grid and numbers >= 16 and not of_few_kinds and made_by(self.graph, output.value) != "softmax":
            return replace(output, role="tokens", grid=grid)
        few, many = sorted((rows, numbers))
        return replace(output, role="boxes") if numbers == 4 or (many >= 300 and 5 <= few < 300) else output

    def _of_places(self, value: str, shape: Shape) -> Role:
        channels, *size = shape[1:]
        kind = made_by(self.graph, value)
        if size[-1] == 7 and channels == 1:
            return "boxes"  # a DetectionOutput's rows
        if self.picture is None or len(shape) != 4:
            return "classes" if kind == "softmax" and self._over_channels(value, shape) else "map"
        _, taken, *whole = self.picture
        coarse = max(size) * _COARSE <= max(whole)
        full, fine = (
            all(share * here >= there for here, there in zip(size, whole, strict=True)) for share in (1, 2)
        )
        if kind_of(kind).part in SQUASHING and kind != "sigmoid" and self._over_channels(value, shape):
            return "classes" if coarse else "class map"
        if channels == self.labels and not coarse:
            return "class map"
        if fine and self._has_bare_scores(value):
            return "picture" if channels == 1 else "class map"
        if full:
            return "picture" if channels in (1, 3, taken) else "class map"
        detects = {anchors * (5 + kinds) for anchors in _ANCHORS for kinds in _KINDS}
        return "boxes" if coarse and channels in detects else "map"

    def _over_channels(self, value: str, shape: Shape) -> bool:
        step = producer_of(self.graph, value)
        if step is None:
            return False
        axis = int(step.attributes.get("axis", 1)) % len(shape)
        return axis == (len(shape) - 1 if self.graph.channels_last and not step.channels_last else 1)

    def _has_bare_scores(self, value: str) -> bool:
        """Whether a 1 x 1 convolution makes it, and nothing bounds its numbers: scores of each place by itself."""
        while (step := producer_of(self.graph, value)) is not None:
            kind = made_by(self.graph, value)
            if kind_of(kind).part == "filters":
                alone = len(self.shapes.get(value) or ()) == 2  # one matrix for all places
                return self._is_of_single_places(step) and not alone
            if kind_of(kind).part != "rearrangement" and kind not in ("resize", "crop"):
                return False
            value = step.inputs[0] if step.inputs else ""
        return False


def _before_a_cut(seen: _Context, output: Output) -> Output:
    """Return the last before a cut as plain numbers: what tells an output's classes tells nothing inside a network."""
    labeled = output.shape is not None and output.shape[1:2] == (seen.labels,)
    told = labeled or made_by(seen.graph, output.value) == "softmax"
    role: Role = {"classes": "vector", "class map": "map"}.get(output.role, output.role)  # type: ignore[assignment]
    return replace(output, cut=True) if told else replace(output, role=role, sure=True, cut=True)


def _without_codes(graph: Graph, outputs: Sequence[Output]) -> list[Output]:
    """Return the outputs; what may be classes is none where a picture is made of it: a code of an autoencoder."""
    pictures = [output.value for output in outputs if output.role in ("picture", "map", "class map")]
    read = {value for step in graph.needed_for(pictures) for value in step.inputs}
    codes = [output for output in outputs if not output.sure and output.value in read]
    return [replace(one, role="vector", sure=True) if one in codes else one for one in outputs]


def _beside_others(graph: Graph, output: Output, classes: Sequence[Output], rows: Collection[int]) -> Output:
    """Return what an output is, seen beside the others: four numbers beside classes, rows beside boxes."""
    if output.shape is None or output.labeled:
        return output
    fractions = made_by(graph, output.value) == "sigmoid" and any(
        other.shape and other.shape[1] > 4 for other in classes
    )
    if fractions or not output.sure or (output.role == "vector" and len(output.shape) == 2):
        beside = output.shape[1:] == (4,) and any(other is not output for other in classes)
        return replace(output, role="boxes", sure=True) if beside else output
    if output.role in ("vector", "tokens") and len(output.shape) == 3:
        return replace(output, role="boxes", grid=None) if output.shape[1] in rows else output
    return output


def _beside_corners(graph: Graph, output: Output, others: Sequence[Output]) -> Output:
    """Return what an output is beside the corners of boxes: one number of each of as many boxes is their score."""
    corners = {other.shape[1] for other in others if other.shape and _has_corners(other)}
    one_each = output.shape is not None and len(output.shape) in (2, 3) and prod(output.shape[2:]) == 1
    if output.labeled or not one_each or not output.shape or output.shape[1] not in corners - {1}:
        return output
    if len(output.shape) == 2 and made_by(graph, output.value) == "softmax":
        return output  # it tells that many apart
    return replace(output, role="boxes", sure=True, of_boxes=_kind_of_numbers(graph, output))


def _has_corners(output: Output) -> bool:
    return output.role == "boxes" and output.shape is not None and output.shape[2:] == (4,)


def _of_boxes(graph: Graph, output: Output, corners: set[int]) -> Output:
    """Return an output of boxes with what it has of them: rows of other numbers than the four that another has."""
    if output.role != "boxes" or not output.shape or len(output.shape) != 3 or _has_corners(output):
        return output
    if not corners.intersection(output.shape[1:]):
        return output
    return replace(output, of_boxes=_kind_of_numbers(graph, output))


def _kind_of_numbers(graph: Graph, output: Output) -> Literal["scores", "numbers"]:
    squashed = kind_of(made_by(graph, output.value)).part in SQUASHING
    return "scores" if squashed or _SCORES.search(f"{output.name} {output.value}") else "numbers"


def token_grid(picture: tuple[int, int], tokens: int) -> tuple[int, int] | None:
    """Return the (rows, columns) of places of a picture (height, width) that so many tokens are, or None.

    A few tokens before them may have no place: a class's, a teacher's, registers.

    >>> token_grid((224, 224), 197)
    (14, 14)
    """
    height, width = picture
    for extra in _EXTRA_TOKENS:
        for rows in range(2, height // 2 + 1):
            columns, rest = divmod(tokens - extra, rows)
            if rest == 0 and columns > 1 and height % rows == 0 and width == columns * (height // rows):
                return rows, columns
    return None


def _is_of_places(shape: Shape | None) -> bool:
    """Tell maps from numbers, wherever the channels are."""
    return shape is not None and len(shape) > 3 and sum(size > 1 for size in shape[1:]) > 1


def _picture(graph: Graph) -> Shape | None:
    """Return the shape of the first input of maps, channels first; a graph that has them so may take them last."""
    shape: Shape | None = next((shape for shape in graph.inputs.values() if len(shape) == 4), None)
    if shape is None:
        return None
    last = graph.channels_last or (shape[1] not in (1, 3) and shape[3] in (1, 3))
    return shape_channels_first(shape) if last else shape


def _channels_first(graph: Graph, shape: Shape | None) -> Shape | None:
    return shape_channels_first(shape) if shape is not None and graph.channels_last else shape
