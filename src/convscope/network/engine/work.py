"""How much a run has to compute, asked about before it begins: a few bytes may ask for years of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import prod

from convscope.errors import InputError
from convscope.network.axes import shape_channels_first
from convscope.network.graph import Graph, Operation
from convscope.network.operations import kind_of
from convscope.network.parameters import Shape

_ALWAYS = 2**37  # multiply-adds, some seconds: what any network may take
# More are at most so many times its input by its parameters: each is used at every place, of an enlarged picture, too,
# or of rounds that share them.
_TIMES_GIVEN = 64
_FEW = 64  # parameters that count at least: before the first may lie means over windows of a large picture
_POOLED = 16  # multiply-adds that a number in a pooling's window takes as long as


def require_work(graph: Graph, shapes: Mapping[str, Shape | None], targets: Iterable[str]) -> None:
    """Raise InputError, naming the longest step, where a run is out of proportion to what it is made of."""
    operations = graph.needed_for(targets)
    stored = graph.parameters.shapes
    work = [(_multiply_adds(operation, shapes, stored), operation) for operation in operations]
    total = sum(amount for amount, _ in work)
    if total <= _ALWAYS:
        return
    keys = {key for operation in operations for key in operation.parameters.values()}
    numbers = sum(prod(shapes.get(name) or shape) for name, shape in graph.inputs.items())
    parameters = sum(prod(stored[key]) for key in keys)
    if total > _TIMES_GIVEN * numbers * max(_FEW, parameters):
        _, longest = max(work, key=lambda one: one[0])
        raise InputError(
            f"this run would take {total / 1e9:,.0f} billion multiplications, most of them for "
            f"{longest.name or longest.outputs[0]!r} ({longest.type_name}), made of {numbers:,} numbers and "
            f"{parameters:,} parameters: the file is damaged, or made to take time"
        )


def _multiply_adds(
    operation: Operation, shapes: Mapping[str, Shape | None], stored: Mapping[str, Shape]
) -> int:
    """Return about how many an operation takes; 0 for one that goes through its numbers a few times."""
    read = shapes.get(operation.inputs[0]) if operation.inputs else None
    made = shapes.get(operation.outputs[0])
    if not read or not made:
        return 0
    weight = stored.get(operation.parameters.get("weight", ""))
    facts = kind_of(operation.kind)
    if operation.kind in ("convolution", "deconvolution") and weight:
        return prod(made if operation.kind == "convolution" else read) * prod(weight[1:])
    if facts.part == "filters" and weight:  # of rows
        return prod(made[:-1]) * prod(weight)
    if operation.kind == "matmul":
        return prod(made) * read[-1]
    if facts.part == "pooling" and facts.window and len(read) == 4:
        sides = (shape_channels_first(read) if operation.channels_last else read)[2:]
        kernel, _, _ = facts.window({**operation.attributes, "padding": 0}, ())  # it may be "same" here
        covered = (min(int(size), side) for size, side in zip(kernel, sides, strict=True))
        return _POOLED * prod(made) * prod(covered)
    return 0
