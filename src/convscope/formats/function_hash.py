"""What makes two Python functions the same: their code and what it uses, not their name or where they stand.

A network with a layer that a person taught is as much the same as that function is: pictures are kept under its hash.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from hashlib import sha256
from itertools import count
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np
from torch import Tensor

_MOST = 2_000  # things that are looked at; a function that uses more is like no other
_PLAIN = (type(None), bool, int, float, complex, str, bytes, type(Ellipsis))


def function_sha256(function: Callable[..., Any]) -> str:
    """Return the hash of a function's code, and of the constants, functions and objects that it uses.

    Another number in it, in a variable around it or in a function that it calls makes another hash; names of files and
    lines make none. It differs between versions of Python, whose code differs.

    >>> function_sha256(lambda x: x + 1) == function_sha256(lambda x: x + 2)
    False
    """
    digest, seen = sha256(), dict[int, Any]()
    for fact in _facts(function, seen, count()):
        digest.update(fact.encode("utf-8", "surrogatepass") + b"\0")
    return digest.hexdigest()


def _facts(value: Any, seen: dict[int, Any], number: Iterator[int]) -> Iterator[str]:
    """Yield texts that say all of a value; `seen` keeps what was looked at, so that nothing is twice, or for ever."""
    if isinstance(value, _PLAIN):
        yield f"{type(value).__name__} {value!r}"
    elif isinstance(value, ModuleType):
        yield f"module {value.__name__} {getattr(value, '__version__', '')}"
    elif seen and isinstance(value, (FunctionType, type)) and _is_a_librarys(value):
        yield f"{value.__module__} {value.__qualname__} {_version(value)}"
    elif id(value) in seen:
        yield f"again {list(seen).index(id(value))}"
    elif next(number) >= _MOST:
        yield f"more than can be looked at: {id(value)}"
    else:
        seen[id(value)] = value
        yield type(value).__qualname__
        for part in _parts(value):
            yield from _facts(part, seen, number)


def _parts(value: Any) -> Iterator[Any]:
    """Yield what a value is made of."""
    if isinstance(value, FunctionType):
        yield from (value.__code__, value.__defaults__, value.__kwdefaults__)
        yield from (cell.cell_contents for cell in value.__closure__ or () if not _is_empty(cell))
        names = sorted(_names(value.__code__))
        yield {name: value.__globals__[name] for name in names if name in value.__globals__}
    elif isinstance(value, CodeType):
        yield from (value.co_code, value.co_names, value.co_varnames, value.co_argcount, *value.co_consts)
    elif isinstance(value, MethodType):
        yield from (value.__func__, value.__self__)
    elif isinstance(value, partial):
        yield from (value.func, value.args, value.keywords)
    elif isinstance(value, Tensor):
        yield value.detach().cpu().contiguous().numpy()
    elif isinstance(value, np.ndarray):
        yield from (str(value.dtype), value.shape, value.tobytes())
    elif isinstance(value, Mapping):
        yield from (part for item in value.items() for part in item)
    elif isinstance(value, (list, tuple)):
        yield from value
    elif isinstance(value, (set, frozenset)):
        yield from sorted(map(repr, value))
    elif isinstance(value, type) or not hasattr(value, "__dict__"):
        yield getattr(value, "__module__", ""), getattr(value, "__qualname__", repr(value))
        if isinstance(value, type):
            yield from (part for part in vars(value).values() if isinstance(part, FunctionType))
            yield from value.__bases__
    else:  # an object that is called like a function: a module of torch, say
        yield type(value)
        yield vars(value)


def _is_a_librarys(value: Any) -> bool:
    """Whether a function or a class is part of an installed library: its version says what it does."""
    root = str(value.__module__).partition(".")[0]
    place = getattr(sys.modules.get(root), "__file__", None) or ""
    return root in sys.stdlib_module_names or "-packages" in place


def _version(value: Any) -> str:
    return str(getattr(sys.modules.get(str(value.__module__).partition(".")[0]), "__version__", ""))


def _names(code: CodeType) -> Iterator[str]:
    """Yield the names that code looks up, and those of the functions inside it."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _is_empty(cell: Any) -> bool:
    try:
        return cell.cell_contents is cell
    except ValueError:
        return True
