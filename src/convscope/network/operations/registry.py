"""The table of operations: what every source translates its layers into, and what every graph runs.

What is known of a kind stands with it, in its decorator: nobody keeps lists of kinds elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal, TypeAlias, TypeVar, overload

from torch import Tensor

Shape: TypeAlias = tuple[int, ...]
Result: TypeAlias = Tensor | tuple[Tensor, ...]
Function = TypeVar("Function", bound=Callable[..., Result])
ShapeRule: TypeAlias = Callable[[Sequence[Shape], Mapping[str, Shape], Mapping[str, Any]], "Shape | None"]
"""Inputs' shapes, parameters' shapes by role and attributes to the shape of the only output; None where unsure."""
Pair: TypeAlias = tuple[Fraction, Fraction]
Window: TypeAlias = tuple[Pair, Pair, Pair]
"""Kernel, stride and padding before the first position, each (vertical, horizontal); a stride below 1 enlarges."""
WindowRule: TypeAlias = Callable[[Mapping[str, Any], Shape], Window]
"""Attributes and the weight's shape to the window that a position sees."""
Part: TypeAlias = Literal[
    "filters",
    "join",
    "pooling",
    "summary",
    "rearrangement",
    "choice",
    "probabilities",
    "log_probabilities",
]


RelevanceWay = Literal["filters", "passed", "shared", "gated", "multiplied", "mixed", "divided", "routed"]


@dataclass(frozen=True)
class OperationKind:
    """What is known of a kind of operation, besides its function.

    - ``shape`` is the rule for its output's shape; without one the function itself is run without memory.
    - ``window`` is what one position of a map sees, for receptive fields; else ``sees`` says: its own "position", the
      whole "map", or its own position in the "first" input alone.
    - ``pointwise``: each number of the output needs only the numbers at its place. ``per_channel``: each channel of the
      output needs only that channel of the inputs, and of the parameters; ``filter_rows``: only its row of the weight.
    - ``part`` it plays: it has "filters" that were learned, is where branches "join", a "pooling" of windows, a
      "summary" of all places, a "rearrangement" that changes no number, a "choice" of the largest, or makes
      "probabilities" or "log_probabilities" of scores.
    - ``affine``: it only adds and weighs. ``foldable``: where it reads nothing else, filters before it can take it in.
      ``activation``: it comes after a layer with filters, and counts as that layer's answer.
    - ``relevance`` goes back through it by the rules of "filters", unchanged ("passed"), to each input by its part of
      the sum ("shared"; "gated" where the first is a gate that has none), to the signal of a product ("multiplied"; of
      matrices or of attention "mixed"), to the dividend ("divided"), or to where the numbers came from ("routed");
      where that is None no rule is known.
    - ``absorbs`` are the kinds that may run as one with it, in that order.
    - ``reads_sizes``: its inputs after the first are sizes. ``from_shapes``: what it makes depends on shapes alone.
    """

    shape: ShapeRule | None = None
    window: WindowRule | None = None
    sees: Literal["position", "map", "first"] = "position"
    pointwise: bool = False
    per_channel: bool = False
    filter_rows: bool = False
    part: Part | None = None
    affine: bool = False
    foldable: bool = False
    activation: bool = False
    relevance: RelevanceWay | None = None
    absorbs: tuple[str, ...] | None = None
    reads_sizes: bool = False
    from_shapes: bool = False


OPERATIONS: dict[str, Callable[..., Result]] = {}
KINDS: dict[str, OperationKind] = {}
_UNKNOWN = OperationKind()


def kind_of(name: str) -> OperationKind:
    """Return what is known of an operation by its name; nothing, for one that a format brought along."""
    return KINDS.get(name, _UNKNOWN)


@overload
def operation(function: Function) -> Function: ...
@overload
def operation(**facts: Any) -> Callable[[Function], Function]: ...
def operation(function: Any = None, **facts: Any) -> Any:
    """Register a function as the operation of its own name, with what is known of its kind (see `OperationKind`).

    An operation takes its input tensors by position, its parameters and attributes by keyword, changes none
    of them, and returns a tensor, or a tuple where it has several outputs.

    >>> @operation(pointwise=True)
    ... def absolute(input: Tensor) -> Tensor:
    ...     return input.abs()
    """
    kind = OperationKind(**facts)

    def register(function: Function) -> Function:
        OPERATIONS[function.__name__] = function
        KINDS[function.__name__] = kind
        return function

    return register if function is None else register(function)


def one_or_all(outputs: Sequence[Tensor]) -> Result:
    """Return a single output as it is and several as a tuple."""
    return outputs[0] if len(outputs) == 1 else tuple(outputs)
