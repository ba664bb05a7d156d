"""What is wanted of a picture: a number to make large, with algebra, which says what it is in words."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from torch import Tensor

from convscope.errors import InputError

Values: TypeAlias = Mapping[str, Tensor]
"""Each address an objective looks at, to what it answers to N pictures.

A layer's address gives (N, channels, height, width), or (N, channels) where it has no rows and columns; a channel's
gives (N, 1, height, width), a neuron's (N, 1, 1, 1). Channels come second whatever the network's own order.
"""
Score: TypeAlias = Callable[[Values], Tensor]


@dataclass(frozen=True, eq=False, repr=False)
class Objective:
    """What is maximized: ``score`` gives one number a picture, shape (N,), of what ``targets`` answer.

    ``targets`` are addresses, and nothing but them is computed; ``description`` is the words a caption uses.
    Objectives add, subtract, multiply and divide, with numbers and with each other, and are never changed. An
    objective that is given for several pictures in a row sees them together, as `diversity` has to.

    >>> objectives.channel("mixed4a", 42) - 0.5 * objectives.channel("mixed4a", 43)
    Objective('mixed4a:42 - 0.5 × mixed4a:43')
    """

    targets: tuple[str, ...]
    description: str
    score: Score

    def __add__(self, other: Objective | float) -> Objective:
        return _combined(self, other, "+", operator.add)

    def __radd__(self, other: float) -> Objective:
        return self if other == 0 else _combined(other, self, "+", operator.add)  # `sum` starts from 0

    def __sub__(self, other: Objective | float) -> Objective:
        return _combined(self, other, "-", operator.sub)

    def __rsub__(self, other: float) -> Objective:
        return _combined(other, self, "-", operator.sub)

    def __mul__(self, other: Objective | float) -> Objective:
        return _combined(self, other, "×", operator.mul)

    def __rmul__(self, other: float) -> Objective:
        return _combined(other, self, "×", operator.mul)

    def __truediv__(self, other: Objective | float) -> Objective:
        return _combined(self, other, "/", operator.truediv)

    def __rtruediv__(self, other: float) -> Objective:
        return _combined(other, self, "/", operator.truediv)

    def __neg__(self) -> Objective:
        return Objective(self.targets, f"-{_factor(self.description)}", lambda values: -self.score(values))

    def named(self, description: str) -> Objective:
        """Return the same objective under other words.

        >>> objectives.channel("mixed4a", 42).named("dots")
        Objective('dots')
        """
        return Objective(self.targets, description, self.score)

    def __repr__(self) -> str:
        return f"Objective({self.description!r})"


def _combined(
    first: Objective | float, second: Objective | float, sign: str, combine: Callable[[Any, Any], Any]
) -> Objective:
    targets: dict[str, None] = {}
    for part in (first, second):
        if isinstance(part, Objective):
            targets |= dict.fromkeys(part.targets)
        elif not isinstance(part, (int, float)):
            raise InputError(
                f"an objective is combined with numbers and objectives, not {type(part).__name__}"
            )

    def score(values: Values) -> Tensor:
        combined: Tensor = combine(_value(first, values), _value(second, values))
        return combined

    left, right = _words(first), _words(second)
    if sign in ("×", "/"):
        left = _factor(left)
    if sign != "+":
        right = _factor(right, also="×/" if sign == "/" else "")
    return Objective(tuple(targets), f"{left} {sign} {right}", score)


def _value(part: Objective | float, values: Values) -> Any:
    return part.score(values) if isinstance(part, Objective) else part


def _words(part: Objective | float) -> str:
    return part.description if isinstance(part, Objective) else f"{part:g}"


def _factor(words: str, also: str = "") -> str:
    """Put words in brackets where an operator in them would bind less tightly."""
    return f"({words})" if any(f" {sign} " in words for sign in ("+", "-", *also)) else words
