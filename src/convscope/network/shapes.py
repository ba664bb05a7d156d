"""The shape of every value: by arithmetic where that is simple, else by running the operation without memory."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from functools import partial
from inspect import signature
from math import prod
from typing import Any
from warnings import catch_warnings

import torch
from torch import Tensor

from convscope.errors import ConvscopeError, InputError
from convscope.network.axes import shape_channels_first, shape_channels_last
from convscope.network.graph import Graph, Operation
from convscope.network.operations import OPERATIONS, kind_of
from convscope.network.operations.checks import dimensions
from convscope.network.operations.shape_rules import shape_rule
from convscope.network.parameters import Shape
from convscope.network.without_compiler import without_compiler

_MOST_COUNTED = 2**22


def infer_shapes(
    graph: Graph, inputs: Mapping[str, Shape], targets: Iterable[str] | None = None
) -> dict[str, Shape | None]:
    """Return each value's shape for these input shapes; None where it depends on the numbers themselves.

    With `targets`, only what they need is looked at.

    >>> infer_shapes(network.graph, {"data": (1, 3, 224, 224)})["conv1/7x7_s2"]
    (1, 64, 112, 112)

    Raises InputError, naming the layer, where an operation cannot take what it gets.
    """
    shapes: dict[str, Shape | None] = dict(inputs)
    numbers: dict[str, Tensor] = {}
    for operation in graph.operations if targets is None else graph.needed_for(targets):
        shapes.update(infer_operation(operation, shapes, graph.parameters.shapes, numbers))
    return shapes


def live_values(shapes: Mapping[str, Shape | None]) -> set[str]:
    """Return the values whose shapes depend on the numbers themselves."""
    return {value for value, shape in shapes.items() if shape is None}


def shape_by_rule(
    kind: str, inputs: Sequence[Shape], parameters: Mapping[str, Shape], attributes: Mapping[str, Any]
) -> Shape | None:
    """Return the shape of an operation's only output by its kind's rule; None where no rule is sure of it."""
    rule = shape_rule(kind)
    return rule(inputs, parameters, attributes) if rule and all(map(all, inputs)) else None


def infer_operation(
    operation: Operation,
    known: Mapping[str, Shape | None],
    parameters: Mapping[str, Shape],
    numbers: MutableMapping[str, Tensor] | None = None,
    *,
    by_rule: bool = True,
) -> dict[str, Shape | None]:
    """Return the shapes of one operation's outputs.

    `numbers` keeps the values that are worked out from shapes alone (`shape_of`): they are known, and other shapes may
    be made of them. Without `by_rule` the operation's function runs in any case, which refuses what it cannot take.
    """
    shapes = [known[value] for value in operation.inputs]
    if None in shapes:
        return dict.fromkeys(operation.outputs)
    sizes = [shape for shape in shapes if shape is not None]
    if operation.channels_last:
        sizes = [shape_channels_first(shape) for shape in sizes]
    needed = {role: parameters[key] for role, key in operation.parameters.items()}
    keywords = operation.keywords
    counted = {} if numbers is None else {v: numbers[v] for v in operation.inputs if v in numbers}
    some = len(counted) < len(set(operation.inputs)) and not kind_of(operation.kind).reads_sizes
    maps = operation.channels_last and any(tensor.dim() > 2 for tensor in counted.values())
    if some or needed or maps:
        counted = {}  # together with values that have no numbers, or as maps, they are only shapes
    of_sizes = numbers is not None and (counted or kind_of(operation.kind).from_shapes)
    ruled = None if of_sizes or not by_rule else shape_by_rule(operation.kind, sizes, needed, keywords)
    if ruled is not None and len(operation.outputs) == 1:
        return {operation.outputs[0]: shape_channels_last(ruled) if operation.channels_last else ruled}
    function = OPERATIONS[operation.kind]
    try:
        signature(function).bind(*sizes, **needed, **keywords)
    except TypeError as error:
        read = ", ".join(map(repr, operation.inputs)) or "nothing"
        raise InputError(
            f"layer {operation.name!r}: a {operation.type_name} does not read {len(sizes)} inputs ({read})"
        ) from error
    try:
        placeholders = [_placeholder(shape) for shape in sizes]
        tensors = [
            counted.get(value, placeholder)
            for value, placeholder in zip(operation.inputs, placeholders, strict=True)
        ]
        parts = {role: _placeholder(shape) for role, shape in needed.items()}
        with without_compiler(), _imports_leave_no_trace():
            without_memory = placeholders
            if kind_of(operation.kind).reads_sizes:
                without_memory = placeholders[:1] + tensors[1:]
            if counted and _makes_many(partial(function, *without_memory, **keywords)):
                tensors = without_memory
            result = function(*tensors, **parts, **keywords)
    except (NotImplementedError, torch._subclasses.fake_tensor.DataDependentOutputException):
        return dict.fromkeys(operation.outputs)
    except (RuntimeError, ValueError, IndexError, TypeError, AssertionError, ConvscopeError) as error:
        raise InputError(f"layer {operation.name!r}: {_reason(operation, shapes, needed, error)}") from error
    outputs = result if isinstance(result, tuple) else (result,)
    if len(outputs) != len(operation.outputs):
        raise InputError(
            f"layer {operation.name!r}: its {operation.type_name} makes {len(outputs)} and not "
            f"{len(operation.outputs)} ({', '.join(map(repr, operation.outputs)) or 'it has no top'})"
        )
    if numbers is not None:
        pairs = zip(operation.outputs, outputs, strict=True)
        numbers.update({name: one for name, one in pairs if not one.is_meta and one.numel() <= _MOST_COUNTED})
    inferred = [tuple(tensor.shape) for tensor in outputs]
    if operation.channels_last:
        inferred = [shape_channels_last(shape) for shape in inferred]
    return dict(zip(operation.outputs, inferred, strict=True))


def _makes_many(function: Callable[[], Any]) -> bool:
    """Whether an operation makes more of numbers that are known than any size is worked out with."""
    try:
        result = function()
    except Exception:  # it needs the numbers themselves
        return False
    made: Sequence[Tensor] = result if isinstance(result, tuple) else (result,)
    return sum(tensor.numel() for tensor in made) > _MOST_COUNTED


@contextmanager
def _imports_leave_no_trace() -> Iterator[None]:
    """Keep what torch does to the process when shapes alone make it import its compiler: that is the person's own."""
    if "torch._inductor" in sys.modules:
        yield
        return
    before = dict(os.environ)
    with catch_warnings():
        try:
            yield
        finally:
            for name in os.environ.keys() - before.keys():
                del os.environ[name]


