"""The constants that a file's program makes of its own, counted on shapes alone before they are made.

A few letters, ``torch.zeros(40000, 40000)``, may ask for more than any machine holds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map

from convscope.formats.folding_budget import FoldingBudget
from convscope.formats.sizes import Size, SizeFraction
from convscope.network.parameters import Shape

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
    leaves = tree_leaves((args, kwargs))
    tensors = [leaf for leaf in leaves if isinstance(leaf, Tensor)]
    of_input = any(tensor.is_meta for tensor in tensors) or any(
        isinstance(leaf, Size | SizeFraction) for leaf in leaves
    )
    if not of_input and isinstance(operator, _ATEN):
        named = dict(kwargs) if tensors else {**kwargs, "device": "meta"}
        for shape in _made(operator, args, named):
            budget.spend(str(operator), shape)
    return operator(*args, **kwargs)


def _made(operator: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[Shape]:
    """Return the shapes of the new tensors that an operator gives; none where only the numbers tell them."""
    with suppress(Exception), torch._C.DisableTorchFunction():
        given = tree_map(_on_meta, (tuple(args), dict(kwargs)))
        made = operator(*given[0], **given[1])
        before = {_memory(leaf) for leaf in tree_leaves(given) if isinstance(leaf, Tensor)}
        tensors = [leaf for leaf in tree_leaves(made) if isinstance(leaf, Tensor)]
        return [tuple(leaf.shape) for leaf in tensors if _memory(leaf) not in before]
    return []


def _on_meta(value: Any) -> Any:
    return torch.empty_like(value, device="meta") if isinstance(value, Tensor) else value


def _memory(tensor: Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)
