"""A size that knows where it was read, so that what is worked out from it holds at every other size too.

`x.view(x.shape[0], -1)` is written for any batch; a trace that saw 1 would fix it. A `Size` is the number that was
seen, and the arithmetic that led to it. Where code decides by one, `if x.shape[2] > 20`, that is noted
(`convscope.formats.decisions`).
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial, reduce
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import torch

from convscope.formats.decisions import note_comparison, note_handed, note_leak, note_number, note_read
from convscope.network.operations.assertions import COMPARISONS
from convscope.network.operations.aten import ARITHMETIC, FRACTIONS


class Axis(NamedTuple):
    """The size of one axis of one value of a trace."""

    value: int
    axis: int


def axes_of(expression: Any) -> Iterator[Axis]:
    """Yield the axes whose sizes an expression reads."""
    if isinstance(expression, Axis):
        yield expression
    elif isinstance(expression, tuple):
        for part in expression[1:]:
            yield from axes_of(part)


Expression: TypeAlias = "int | float | Axis | tuple[Any, ...]"


class _KindOfNumber(type):
    """A type that equals the one it is of: ``type(size) == int``."""

    def __eq__(cls, kind: Any) -> bool:
        return kind is cls or kind is cls.__base__

    def __hash__(cls) -> int:
        return hash(cls.__base__)


class Size(int, metaclass=_KindOfNumber):
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

    def __neg__(self) -> Size:
        return combined("*", self, -1)

    def __abs__(self) -> Size:
        return combined("max", self, -self)

    def __round__(self, digits: Any = None) -> Size:
        return self

    __floor__ = __ceil__ = __pos__ = __round__

    def __divmod__(self, other: int) -> tuple[int, int]:
        return self // other, self % other

    def __pow__(self, other: Any, modulus: Any = None) -> Any:
        if isinstance(other, torch.Tensor):
            return NotImplemented
        if type(other) is int and 0 < other < 4 and modulus is None:
            return self if other == 1 else self * self ** (other - 1)
        if modulus is not None:
            return pow(_leak(self), plain(other), plain(modulus))
        return _fraction("**", self, other)

    def __bool__(self) -> bool:
        return self != 0

    def __hash__(self) -> int:
        _leak(self)  # a key of a dictionary: no comparison where it is not in there
        return int.__hash__(self)

    def __int__(self) -> int:
        return int(_leak(self))

    def __float__(self) -> float:
        return float(_leak(self))

    def __repr__(self) -> str:
        return repr(_leak(self))  # a name may be made of it

    def __format__(self, how: str) -> str:
        return format(_leak(self), how)

    def __lshift__(self, other: int) -> Size:
        return combined("*", self, 2**other)

    def bit_length(self) -> int:
        """Return what every whole number says."""
        return int(_leak(self)).bit_length()

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        return _by_numpy(ufunc, method, inputs, options)

    def __reduce__(self) -> Any:
        return int, (plain(self),)


class TracedShape(tuple[Any, ...]):
    """The shape of a value of a trace, as `torch.Size` is one, whose own `numel` forgets where the sizes were read."""

    __slots__ = ()

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return torch.Size

    def __getitem__(self, place: Any) -> Any:
        found = tuple.__getitem__(self, place)
        return TracedShape(found) if isinstance(place, slice) else _handed(found)

    def __iter__(self) -> Iterator[Any]:
        return map(_handed, tuple.__iter__(self))

    def __add__(self, other: Any) -> Any:
        return TracedShape((*self, *other)) if isinstance(other, tuple) else NotImplemented

    def __radd__(self, other: Any) -> Any:
        return TracedShape((*other, *self)) if isinstance(other, tuple) else NotImplemented

    def numel(self) -> Any:
        """Return how many numbers there are: the product of the sizes."""
        return product(self)

    def __repr__(self) -> str:
        return f"torch.Size({list(self)})"

    def __reduce__(self) -> Any:
        return torch.Size, (tuple(map(plain, self)),)


def _handed(size: Any) -> Any:
    """Return a size that the network's code gets, and note it until something is seen to read it."""
    if isinstance(size, Size):
        note_handed(size.expression)
    return size


