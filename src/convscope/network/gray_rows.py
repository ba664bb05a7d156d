"""Inputs of (batch, rows, columns), or of all pixels in a row, as many networks for digits have: a gray picture's.

The picture keeps the input's name, gets an axis for its one channel, and a first operation takes that off again.
"""

from __future__ import annotations

from dataclasses import replace
from math import isqrt, prod

from convscope.network.graph import CHANNELS_LAST, Graph, Operation
from convscope.network.operations.registry import kind_of
from convscope.network.parameters import Shape
from convscope.network.shapes import infer_operation, infer_shapes

_SMALLEST = 8  # pixels: what has fewer rows is hardly a picture


def gray_size(shape: Shape) -> tuple[int, int] | None:
    """Return (height, width) of the gray picture that an input of this shape is; None where it is none.

    >>> gray_size((1, 28, 28)), gray_size((1, 784)), gray_size((1, 100))
    ((28, 28), (28, 28), (10, 10))
    """
    if len(shape) == 3:
        size = (shape[1], shape[2])
    elif len(shape) == 2 and isqrt(shape[1]) ** 2 == shape[1]:
        size = (isqrt(shape[1]), isqrt(shape[1]))
    else:
        return None
    return size if min(size) >= _SMALLEST else None


def with_gray_picture(graph: Graph) -> Graph | None:
    """Return the graph for gray pictures of (batch, height, width, 1), or channels first; None where none fits."""
    if len(graph.inputs) != 1:
        return None
    (name, shape), *_ = graph.inputs.items()
    size = gray_size(shape)
    if size is None or _goes_along_one_axis(graph, name, len(shape)) or _is_code(graph, name, shape):
        return None
    rows = f"{name}@rows"
    channel = {"axes": (3 if graph.channels_last else 1,)}
    kind, attributes = ("squeeze", channel) if len(shape) == 3 else ("flatten", {})
    first = Operation(kind, rows, "Rows", (name,), (rows,), {}, attributes)
    picture = (shape[0], *size, 1) if graph.channels_last else (shape[0], 1, *size)
    others = tuple(
        _of_picture(step, name, shape, picture)
        or replace(step, inputs=tuple(rows if value == name else value for value in step.inputs))
        for step in graph.operations
    )
    outputs = tuple(rows if value == name else value for value in graph.outputs)
    read = {*outputs, *(value for step in others for value in step.inputs)}
    steps = (first, *others) if rows in read else others
    return replace(graph, inputs={name: picture}, operations=steps, outputs=outputs)


def _is_code(graph: Graph, name: str, shape: Shape) -> bool:
    """Whether weights make larger maps of a row: what a generator or a decoder makes its picture of is none itself."""
    first = _first_filters(graph, name, len(shape))
    if len(shape) != 2 or first is None or len(first) > 2:
        return False
    made = infer_shapes(graph, graph.inputs)
    shapes = [made.get(output) for output in graph.outputs]
    return any(one is not None and len(one) >= 4 and prod(one) > prod(shape) for one in shapes)


def _of_picture(step: Operation, name: str, rows: Shape, picture: Shape) -> Operation | None:
    """Return a step that makes the picture of its rows as one that takes it as it is: each place stays its own.

    Or with its channel last, where that is first; None for any other step.
    """
    if step.kind not in ("reshape", "unsqueeze") or step.inputs != (name,):
        return None
    made = infer_operation(step, {name: rows}, {}, {})[step.outputs[0]]
    if made == picture:
        order = {key: value for key, value in step.attributes.items() if key == CHANNELS_LAST}
        return replace(step, kind="identity", attributes=order)
    if made == (picture[0], *picture[2:], picture[1]):
        return replace(step, kind="permute", attributes={"order": (0, 2, 3, 1)})
    return None


_ALONE = frozenset({"batch_norm", "identity", "permute", "scale", "bias"})
_PLACED = frozenset(
    {"pad", "unsqueeze", "slice", "reshape"}
)  # what a row of samples goes through before its filters


def _goes_along_one_axis(graph: Graph, name: str, axes: int) -> bool:
    """Whether the first filters or windows that read an input of few axes go along one of them: it is a signal.

    What has three axes is a signal for any window that reads it so; a row is one where its filters are of one axis.
    """
    weight = _first_filters(graph, name, axes, windows=True)
    return weight is not None and (axes == 3 or len(weight) == 3)


def _first_filters(graph: Graph, name: str, axes: int, *, windows: bool = False) -> Shape | None:
    """Return the shape of the first weights that read an input, () for a window without, None where nothing does.

    With `windows`, of those alone that have a window.
    """
    values = {name}
    for operation in graph.operations:
        if not operation.inputs or operation.inputs[0] not in values:
            continue
        kind = kind_of(operation.kind)
        reads = kind.part in ("filters", "pooling") or (operation.kind == "matmul" and operation.parameters)
        if reads and (kind.window is not None or not windows):
            return graph.parameters.shapes.get(operation.parameters.get("weight", ""), ())
        if kind.pointwise or operation.kind in _ALONE or (axes == 2 and operation.kind in _PLACED):
            values |= set(operation.outputs)
    return None
