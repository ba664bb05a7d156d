"""Operations that are right for one size of the picture only, and say so at any other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from convscope.network.graph import Operation
from convscope.network.parameters import Shape


def only_of_this_size(
    operations: Sequence[Operation], inputs: Mapping[str, Shape], *, batch: bool = False, size: bool = True
) -> list[Operation]:
    """Return the operations behind one for each input that takes it in this size only, or so many at a time only."""
    check_of = {name: f"{name}.assert_shape" for name in inputs}
    checks = (
        Operation(
            "assert_shape",
            check_of[name],
            "size",
            (name,),
            (check_of[name],),
            attributes=_limits(shape, batch, size),
        )
        for name, shape in inputs.items()
    )
    behind = (
        replace(op, inputs=tuple(check_of.get(value, value) for value in op.inputs)) for op in operations
    )
    return [*checks, *behind]


def _limits(shape: Shape, batch: bool, size: bool) -> dict[str, Any]:
    return {**({"shape": tuple(shape[1:])} if size else {}), **({"batch": shape[0]} if batch else {})}
