"""A module that was saved whole, `torch.save(model)`, made again of classes that are installed: torch's, torchvision's.

Nothing in the file is run: it says which of torch's own layers there are, and their settings and numbers. Where a class
is of somebody else's code, or a setting is more than plain data, nothing is made.
"""

from __future__ import annotations

import sys
from collections import OrderedDict
from typing import Any

import torch
from torch import Tensor, nn

from convscope.formats.pytorch.counted_pickle import MOST_OBJECTS
from convscope.formats.pytorch.libraries import ready_torchvision
from convscope.formats.pytorch.unpickling import Placeholder

_DEPTH = 100
_AROUND = (
    "torch.nn.parallel.data_parallel.DataParallel",
    "torch.nn.parallel.distributed.DistributedDataParallel",
)
_HELD = ("_modules", "_parameters", "_buffers")
_PLAIN = (bool, int, float, complex, str, bytes, Tensor, torch.dtype, torch.device, torch.Size)
_CLASSES = ("torch.nn.modules.", "torchvision.models.", "torchvision.ops.")
_FUNCTIONS = ("torch.nn.functional",)


class _Foreign(Exception):
    """What the file holds is more than torch's layers and plain data."""


class _Unused(_Foreign):
    """A setting that is code: a layer's ``norm_layer``, say, of which it was made, and which it no longer asks for."""


def rebuilt(saved: Any) -> nn.Module | None:
    """Return the module that a placeholder stands for; None where it needs code that is not torch's own.

    >>> rebuilt(read_pickle(Path("whole.pt")))
    Sequential(...)
    """
    try:
        return _Making().module(saved, 0)
    except Exception:  # torch's own classes raise what they like at settings that are none
        return None


def module_inside(saved: Placeholder) -> Placeholder:
    """Return the module that one runs in parallel; any other as it is."""
    parts = saved.state.get("_modules") if isinstance(saved.state, dict) and saved.name in _AROUND else None
    module = parts.get("module") if isinstance(parts, dict) else None
    return module if isinstance(module, Placeholder) else saved


class _Making:
    """Makes each module once, wherever it stands, and looks at so many settings at most."""

    def __init__(self) -> None:
        self.made: dict[int, nn.Module | None] = {}
        self.left = MOST_OBJECTS

    def module(self, saved: Any, depth: int) -> nn.Module:
        """Return a placeholder's module with all that is in it."""
        if not isinstance(saved, Placeholder) or not isinstance(saved.state, dict) or depth > _DEPTH:
            raise _Foreign
        if saved.name in _AROUND:
            return self.module(saved.state["_modules"]["module"], depth + 1)
        if id(saved) not in self.made:
            self.made[id(saved)] = None  # one that holds itself is none of torch's
            self.made[id(saved)] = self._new(saved, depth)
        if (module := self.made[id(saved)]) is None:
            raise _Foreign
        return module

    def _new(self, saved: Placeholder, depth: int) -> nn.Module:
        kind = _named(saved.name)
        if not (isinstance(kind, type) and issubclass(kind, nn.Module)):
            raise _Foreign
        module: nn.Module = kind.__new__(kind)
        nn.Module.__init__(module)
        settings = (self._setting(kind, key, item, depth) for key, item in saved.state.items())
        kept = dict(setting for setting in settings if setting is not None)
        module.__setstate__(kept)  # type: ignore[no-untyped-call]
        return module

    def _setting(self, kind: type, key: str, item: Any, depth: int) -> tuple[str, Any] | None:
        """Return an attribute by its name; None for code in it: what asks for that later says that it is not there."""
        try:
            return key, self._attribute(kind, key, item, depth)
        except _Unused:
            if hasattr(kind, key) or key in _HELD:
                raise
            return None

    def _attribute(self, kind: type, key: Any, item: Any, depth: int) -> Any:
        """Return an attribute of a module, its inner modules made too; hooks, which are code, are left out."""
        if "_hooks" in key:
            return OrderedDict()
        if key == "_modules":
            inside = (
                (name, inner if inner is None else self.module(inner, depth + 1))
                for name, inner in item.items()
            )
            return OrderedDict(inside)
        if callable(getattr(kind, key, None)):  # a method is no setting
            raise _Foreign
        return self._plain(item, 0)

    def _plain(self, item: Any, depth: int) -> Any:
        """Return plain data, and torch's own classes and functions among it."""
        self.left -= 1
        if depth > _DEPTH or self.left < 0:
            raise _Foreign
        if item is None or isinstance(item, _PLAIN):
            return item
        if isinstance(item, dict):
            pairs = (
                (self._plain(key, depth + 1), self._plain(value, depth + 1)) for key, value in item.items()
            )
            return type(item)(pairs)
        if isinstance(item, list | tuple | set):
            return type(item)(self._plain(value, depth + 1) for value in item)
        if isinstance(item, type) and issubclass(item, Placeholder):
            return _named(item.name)
        raise _Unused


def _named(name: str) -> Any:
    """Return a layer's class or a function of torch's by its full name, of those that are known to be only that."""
    module, _, short = name.rpartition(".")
    if not name.startswith(_CLASSES) and module not in _FUNCTIONS:
        raise _Unused
    if name.startswith("torchvision."):
        ready_torchvision()
        __import__(module)
    found = getattr(sys.modules[module], short)
    own = getattr(found, "__module__", module) == module
    if not own or not (module in _FUNCTIONS or (isinstance(found, type) and issubclass(found, nn.Module))):
        raise _Unused
    return found