def _placeholder(shape: Shape) -> Tensor:
    return torch.empty(shape, device="meta")


def _reason(
    operation: Operation, shapes: list[Shape | None], parameters: Mapping[str, Shape], error: Exception
) -> str:
    """Say in one line why this operation cannot take these inputs, and what can be done."""
    fed = (
        ", ".join(
            f"{value!r} {dimensions(shape)}" for value, shape in zip(operation.inputs, shapes, strict=True)
        )
        or "nothing"
    ) or "nothing"
    message = f"its {operation.type_name} cannot take {fed}"
    if parameters:
        message += " with " + ", ".join(f"{role} {dimensions(shape)}" for role, shape in parameters.items())
    if operation.kind == "dense":
        return (
            f"{message}: a fully-connected layer fixes the size of the network's input; "
            "use that size, or cast the layer into a convolution (net surgery)"
        )
    if operation.kind == "set_units":
        return (
            f"what it is set to is for {dimensions(max(parameters.values(), key=prod))}, and this input makes "
            f"{dimensions(shapes[0] or ())}: open the network with this input's size "
            "(--input-shape, input_shape= in Python), or set it to a number everywhere"
        )
    if operation.kind == "reshape":
        return f"{message}: the network fixes this shape, the batch included: use the batch size it was written for"
    return f"{message}: {str(error).splitlines()[0] if str(error) else type(error).__name__}"
