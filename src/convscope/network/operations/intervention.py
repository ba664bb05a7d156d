"""Numbers set from outside: what units answer, whatever they were going to."""

from __future__ import annotations

import torch
from torch import Tensor

from convscope.network.operations.registry import operation
from convscope.network.operations.shape_rules import stretched_shape


@operation(shape=stretched_shape)
def set_units(input: Tensor, *, mask: Tensor, values: Tensor, factor: float = 0.0) -> Tensor:
    """Return the input with `values`, plus `factor` times the input, where the `mask` is not 0.

    Mask and values have the input's shape, or sizes of 1 where they are the same all along an axis.
    """
    replacement = values if factor == 0 else values + factor * input
    return torch.where(mask != 0, replacement, input)


@operation
def at_most(input: Tensor, *, maximum: Tensor) -> Tensor:
    """Return the input with no channel above its `maximum`, (channels,)."""
    return torch.minimum(input, maximum.reshape(1, -1, *(1 for _ in input.shape[2:])))
