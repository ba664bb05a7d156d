"""A size that knows where it was read, so that what is worked out from it holds at every other size too.

`x.view(x.shape[0], -1)` is written for any batch; a trace that saw 1 would fix it. A `Size` is the number that was
seen, and the arithmetic that led to it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

from convscope.network.operations.aten import ARITHMETIC


class Axis(NamedTuple):
    """The size of one axis of one value of a trace."""

    value: int
    axis: int


Expression: TypeAlias = "int | Axis | tuple[Any, ...]"


class Size(int):
    """A number read from a shape; arithmetic with whole numbers gives a `Size` again.

    >>> half = Size(224, Axis(0, 2)) // 2
    >>> half, half.expression
    (112, ('//', Axis(value=0, axis=2), 2))
    """

    expression: Expression

    def __new__(cls, number: int, expression: Expression) -> Size:
        """Make a size of what was seen and where it came from."""
        size = super().__new__(cls, number)
        size.expression = expression
        return size

    def __truediv__(self, other: Any) -> Any:
        quotient = int(self) / other
        return Ratio(quotient, self, other) if type(other) in (int, Size) else quotient

    def __neg__(self) -> Size:
        return combined("*", self, -1)

    def __int__(self) -> int:
        return int.__int__(self)

    def __reduce__(self) -> Any:
        return int, (int.__int__(self),)


class Ratio(float):
    """One size by another: rounded down or up it is a `Size` again, as in ``math.ceil(height / 2)``."""

    over: Size
    under: int

    def __new__(cls, number: float, over: Size, under: int) -> Ratio:
        """Make a ratio of its value and its two numbers."""
        ratio = super().__new__(cls, number)
        ratio.over, ratio.under = over, under
        return ratio

    def __ceil__(self) -> int:
        return combined("ceil", self.over, self.under)

    def __floor__(self) -> int:
        return combined("//", self.over, self.under)

    __int__ = __trunc__ = __floor__


def combined(symbol: str, left: int, right: int) -> Size:
    """Return the result of one step of arithmetic, with the step."""
    number = ARITHMETIC[symbol](int.__int__(left), int.__int__(right))
    return Size(number, (symbol, expression_of(left), expression_of(right)))


def expression_of(number: int) -> Expression:
    """Return how a number was worked out: itself, where it is just that."""
    return number.expression if isinstance(number, Size) else number


def _operator(symbol: str, turned: bool) -> Callable[[Size, Any], Any]:
    def apply(self: Size, other: Any) -> Any:
        if isinstance(other, bool) or not isinstance(other, int):
            return NotImplemented
        return combined(symbol, other, self) if turned else combined(symbol, self, other)

    return apply


for _symbol, _name in (("+", "add"), ("-", "sub"), ("*", "mul"), ("//", "floordiv"), ("%", "mod")):
    setattr(Size, f"__{_name}__", _operator(_symbol, turned=False))
    setattr(Size, f"__r{_name}__", _operator(_symbol, turned=True))
