"""Rounding as C does it, which torch does not have."""

from __future__ import annotations

import torch
from torch import Tensor


def half_away(values: Tensor) -> Tensor:
    """Round to whole numbers, halves away from 0, as C's ``round`` does.

    Not by adding a half, which makes 1 of the number just below 0.5.

    >>> half_away(torch.tensor([-2.5, -0.4, 0.5, 0.49999997]))
    tensor([-3.,  0.,  1.,  0.])
    """
    whole = values.trunc()
    return whole + torch.where((values - whole).abs() >= 0.5, values.sign(), 0.0)
