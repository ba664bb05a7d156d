"""Python's `int`, `float`, `range` and `math` as a network's own files see them while it is traced.

`int(h.shape[2] * 0.75)` and `math.sqrt(h.shape[2])` are C code: a plain number comes out, right at one size only. Under
these names are functions that do the same and remember the arithmetic; no other file sees them. So do the fractions
that the code has written down, `0.5 * h.shape[2]`, whose own arithmetic that is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import CodeType, FunctionType, SimpleNamespace
from typing import Any

import numpy as np
from torch import nn

from convscope.formats.pytorch.own_code import NAMESPACES, namespaces_of, own_classes
from convscope.formats.sizes import Size, SizeFraction, combined, fraction, logarithm, root, whole


class _Kind(type):
    """A type that makes numbers in its own way and is otherwise the one that it stands for, its base."""

    def __instancecheck__(cls, thing: Any) -> bool:
        return isinstance(thing, cls.__base__ or ())

    def __subclasscheck__(cls, kind: Any) -> bool:
        return issubclass(kind, cls.__base__ or ())

    def __eq__(cls, kind: Any) -> bool:
        return kind is cls or kind is cls.__base__

    def __hash__(cls) -> int:
        return hash(cls.__base__)


class _Whole(int, metaclass=_Kind):
    dtype = np.dtype(int)  # which NumPy asks for

    def __new__(cls, *number: Any, **options: Any) -> Any:
        return whole(*number, **options)


class _Fraction(float, metaclass=_Kind):
    dtype = np.dtype(float)

    def __new__(cls, *number: Any) -> Any:
        return fraction(*number)


_Whole.__name__, _Fraction.__name__ = "int", "float"


class _Written(float, metaclass=_Kind):
    """A fraction that the code has written down: what it makes of a size is the size's own arithmetic."""

    __hash__ = float.__hash__

    def __reduce__(self) -> Any:
        return float, (float(self),)


def _first(name: str, turned: str) -> Callable[[Any, Any], Any]:
    own = getattr(float, f"__{name}__")

    def apply(self: Any, other: Any) -> Any:
        return getattr(other, f"__{turned}__")(float(self)) if _sized(other) else own(self, other)

    return apply


_TURNED = {name: f"r{name}" for name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow")}
_TURNED |= {"eq": "eq", "ne": "ne", "lt": "gt", "le": "ge", "gt": "lt", "ge": "le"}
for _name, _turned in _TURNED.items():
    setattr(_Written, f"__{_name}__", _first(_name, _turned))


class _Type(type, metaclass=_Kind):
    """Of a number it is what that file calls its type."""

    def __new__(cls, *of: Any, **options: Any) -> Any:
        kind: Any = type(*of, **options)
        return _KINDS.get(kind, kind) if len(of) == 1 else kind


class _Range(Sequence[int]):
    """A range that a size is looked for in by comparisons, not number by number."""

    def __init__(self, *ends: Any) -> None:
        self.numbers = range(*ends)

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return range

    def __getattr__(self, name: str) -> Any:
        return getattr(self.numbers, name)

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, place: Any) -> Any:
        return self.numbers[place]

    def __iter__(self) -> Iterator[int]:
        return iter(self.numbers)

    def __reversed__(self) -> Iterator[int]:
        return reversed(self.numbers)

    def __contains__(self, number: Any) -> bool:
        numbers = self.numbers
        if not isinstance(number, Size) or not numbers:
            found: bool = numbers.__contains__(number)
            return found
        least, most = sorted((numbers[0], numbers[-1]))
        return bool(least <= number <= most and (number - least) % abs(numbers.step) == 0)

    def __eq__(self, other: Any) -> bool:
        return bool(self.numbers == getattr(other, "numbers", other))

    def __hash__(self) -> int:
        return hash(self.numbers)

    def __repr__(self) -> str:
        return repr(self.numbers)


