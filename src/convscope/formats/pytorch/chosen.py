"""What a mask of live truths picks, ``y[y < 0] *= 0.1``: how many numbers it is depends on the picture.

It is followed as all that the mask could pick, with ones where it does not, so that no gradient of those is infinite.
Arithmetic of each number alone, sums and means are right so, and what is written back where the mask holds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from convscope.errors import UnsupportedLayer
from convscope.formats.pytorch.values import TraceStep, Values
from convscope.network.operations.aten import is_pointwise

# What is asked of a tensor whatever is in it.
_ASKED = frozenset({"dim", "ndim", "ndimension", "dtype", "is_floating_point", "is_complex"})
_COPIES = frozenset({"clone", "contiguous", "detach", "to", "float", "double", "half", "bfloat16", "type_as"})
# Of each row alone, as long as a row is more than a number.
_BY_ROWS = frozenset({"linear", "layer_norm"})


@dataclass
class Choices:
    """The tensors that hold what a mask picks, each with its mask; `trace` writes down what is made of them."""

    trace: TorchFunctionMode
    values: Values
    _masks: dict[int, Tensor] = field(default_factory=dict)

    def __contains__(self, tensor: Any) -> bool:
        return id(tensor) in self._masks

    def concern(self, name: str) -> bool:
        """Whether a function may pick by a mask, or work on what was picked."""
        return bool(self._masks) or name in ("getitem", "masked_select")

    def follow(self, name: str, args: Any, kwargs: Mapping[str, Any]) -> tuple[bool, Any]:
        """Return whether a call is done with here, and what it gives; else the mask whose picks it works on."""
        if name in ("getitem", "masked_select") and not kwargs and self._picks(*args[:2]):
            return True, self._picked(*args)
        if name == "setitem" and self._picks(*args[:2]) and args[2] in self:
            self._assign(*args)
            return True, None
        leaves = [leaf for leaf in tree_leaves((args, kwargs)) if leaf in self]
        if not leaves or name in _ASKED:
            return False, None
        if name in ("sum", "mean") and len(args) == 1 and not kwargs:
            return True, self._summed(args[0], name)
        if not self._keeps(name, leaves, args, kwargs):
            raise self._unclear(name)
        return False, self._masks[id(leaves[0])]

    def mark(self, result: Any, mask: Tensor, name: str) -> None:
        """Say that what a call gave holds what the mask picks, too."""
        if not isinstance(result, Tensor) or result.shape[:1] != (mask.numel(),):  # the largest of all, say
            raise self._unclear(name)
        self._masks[id(result)] = mask

    def _unclear(self, name: str) -> UnsupportedLayer:
        return UnsupportedLayer(
            f"it calls torch's {name!r} on what a mask picks, which is another number of numbers for each picture"
        )

    def _picks(self, tensor: Any, mask: Any) -> bool:
        truths = (
            isinstance(mask, Tensor) and mask.dtype == torch.bool and mask in self.values and mask.dim() > 0
        )
        return truths and isinstance(tensor, Tensor) and tensor.shape[: mask.dim()] == mask.shape

    def _picked(self, tensor: Tensor, mask: Tensor) -> Tensor:
        ones = torch.ones((), dtype=tensor.dtype)
        with self.trace:
            picked = torch.where(_stretched(mask, tensor.dim()), tensor, ones).flatten(0, mask.dim() - 1)
        self._masks[id(picked)] = mask
        return picked

    def _assign(self, tensor: Tensor, mask: Tensor, part: Tensor) -> None:
        if not self._alike(mask, self._masks[id(part)]):
            raise UnsupportedLayer("what one mask picks is written where another one holds")
        with self._whole(part), self.trace:
            whole = part.reshape(tensor.shape).to(tensor.dtype)
            tensor.copy_(torch.where(_stretched(mask, tensor.dim()), whole, tensor))

    def _summed(self, picked: Tensor, name: str) -> Tensor:
        with self._whole(picked) as mask, self.trace:
            rows = _stretched(mask.flatten(), picked.dim())
            total = torch.where(rows, picked, torch.zeros((), dtype=picked.dtype)).sum()
            return total if name == "sum" else total / (mask.sum() * prod(picked.shape[1:]))

    @contextmanager
    def _whole(self, picked: Tensor) -> Iterator[Tensor]:
        """Take what was picked for all that could be, as which it is kept; gives the mask."""
        mask = self._masks.pop(id(picked))
        try:
            yield mask
        finally:
            self._masks[id(picked)] = mask

    def _keeps(self, name: str, leaves: Sequence[Tensor], args: Any, kwargs: Any) -> bool:
        """Whether a call does the same to each number that was picked, or to each row."""
        first, mask = leaves[0], self._masks[id(leaves[0])]
        if any(not self._alike(mask, self._masks[id(leaf)]) or leaf.dim() != first.dim() for leaf in leaves):
            return False
        others = [
            leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor) and leaf not in self
        ]
        if name.rstrip("_") in _COPIES:
            return True
        if name in _BY_ROWS:
            return first.dim() > 1 and first is args[0] and len(leaves) == 1
        alone = all(leaf.dim() < first.dim() or leaf.shape[0] == 1 for leaf in others)
        return alone and all(leaf.dim() <= first.dim() for leaf in others) and is_pointwise(name.rstrip("_"))

    def _alike(self, one: Tensor, other: Tensor) -> bool:
        makers = {value: step for step in self.values.steps for value in step.outputs}
        return _same_value(self.values.read(one), self.values.read(other), makers, set())


def _same_value(
    one: int, other: int, makers: Mapping[int, TraceStep], looked_at: set[tuple[int, int]]
) -> bool:
    """Whether two values are made in the same way: ``x < 0`` and ``x < 0`` once more."""
    if one == other or (one, other) in looked_at:
        return True
    looked_at.add((one, other))
    if one not in makers or other not in makers:
        return False
    a, b = makers[one].plan, makers[other].plan
    numbers = a.parameters.keys() == b.parameters.keys() and all(
        a.parameters[role] is b.parameters[role] or torch.equal(a.parameters[role], b.parameters[role])
        for role in a.parameters
    )
    alike = (a.kind, a.attributes) == (b.kind, b.attributes) and len(a.inputs) == len(b.inputs) and numbers
    place = makers[one].outputs.index(one) == makers[other].outputs.index(other)
    return (
        alike
        and place
        and all(
            _same_value(left, right, makers, looked_at)
            for left, right in zip(a.inputs, b.inputs, strict=True)
        )
    )


def _stretched(mask: Tensor, axes: int) -> Tensor:
    for _ in range(axes - mask.dim()):
        mask = mask.unsqueeze(-1)
    return mask
