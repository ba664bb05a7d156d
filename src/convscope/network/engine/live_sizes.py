"""Values whose shapes depend on the numbers themselves: how large they would be is asked just before they are made."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import wraps
from math import prod
from typing import Any

from torch import Tensor

from convscope.errors import InputError
from convscope.network.engine.memory import require_proportion
from convscope.network.graph import Graph, Operation
from convscope.network.operations import OPERATIONS, kind_of
from convscope.network.operations.checks import whole_numbers
from convscope.network.operations.registry import Result
from convscope.network.parameters import Shape
from convscope.network.shapes import infer_operation

_SIZES = 64  # numbers: what has more is no list of sizes
_NO_RISK = 2**26  # numbers that even each with each of the others come to


def within_proportion(operation: Operation, graph: Graph) -> Callable[..., Result]:
    """Return an operation's function; what it makes is in proportion to the graph's inputs and parameters.

    InputError, before any memory is taken, where it is not.
    """
    function, facts = OPERATIONS[operation.kind], kind_of(operation.kind)
    given = sum(map(prod, graph.inputs.values())) + sum(map(prod, graph.parameters.shapes.values()))
    stored = {key: tuple(graph.parameters.shapes[key]) for key in operation.parameters.values()}
    plain = replace(operation, attributes=operation.keywords)  # what it gets has its channels first already

    @wraps(function)
    def run(*inputs: Tensor, **keywords: Any) -> Result:
        small = prod(max(1, one.numel()) for one in inputs) <= _NO_RISK
        if not (facts.pointwise and small):
            for value, shape in _shapes_made(plain, inputs, stored).items():
                if shape is not None:
                    require_proportion(value, shape, given)
        return function(*inputs, **keywords)

    return run


def _shapes_made(
    operation: Operation, inputs: Sequence[Tensor], stored: Mapping[str, Shape]
) -> dict[str, Shape | None]:
    """Return the shapes of what an operation makes of these inputs, as far as sizes among them say it."""
    if operation.kind == "dynamic":
        operation, inputs, stored = _with_plain_numbers(operation, inputs, stored)
    shapes = {value: tuple(one.shape) for value, one in zip(operation.inputs, inputs, strict=True)}
    sizes: dict[str, Tensor] = {}
    if kind_of(operation.kind).reads_sizes:
        sizes = dict(zip(operation.inputs[1:], inputs[1:], strict=True))
    known = {name: one for name, one in sizes.items() if one.numel() <= _SIZES}
    try:
        return infer_operation(operation, shapes, stored, known)
    except InputError:  # the operation itself says what it cannot take
        return {}


def _with_plain_numbers(
    operation: Operation, inputs: Sequence[Tensor], stored: Mapping[str, Shape]
) -> tuple[Operation, Sequence[Tensor], Mapping[str, Shape]]:
    """Return the operation that a `dynamic` one comes to, with the numbers that were worked out for it."""
    settings = operation.attributes
    roles, count = settings["roles"], len(inputs) - len(settings["roles"])
    of_role = dict(zip(roles, inputs[count:], strict=True))
    names = dict(zip(roles, operation.inputs[count:], strict=True))
    numbers, single = settings.get("numbers", ()), settings.get("single", ())
    attributes = {
        name: value for name, value in settings.items() if name not in ("kind", "roles", "numbers", "single")
    }
    attributes |= {role: whole_numbers(of_role[role], ()) for role in numbers}
    attributes |= {role: whole_numbers(of_role[role], ())[0] for role in single}
    live = [role for role in roles if role not in (*numbers, *single)]
    come_to = replace(
        operation,
        kind=settings["kind"],
        inputs=operation.inputs[:count],
        parameters={**operation.parameters, **{role: names[role] for role in live}},
        attributes=attributes,
    )
    return come_to, inputs[:count], {**stored, **{names[role]: tuple(of_role[role].shape) for role in live}}