def _of_whole(symbol: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def of(*numbers: Any) -> Any:
        if len(numbers) != 2 or not any(isinstance(number, Size) for number in numbers):
            return function(*numbers)
        return combined(symbol, *numbers)

    return of


_OF_MATH: Mapping[str, Callable[..., Any]] = {
    "sqrt": root,
    "log": logarithm,
    "log2": lambda number: logarithm(number, 2),
    "log10": lambda number: logarithm(number, 10),
    "pow": lambda base, exponent: (
        fraction(base) ** fraction(exponent) if _sized(base, exponent) else math.pow(base, exponent)
    ),
    "gcd": _of_whole("gcd", math.gcd),
    "lcm": _of_whole("lcm", math.lcm),
    "isqrt": lambda number: combined("isqrt", number, 0) if isinstance(number, Size) else math.isqrt(number),
    "fabs": lambda number: abs(fraction(number)) if _sized(number) else math.fabs(number),
}
_MATH = SimpleNamespace(**{**vars(math), **_OF_MATH})
_KINDS: dict[type, type] = {int: _Whole, Size: _Whole}
_KINDS |= dict.fromkeys((float, SizeFraction, _Written), _Fraction)
_BUILTIN: Mapping[str, Any] = {"int": _Whole, "float": _Fraction, "type": _Type, "range": _Range}


def _sized(*numbers: Any) -> bool:
    return any(isinstance(number, Size | SizeFraction) for number in numbers)


def asks_for_kinds(module: nn.Module) -> bool:
    """Whether a network's own code asks for the type of something, ``type(size) is int``: a size has one of its own."""
    codes = (
        getattr(thing, "__code__", None) for kind in own_classes(module) for thing in vars(kind).values()
    )
    return any(
        {"type", "int"} <= set(code.co_names) or {"type", "float"} <= set(code.co_names)
        for code in codes
        if code
    )


@contextmanager
def sized_names(module: nn.Module) -> Iterator[None]:
    """Let the code of a network and of the files that it imports from make sizes of sizes in this block."""
    with NAMESPACES:
        before: list[tuple[dict[str, Any], dict[str, Any], list[str]]] = []
        written: list[tuple[FunctionType, CodeType]] = []
        try:
            namespaces = namespaces_of(module)
            for function in _functions(module, namespaces):
                written.append((function, function.__code__))
                function.__code__ = _with_fractions(function.__code__)
            for namespace in namespaces:
                ours = {name: one for name, one in _BUILTIN.items() if name not in namespace}
                ours |= {
                    name: kept for name, one in namespace.items() if (kept := _in_place_of(one)) is not None
                }
                replaced = {name: namespace[name] for name in ours.keys() & namespace.keys()}
                before.append((namespace, replaced, [*(ours.keys() - replaced.keys())]))
                namespace.update(ours)
            yield
        finally:
            for function, code in reversed(written):
                function.__code__ = code
            for namespace, replaced, added in before:
                namespace.update(replaced)
                for name in added:
                    namespace.pop(name, None)


def _in_place_of(thing: Any) -> Any:
    """Return what stands for the math module, or for a function of it, in a file that imports it."""
    if thing is math:
        return _MATH
    name: str = getattr(thing, "__name__", "") if isinstance(thing, type(math.sqrt)) else ""
    return _OF_MATH[name] if name in _OF_MATH and thing is getattr(math, name) else None


def _functions(module: nn.Module, namespaces: Sequence[dict[str, Any]]) -> list[FunctionType]:
    """Return the functions of a network's files that have fractions, and those that its parts themselves hold."""
    things = [thing for part in module.modules() for thing in vars(part).values()]
    for namespace in namespaces:
        for thing in [*namespace.values()]:
            own = isinstance(thing, type) and vars(thing).get("__module__") == namespace.get("__name__")
            things += vars(thing).values() if own else [thing]
    things = [getattr(thing, "__func__", None) or getattr(thing, "fget", None) or thing for thing in things]
    functions = {
        id(thing): thing
        for thing in things
        if isinstance(thing, FunctionType)
        and any(thing.__globals__ is one for one in namespaces)
        and _has_fractions(thing.__code__)
    }
    return [*functions.values()]


def _has_fractions(code: CodeType) -> bool:
    return any(
        _has_fractions(constant) if isinstance(constant, CodeType) else type(constant) is float
        for constant in code.co_consts
    )


def _with_fractions(code: CodeType) -> CodeType:
    """Return code whose fractions remember a size that they meet."""
    return code.replace(co_consts=tuple(_remembering(constant) for constant in code.co_consts))


def _remembering(constant: Any) -> Any:
    if isinstance(constant, CodeType):
        return _with_fractions(constant)
    return _Written(constant) if type(constant) is float else constant
