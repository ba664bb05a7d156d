"""Torch's shape arithmetic without torch's compiler, which it would import for a question it has no use for here.

Run without memory, many of torch's functions are Python that compiled programs share: they ask the compiler not to look
at them, and sympy whether a condition holds whose sizes are symbols. Here sizes are whole numbers, and nothing is
compiled. The import takes two to three seconds of processor time.
"""

from __future__ import annotations

import builtins
import operator
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import reduce
from threading import RLock, get_ident
from types import SimpleNamespace
from typing import Any

_COMPILER, _SYMBOLS, _ALGEBRA = "torch._dynamo", "torch.fx.experimental.symbolic_shapes", "sympy"
_ASKERS = {_COMPILER: "torch._compile", _ALGEBRA: "torch._prims_common"}
_KEPT = "__dynamo_disable"  # where that keeps, with a function, what the compiler made of it
_importing = RLock()  # imports are a process's, and one thread at a time changes them


@contextmanager
def without_compiler() -> Iterator[None]:
    """Let torch work with shapes in this block as it does where its compiler is loaded, and not load it.

    Everything is as it was afterwards: who compiles then gets torch's own. Another thread's imports are never changed.

    >>> with without_compiler():
    ...     torch.empty(1, 3, 224, 224, device="meta").minimum(torch.empty(1, device="meta"))
    """
    if all(name in sys.modules for name in (_COMPILER, _SYMBOLS, _ALGEBRA)):
        yield
        return
    with _importing:
        import_, thread, left_alone = builtins.__import__, get_ident(), list[Any]()

        def leave_alone(function: Callable[..., Any], *_: Any, **__: Any) -> Callable[..., Any]:
            left_alone.append(function)
            return function

        stand_ins = {
            _COMPILER: SimpleNamespace(_dynamo=SimpleNamespace(disable=leave_alone)),
            _ALGEBRA: SimpleNamespace(Basic=_Symbol),
        }

        def imported(
            name: str,
            globals: Mapping[str, Any] | None = None,
            locals: Mapping[str, Any] | None = None,
            fromlist: tuple[str, ...] | None = (),
            level: int = 0,
        ) -> Any:
            if get_ident() == thread and name not in sys.modules:
                if name in _ASKERS and globals and globals.get("__name__") == _ASKERS[name]:
                    return stand_ins[name]
                if name == _SYMBOLS and fromlist and _OF_NUMBERS.keys() >= set(fromlist):
                    return SimpleNamespace(**_OF_NUMBERS)
            return import_(name, globals, locals, fromlist, level)

        vars(builtins)["__import__"] = imported
        try:
            yield
        finally:
            vars(builtins)["__import__"] = import_
            for function in left_alone:
                vars(function).pop(_KEPT, None)


class _Symbol:
    """What no number or tensor is."""


def _truth(condition: Any, *_: Any) -> bool:
    if type(condition) is not bool:
        raise AssertionError(f"Expected bool, got {condition}")  # as torch does
    return condition


def _equal(one: Any, other: Any) -> bool:
    return one == other if isinstance(one, int | float) else list(one) == list(other)


_OF_NUMBERS: Mapping[str, Callable[..., Any]] = {
    **dict.fromkeys(("expect_true", "guard_bool", "guard_or_false", "guard_or_true"), _truth),
    **dict.fromkeys(("guard_size_oblivious", "statically_known_true"), _truth),
    "sym_and": lambda *conditions: reduce(operator.and_, conditions),
    "sym_or": lambda *conditions: reduce(operator.or_, conditions),
    "sym_eq": _equal,
    "is_nested_int": lambda size: False,
    "has_guarding_hint": lambda size: True,
    "guarding_hint_or_throw": lambda size: size,
}
"""What `symbolic_shapes` makes of whole numbers and truths."""
