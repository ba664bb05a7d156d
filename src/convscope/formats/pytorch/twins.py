"""Tensors without memory that stand for a module's own, on which a trace runs torch's functions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map


@dataclass
class Twins:
    """The tensors of a trace that have memory, each with its twin on the meta device."""

    _twins: dict[int, Tensor] = field(default_factory=dict)
    _originals: dict[int, Tensor] = field(default_factory=dict)

    def __contains__(self, tensor: Tensor) -> bool:
        return id(tensor) in self._twins

    def of(self, leaf: Any) -> Any:
        """Return a tensor's twin on the meta device, and that device for any other."""
        if isinstance(leaf, torch.device):
            return torch.device("meta")
        if not isinstance(leaf, Tensor) or leaf.is_meta:
            return leaf
        if id(leaf) not in self._twins:
            twin = leaf.detach().to("meta")
            self._twins[id(leaf)], self._originals[id(twin)] = twin, leaf
        return self._twins[id(leaf)]

    def of_all(self, arguments: Any) -> Any:
        """Return some arguments with their twins in place of tensors."""
        return tree_map(self.of, arguments)

    def with_numbers(self, result: Any) -> Any:
        """Return what was given with the constants themselves in place of their twins."""
        return tree_map(lambda leaf: self._originals.get(id(leaf), leaf), result)

    def leaves(self, arguments: Any) -> list[Tensor]:
        """Return the tensors among some arguments, none of them a twin."""
        leaves = (leaf for leaf in tree_leaves(arguments) if isinstance(leaf, Tensor))
        return [self._originals.get(id(leaf), leaf) for leaf in leaves]
