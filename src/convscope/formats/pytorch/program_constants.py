"""The constants that a file's program makes of its own, counted on shapes alone before they are made.

A few letters, ``torch.zeros(40000, 40000)``, may ask for more than any machine holds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map

from convscope.formats.folding_budget import FoldingBudget
from convscope.formats.sizes import Size, SizeFraction
from convscope.network.parameters import Shape

_PRODUCTS = ("mm", "matmul", "linear", "conv", "einsum", "dot", "cdist")
_AS_LONG_AS_SAID = ("bincount", "one_hot", "repeat_interleave")
_ATEN = (torch._ops.OpOverload, torch._ops.OpOverloadPacket)


def made_within(
    budget: FoldingBudget,
    operator: Callable[..., Any],
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
) -> Any:
    """Call an ATen operator; NetworkFileError where the constants it makes are more than their file deserves.

    What depends on the network's input is not made here: it is followed on shapes alone.
    """
    if isinstance(operator, _ATEN):
        with torch._C.DisableTorchFunction():  # a trace says of what it follows that it has memory
            _spend(budget, operator, args, kwargs)
    return operator(*args, **kwargs)


def _spend(
    budget: FoldingBudget, operator: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> None:
    leaves = tree_leaves((args, kwargs))
    tensors = [leaf for leaf in leaves if isinstance(leaf, Tensor)]
    of_sizes = any(isinstance(leaf, Size | SizeFraction) for leaf in leaves)
    if of_sizes or any(tensor.is_meta for tensor in tensors):
        return
    shapes = _made(operator, args, dict(kwargs) if tensors else {**kwargs, "device": "meta"})
    for shape in shapes:
        budget.spend(str(operator), shape)
    budget.spend_work(str(operator), _work(str(operator), tensors, shapes))


def _made(operator: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[Shape]:
    """Return the shapes of the new tensors that an operator gives, or the longest where only the numbers tell them."""
    with suppress(Exception):
        given = tree_map(_on_meta, (tuple(args), dict(kwargs)))
        made = operator(*given[0], **given[1])
        before = {_memory(leaf) for leaf in tree_leaves(given) if isinstance(leaf, Tensor)}
        tensors = [leaf for leaf in tree_leaves(made) if isinstance(leaf, Tensor)]
        return [tuple(leaf.shape) for leaf in tensors if _memory(leaf) not in before]
    return [(_most(str(operator), args),)]


def _most(name: str, args: Sequence[Any]) -> int:
    """Return how many numbers an operator gives at most whose answer is as long as its numbers say."""
    tensors = [leaf for leaf in tree_leaves(args) if isinstance(leaf, Tensor)]
    count = sum(tensor.numel() * max(1, tensor.dim()) for tensor in tensors)
    whole = [tensor for tensor in tensors if tensor.numel() and not tensor.dtype.is_floating_point]
    if any(word in name for word in _AS_LONG_AS_SAID) and whole:
        return count * (1 + max(int(tensor.max()) for tensor in whole))
    return count + sum(one for one in args if isinstance(one, int))


def _work(name: str, tensors: Sequence[Tensor], shapes: Sequence[Shape]) -> float:
    """Return about how many multiply-adds an operator takes."""
    count = sum(tensor.numel() for tensor in tensors) + sum(map(prod, shapes))
    rows = [tensor.shape[-1] if tensor.dim() < 3 else tensor[0].numel() for tensor in tensors if tensor.dim()]
    return count * max(1, *rows) if rows and any(word in name for word in _PRODUCTS) else count


def _on_meta(value: Any) -> Any:
    """Return what lies as a tensor does, without memory: one that is spread over few numbers stays so."""
    if not isinstance(value, Tensor):
        return value
    return torch.empty_strided(value.shape, value.stride(), dtype=value.dtype, device="meta")


def _memory(tensor: Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)