class SizeFraction(float, metaclass=_KindOfNumber):
    """A size by a number, or any other fraction made of sizes.

    One size by another, rounded down or up, is a `Size` again, as in ``math.ceil(height / 2)``.
    """

    expression: Expression
    ratio: tuple[int, int] | None

    def __new__(
        cls, number: float, expression: Expression, ratio: tuple[int, int] | None = None
    ) -> SizeFraction:
        """Make a fraction of its value and where it came from; of two whole numbers those are the ratio."""
        fraction = super().__new__(cls, number)
        fraction.expression, fraction.ratio = expression, ratio
        return fraction

    def __ceil__(self) -> Any:
        return self._rounded("ceil", "ceil")

    def __floor__(self) -> Any:
        return self._rounded("//", "floor")

    def __trunc__(self) -> Any:
        if self.ratio:
            return self.__floor__() if plain(self) >= 0 else self.__ceil__()
        return _fraction("trunc", self, 1)

    def _rounded(self, of_whole: str, of_any: str) -> Any:
        note_read(self.expression)
        return combined(of_whole, *self.ratio) if self.ratio else _fraction(of_any, self, 1)

    def __int__(self) -> int:
        return int(_leak(self))

    def __float__(self) -> float:
        return float(_leak(self))

    def __neg__(self) -> Any:
        return self * -1

    def __abs__(self) -> Any:
        return self if self >= 0 else -self

    def __round__(self, digits: Any = None) -> Any:
        return round(_leak(self), digits) if digits == 0 else _fraction("round", self, digits or 0)

    def __bool__(self) -> bool:
        return bool(self != 0.0)

    def __hash__(self) -> int:
        return hash(_leak(self))

    def __repr__(self) -> str:
        return repr(_leak(self))

    def __format__(self, how: str) -> str:
        return format(_leak(self), how)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        return _by_numpy(ufunc, method, inputs, options)

    def __reduce__(self) -> Any:
        return float, (plain(self),)


def plain(number: Any) -> Any:
    """Return a number as Python has it, without where it came from."""
    if isinstance(number, Size):
        return int.__int__(number)
    return float.__float__(number) if isinstance(number, SizeFraction) else number


def _leak(number: Size | SizeFraction) -> Any:
    """Return a number as Python has it, and note that its origin is not known from here on."""
    note_leak(number.expression, plain(number))
    return plain(number)


def combined(symbol: str, left: int, right: int) -> Size:
    """Return the result of one step of arithmetic, with the step."""
    number = ARITHMETIC[symbol](plain(left), plain(right))
    expression = symbol, expression_of(left), expression_of(right)
    note_number(expression, number)
    return Size(number, expression)


def _fraction(symbol: str, left: Any, right: Any) -> Any:
    """Return the result of arithmetic with fractions; a size where it is a whole number."""
    number = FRACTIONS[symbol](plain(left), plain(right))
    expression = symbol, expression_of(left), expression_of(right)
    note_number(expression, number)
    if isinstance(number, int):
        return Size(number, expression)
    if not isinstance(number, float):  # the root of a negative one
        return number
    of_whole = symbol == "/" and isinstance(left, int) and isinstance(right, int)
    return SizeFraction(number, expression, (left, right) if of_whole else None)


def expression_of(number: Any) -> Expression:
    """Return how a number was worked out: itself, where it is just that."""
    return number.expression if isinstance(number, Size | SizeFraction) else number


_MAX, _MIN = max, min  # while a module is traced, these are others


def largest(*numbers: Any, **options: Any) -> Any:
    """Return what `max` does; of sizes it is a size."""
    return _extreme(_MAX, "max", numbers, options)


def smallest(*numbers: Any, **options: Any) -> Any:
    """Return what `min` does; of sizes it is a size."""
    return _extreme(_MIN, "min", numbers, options)


def product(sizes: Iterable[int]) -> int:
    """Return the product of sizes, which is a size."""
    return reduce(partial(combined, "*"), sizes, 1)


