"""A network's parameters: shapes at once, values when they are asked for.

A weight file is mapped, not read: a table of 138 million parameters costs nothing until one is looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from torch import Tensor

from convscope.ordinary_torch import ordinary_torch

Shape = tuple[int, ...]


class Parameters(Mapping[str, Tensor]):
    """Parameter name (``conv1.weight``) to tensor; each is loaded the first time it is asked for, then kept.

    `shapes` are known without loading. The tensors are the network's own: they are frozen by convention, and
    changed by making a network with others (`Network.with_parameters`).
    """

    def __init__(self, shapes: Mapping[str, Shape], load: Callable[[str], Tensor]) -> None:
        self.shapes = dict(shapes)
        self._load = load
        self._loaded: dict[str, Tensor] = {}

    def __getitem__(self, name: str) -> Tensor:
        if name not in self._loaded:
            if name not in self.shapes:
                raise KeyError(name)
            with ordinary_torch():  # they are kept, and gradients are asked for later
                self._loaded[name] = self._load(name)
        return self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.shapes)

    def __len__(self) -> int:
        return len(self.shapes)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle them by value: a file may not be where they are opened again."""
        return _of_tensors, ({name: self.fresh(name) for name in self},)

    def fresh(self, name: str) -> Tensor:
        """Return a parameter without keeping it when it was not loaded yet: for who makes a copy of their own."""
        return self._loaded[name] if name in self._loaded else self._load(name)

    def replaced(self, changes: Mapping[str, Tensor]) -> Parameters:
        """Return the same parameters with some replaced or added; the others stay unloaded."""
        shapes = {**self.shapes, **{name: tuple(tensor.shape) for name, tensor in changes.items()}}
        return Parameters(shapes, lambda name: changes[name] if name in changes else self[name])

    def mapped(self, function: Callable[[Tensor], Tensor]) -> Parameters:
        """Return the same parameters, each put through a function that keeps its shape when it is loaded."""
        return Parameters(self.shapes, lambda name: function(self._load(name)))


def _of_tensors(values: Mapping[str, Tensor]) -> Parameters:
    return Parameters({name: tuple(value.shape) for name, value in values.items()}, values.__getitem__)
