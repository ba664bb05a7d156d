"""The code that a network is made of: its classes, the files these are of, and the numbers that this code names."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from threading import RLock
from types import CodeType, FunctionType, ModuleType
from typing import Any

from torch import nn

NAMESPACES = RLock()  # they are a process's, and one thread at a time changes them
_OTHERS = frozenset({*sys.stdlib_module_names, "torch", "numpy", "convscope"}) - {"__main__"}
_DEEPEST = 6
_MOST = 500  # numbers in one list: a longer one is no list of sizes


def own_classes(module: nn.Module) -> list[type]:
    """Return the classes of a network's parts that are neither torch's nor Python's."""
    classes = {base for part in module.modules() for base in type(part).__mro__}
    return [kind for kind in classes if _package(kind.__module__) not in _OTHERS]


def namespaces_of(module: nn.Module) -> list[dict[str, Any]]:
    """Return the globals of the files that a network's classes and functions are of, and of those that these use.

    Of what is installed only the packages that have a class of the network's are looked at.
    """
    parts = [*module.modules()]
    classes = {base for part in parts for base in type(part).__mro__}
    functions = [thing for part in parts for thing in vars(part).values() if isinstance(thing, FunctionType)]
    waiting: list[Any] = [*{thing.__module__ for thing in (*classes, *functions)}]
    packages = {_package(name) for name in waiting}
    found: dict[str, dict[str, Any]] = {}
    while waiting:
        name = waiting.pop()
        file = sys.modules.get(name) if isinstance(name, str) else None
        if file is None or name in found or _package(name) in _OTHERS:
            continue
        if "-packages" in (getattr(file, "__file__", None) or "") and _package(name) not in packages:
            continue
        found[name] = vars(file)
        for thing in [*found[name].values()]:
            if isinstance(thing, type | FunctionType):
                waiting.append(thing.__module__)
            elif isinstance(thing, ModuleType):
                waiting.append(thing.__name__)
    return [*found.values()]


def _package(name: str) -> str:
    return name.partition(".")[0]


def named_numbers(module: nn.Module) -> tuple[list[int], list[tuple[int, int]]]:
    """Return the whole numbers, and the pairs, that stand in the code a network runs and in what this code names.

    At a size that is one of them the code may do something else than around it, ``{36: 2.0}.get(h.shape[2], 3.0)``.
    """
    alone: dict[int, None] = {}
    pairs: dict[tuple[int, int], None] = {}
    seen: set[int] = set()
    for part in module.modules():
        things = [*vars(part).values(), getattr(type(part), "forward", None)]
        waiting = [thing for thing in things if isinstance(thing, FunctionType)]
        while waiting:
            function = waiting.pop()
            if id(function) in seen or _package(function.__module__ or "") in _OTHERS:
                continue
            seen.add(id(function))
            for name in _names(function.__code__):
                for home in (function.__globals__, vars(part), *map(vars, type(part).__mro__[:-1])):
                    thing = home.get(name)
                    thing = getattr(thing, "__func__", None) or getattr(thing, "__wrapped__", None) or thing
                    if isinstance(thing, FunctionType):
                        waiting.append(thing)
                    else:
                        _add(thing, alone, pairs)
            _add(function.__code__, alone, pairs)
    return [*alone], [*pairs]


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _add(thing: Any, alone: dict[int, None], pairs: dict[tuple[int, int], None], depth: int = 0) -> None:
    """Add the numbers of a constant, and of what it is made of."""
    items: Sequence[Any] = ()
    if isinstance(thing, CodeType):
        items = thing.co_consts
        if "chr" in thing.co_names:  # letters are numbers there
            items = [
                *items,
                *(ord(letter) for text in items if isinstance(text, str) for letter in text[:_MOST]),
            ]
    elif isinstance(thing, Mapping):
        items = [item for item in thing.items() if len(thing) <= _MOST]
        items = [one for item in items for one in item]
    elif isinstance(thing, list | tuple | set | frozenset):
        items = [*thing][:_MOST]
    elif isinstance(thing, str) and len(thing) < 40:
        items = [int(number) for number in re.findall(r"\d{1,4}", thing, re.ASCII)]
        items = [*items, tuple(items)]
    elif type(thing) is int:
        alone[thing] = None
    if isinstance(thing, list | tuple) and len(thing) in (2, 3, 4):
        last = tuple(thing)[-2:]
        if all(type(number) is int for number in last):
            pairs[last] = None
    for item in items:
        if depth < _DEEPEST:
            _add(item, alone, pairs, depth + 1)