def whole(number: Any = 0, *base: Any, **options: Any) -> Any:
    """Return what `int` does; of a size it is that size."""
    if isinstance(number, Size):
        return number
    return number.__trunc__() if isinstance(number, SizeFraction) else int(number, *base, **options)


def fraction(number: Any = 0.0) -> Any:
    """Return what `float` does; of a size it is a fraction."""
    if isinstance(number, SizeFraction):
        return number
    return _fraction("/", number, 1) if isinstance(number, Size) else float(number)


def root(number: Any) -> Any:
    """Return what `math.sqrt` does; of a size it is a fraction."""
    return _fraction("root", number, 0) if isinstance(number, Size | SizeFraction) else math.sqrt(number)


def logarithm(number: Any, base: Any = math.e) -> Any:
    """Return what `math.log`, `log2` and `log10` do; of a size it is a fraction."""
    sized = isinstance(number, Size | SizeFraction) or isinstance(base, Size | SizeFraction)
    return _fraction("log", number, base) if sized else FRACTIONS["log"](number, base)


def in_single_precision(rounded: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return `math.floor`, say, for a format that has fractions in single precision.

    Of one size by another it is exact there too, of any other fraction its origin is forgotten.
    """

    def of(number: Any) -> Any:
        lost = isinstance(number, SizeFraction) and (number.ratio is None or rounded is round)
        return rounded(float(number) if lost else number)

    return of


def _extreme(of: Callable[..., Any], symbol: str, numbers: tuple[Any, ...], options: dict[str, Any]) -> Any:
    items = numbers
    if len(numbers) == 1 and isinstance(numbers[0], list | tuple):
        items = tuple(numbers[0])
    sizes = all(isinstance(item, int) for item in items) and any(isinstance(item, Size) for item in items)
    if options or not sizes:
        return of(*numbers, **options)
    return reduce(partial(combined, symbol), items)


def _by_numpy_rounded(self: Any, decimals: int = 0, out: Any = None) -> Any:
    """Return what `np.round` gives, which asks a number for this: halves go to the even number, as in Python."""
    if out is not None or decimals < 0:
        return np.round(_leak(self), decimals, out=out)
    if isinstance(self, Size):
        return self
    shifted = _fraction("round", self * 10**decimals if decimals else self, 0)
    return shifted / 10**decimals


def _by_numpy_typed(self: Any, kind: Any, **options: Any) -> Any:
    """Return what a number of NumPy's does, ``np.ceil(height / 2).astype(int)``."""
    wanted = np.dtype(kind)
    if wanted in (np.int64, np.int32):
        return whole(self)
    return fraction(self) if wanted == np.float64 else wanted.type(_leak(self))


def _by_numpy_reduced(name: str, function: Callable[[Any], Any]) -> Callable[..., Any]:
    """Return what `np.prod`, say, asks a shape for: of all its sizes it is a size."""

    def of(self: Any, axis: Any = None, **options: Any) -> Any:
        others = any(option is not None for option in options.values())
        if axis in (None, 0) and not others and any(isinstance(size, Size) for size in tuple.__iter__(self)):
            return function(tuple.__iter__(self))
        plain_sizes = [_leak(size) if isinstance(size, Size) else size for size in tuple.__iter__(self)]
        return getattr(np, name)(plain_sizes, axis=axis, **options)

    return of


def _mean(sizes: Iterable[int]) -> Any:
    numbers = [*sizes]
    return reduce(partial(combined, "+"), numbers) / fraction(len(numbers))


def _by_numpy(ufunc: Any, method: str, inputs: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """Return what NumPy's function gives: of single numbers by Python's own arithmetic, which remembers."""
    if function := _OF_NUMPY.get(ufunc.__name__):
        numbers = [
            one.item() if isinstance(one, np.generic | np.ndarray) and not one.shape else one
            for one in inputs
        ]
        if method == "__call__" and not options and all(isinstance(one, int | float) for one in numbers):
            return function(*numbers)
    numbers = [_leak(one) if isinstance(one, Size | SizeFraction) else one for one in inputs]
    return getattr(ufunc, method)(*numbers, **options)


_OF_NUMPY: Mapping[str, Callable[..., Any]] = {
    "add": operator.add,
    "subtract": operator.sub,
    "multiply": operator.mul,
    "divide": operator.truediv,
    "floor_divide": operator.floordiv,
    "remainder": operator.mod,
    "maximum": largest,
    "minimum": smallest,
    "equal": operator.eq,
    "not_equal": operator.ne,
    "less": operator.lt,
    "less_equal": operator.le,
    "greater": operator.gt,
    "greater_equal": operator.ge,
    "ceil": math.ceil,
    "floor": math.floor,
    "rint": round,
    "trunc": whole,
    "absolute": abs,
    "negative": operator.neg,
    "square": lambda number: number * number,
    "sqrt": root,
    "log": logarithm,
    "log2": lambda number: logarithm(number, 2),
    "log10": lambda number: logarithm(number, 10),
}


def _operator(symbol: str, turned: bool) -> Callable[[Any, Any], Any]:
    def apply(self: Any, other: Any) -> Any:
        if isinstance(other, np.integer | np.floating):
            other = other.item()  # np.float32 is no float of Python's
        if isinstance(other, bool) or not isinstance(other, int | float):
            if not isinstance(other, torch.Tensor):  # which sees whose number it is
                _leak(self)  # as in [0] * size
            return NotImplemented
        fractional = isinstance(self, float) or isinstance(other, float) or symbol not in ARITHMETIC
        if fractional and symbol not in FRACTIONS:
            return NotImplemented
        step: Callable[..., Any] = _fraction if fractional else combined
        return step(symbol, other, self) if turned else step(symbol, self, other)

    return apply


def _comparison(symbol: str) -> Callable[[Any, Any], Any]:
    def apply(self: Any, other: Any) -> Any:
        if not isinstance(other, int | float):
            return NotImplemented
        outcome = COMPARISONS[symbol](plain(self), plain(other))
        note_comparison(symbol, expression_of(self), expression_of(other), outcome)
        return outcome

    return apply


_REDUCED: Mapping[str, Callable[[Any], Any]] = {
    "prod": product,
    "sum": partial(reduce, partial(combined, "+")),
    "max": partial(reduce, partial(combined, "max")),
    "min": partial(reduce, partial(combined, "min")),
    "mean": _mean,
}
for _name, _function in _REDUCED.items():
    setattr(TracedShape, _name, _by_numpy_reduced(_name, _function))
# A size stands where NumPy's function would give a number of NumPy's, which has these.
_LIKE_NUMPY = {"round": _by_numpy_rounded, "astype": _by_numpy_typed, "item": lambda number: number}
for _kind in (Size, SizeFraction):
    for _name, _method in _LIKE_NUMPY.items():
        setattr(_kind, _name, _method)

_WAYS = (("", False), ("r", True))
_NAMES = {"+": "add", "-": "sub", "*": "mul", "//": "floordiv", "%": "mod", ">>": "rshift", "&": "and"}
_NAMES |= {"|": "or", "^": "xor", "/": "truediv"}
for _way, _turned in _WAYS:
    for _symbol, _name in _NAMES.items():
        setattr(Size, f"__{_way}{_name}__", _operator(_symbol, _turned))
    for _symbol in ("+", "-", "*", "//", "%", "/", "**"):
        _name = _NAMES.get(_symbol, "pow")
        setattr(SizeFraction, f"__{_way}{_name}__", _operator(_symbol, _turned))
setattr(Size, "__rpow__", _operator("**", turned=True))  # noqa: B010
for _symbol, _name in (("==", "eq"), ("!=", "ne"), ("<", "lt"), ("<=", "le"), (">", "gt"), (">=", "ge")):
    setattr(Size, f"__{_name}__", _comparison(_symbol))
    setattr(SizeFraction, f"__{_name}__", _comparison(_symbol))
