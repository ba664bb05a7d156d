"""Operations that are right for one size of the picture only, and say so at any other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from convscope.formats.decisions import Decision
from convscope.formats.sizes import Axis
from convscope.network.graph import Operation
from convscope.network.parameters import Shape


def only_of_this_size(
    operations: Sequence[Operation],
    inputs: Mapping[str, Shape],
    *,
    batch: bool = False,
    size: bool = True,
    noted: bool = False,
) -> list[Operation]:
    """Return the operations behind one for each input that takes it in this size only, or so many at a time only.

    With `noted` another size is only warned of.
    """
    check_of = {name: f"{name}.assert_shape" for name in inputs}
    checks = (
        Operation(
            "assert_shape",
            check_of[name],
            "size",
            (name,),
            (check_of[name],),
            attributes=_limits(shape, batch, size or noted) | ({"refuses": False} if noted else {}),
        )
        for name, shape in inputs.items()
    )
    behind = (
        replace(op, inputs=tuple(check_of.get(value, value) for value in op.inputs)) for op in operations
    )
    return [*checks, *behind]


def _limits(shape: Shape, batch: bool, size: bool) -> dict[str, Any]:
    return {**({"shape": tuple(shape[1:])} if size else {}), **({"batch": shape[0]} if batch else {})}


def checked_operations(
    operations: Sequence[Operation], decisions: Sequence[Decision], names: Mapping[int, str]
) -> tuple[list[Operation], Callable[[str], str]]:
    """Return the operations with checks of what was decided by sizes, and what a reader behind all of them reads.

    What runs after a decision depends on it: what was made before one and is read after it goes through a check. The
    operations are one for each step of the trace, and `names` says what its values are called.
    """
    if not decisions:
        return list(operations), lambda value: value
    checks = _Checks(names, sorted(dict.fromkeys(decisions), key=lambda decision: decision.step))
    for step, operation in enumerate(operations):
        inputs = tuple(checks.of(value, step) for value in operation.inputs)
        checks.operations.append(replace(operation, inputs=inputs))
        if inputs:
            checks.made |= dict.fromkeys(operation.outputs, step + 1)
    return checks.operations, lambda value: checks.of(value, len(operations))


@dataclass
class _Checks:
    """The operations, and between them those that check.

    `made` says at which step a value was there; `passed` what it is called behind its last check, and for which step.
    """

    names: Mapping[int, str]
    decisions: Sequence[Decision]
    operations: list[Operation] = field(default_factory=list)
    made: dict[str, int] = field(default_factory=dict)
    passed: dict[str, tuple[str, int]] = field(default_factory=dict)

    def of(self, value: str, step: int) -> str:
        """Return what a step reads for a value."""
        name, start = self.passed.get(value, (value, self.made.get(value, 0)))
        between = [decision for decision in self.decisions if start <= decision.step <= step]
        if between:
            inputs = [name]
            codes = tuple(self._code(decision, inputs) for decision in between)
            name = f"{name}.assert_decisions"
            attributes = {"decisions": codes}
            self.operations.append(
                Operation("assert_decisions", name, "size", tuple(inputs), (name,), attributes=attributes)
            )
            self.passed[value] = name, step + 1
        return name

    def _code(self, decision: Decision, inputs: list[str]) -> tuple[Any, ...]:
        left, right = (self._expression(side, inputs) for side in (decision.left, decision.right))
        return decision.symbol, left, right, decision.outcome, decision.place

    def _expression(self, expression: Any, inputs: list[str]) -> Any:
        if not isinstance(expression, tuple):
            return expression
        if not isinstance(expression, Axis):
            return (expression[0], *(self._expression(item, inputs) for item in expression[1:]))
        name = self.names[expression.value]
        if name not in inputs:
            inputs.append(name)
        return f"${inputs.index(name)}.{expression.axis}"
