"""What a network keeps for itself while it runs, a grid for each size say: forgotten when a trace has ended.

It would be no real tensor. It may be kept in a module, in an object that a module has, in a class, in a variable of a
file, or by `functools.cache`.
"""

from __future__ import annotations

import functools
from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from copy import copy
from operator import is_not
from types import FunctionType
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from convscope.formats.pytorch.own_code import NAMESPACES, namespaces_of, own_classes

_CONTAINERS = (dict, OrderedDict, defaultdict, list, set)
_CACHED = functools._lru_cache_wrapper


@contextmanager
def as_before(module: nn.Module) -> Iterator[None]:
    """Undo in the end what a network writes into its attributes, its classes and its files; run none of its caches."""
    parts = [*module.modules()]
    with NAMESPACES:
        namespaces, classes = namespaces_of(module), own_classes(module)
        own = {space.get("__name__") for space in namespaces}
        held = _objects(parts, own)
        classes += [type(thing) for thing in held]
        functions = [*_functions([*map(vars, [*parts, *classes]), *namespaces])]
        things = [*parts, *held, *dict.fromkeys(classes), *functions]
        values = [value for kept in (*map(vars, things), *namespaces) for value in kept.values()]
        values += [value for function in functions for value in _remembered(function)]
        contents = [(value, copy(value)) for value in values if type(value) in _CONTAINERS]
        before = [(thing, dict(vars(thing))) for thing in things]
        names = [(space, dict(space)) for space in namespaces]
        try:
            for thing, kept in before:
                for name, value in kept.items():
                    _run_uncached(thing, name, value)
            for space, kept in names:
                space.update({name: one.__wrapped__ for name, one in kept.items() if type(one) is _CACHED})
            yield
        finally:
            for thing, kept in before:
                _restore_attributes(thing, kept)
            for space, kept in names:
                space.update({name: one for name, one in kept.items() if space.get(name, one) is not one})
                for name in [name for name in space if name not in kept and _has_tensors(space[name])]:
                    del space[name]
            for container, content in contents:
                if len(container) != len(content) or any(map(is_not, _items(container), _items(content))):
                    container.clear()
                    (container.extend if isinstance(container, list) else container.update)(content)


def _objects(parts: Iterable[nn.Module], own: set[Any]) -> list[Any]:
    """Return what modules have that is an object of a class in one of their own files, and no module."""
    found: dict[int, Any] = {}
    waiting = [value for part in parts for value in vars(part).values()]
    while waiting:
        thing = waiting.pop()
        plain = not isinstance(thing, nn.Module | Tensor | type) and type(thing).__module__ in own
        if plain and hasattr(thing, "__dict__") and id(thing) not in found:
            found[id(thing)] = thing
            waiting += vars(thing).values()
    return [*found.values()]


def _functions(namespaces: Iterable[Mapping[str, Any]]) -> Iterator[FunctionType]:
    """Yield the functions of files, classes and modules; of those with a cache what is in it."""
    for space in namespaces:
        for thing in space.values():
            function = thing.__func__ if isinstance(thing, staticmethod | classmethod) else thing
            function = thing.fget if isinstance(thing, property) else function
            function = function.__wrapped__ if type(function) is _CACHED else function
            if isinstance(function, FunctionType):
                yield function


def _remembered(function: FunctionType) -> Iterator[Any]:
    """Yield what a function keeps from call to call: its defaults, ``def f(n, cache={})``, and what it closes over."""
    yield from function.__defaults__ or ()
    yield from (function.__kwdefaults__ or {}).values()
    for cell in function.__closure__ or ():
        with suppress(ValueError):  # which is empty
            yield cell.cell_contents


def _run_uncached(thing: Any, name: str, value: Any) -> None:
    """Put what a function with a cache wraps in its place."""
    inner = value.__func__ if isinstance(value, staticmethod | classmethod) else value
    if type(inner) is not _CACHED:
        return
    bare = inner.__wrapped__
    setattr(thing, name, bare if inner is value else type(value)(bare))


def _restore_attributes(thing: Any, kept: dict[str, Any]) -> None:
    now = vars(thing)
    if isinstance(thing, type):
        for name in [name for name in now if name not in kept and _has_tensors(now[name])]:
            delattr(thing, name)
        for name in [name for name, value in kept.items() if now.get(name) is not value]:
            setattr(thing, name, kept[name])
        return
    for name in now.keys() - kept.keys():
        del now[name]
    now |= {name: value for name, value in kept.items() if now.get(name) is not value}


def _has_tensors(value: Any) -> bool:
    return any(isinstance(leaf, torch.Tensor) for leaf in tree_leaves(value))


def _items(container: Any) -> Iterable[Any]:
    return container.values() if isinstance(container, dict) else container
