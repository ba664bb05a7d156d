"""A sequence is gone through step by step: not more than networks have, and one where only shapes are asked for."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from convscope.errors import InputError

MOST_STEPS = 32_768


def steps_of(sequence: Tensor, count: int) -> int:
    """Return through how many steps of a sequence to go: of one without numbers, the first stands for all.

    Raises InputError for more steps than any network has: in a file a number of six digits asks for minutes.
    """
    if count > MOST_STEPS:
        raise InputError(f"a sequence of {count:,} steps: convscope goes through up to {MOST_STEPS:,}")
    return min(count, 1) if sequence.is_meta else count


def stacked(outputs: Sequence[Tensor], count: int, axis: int = 0) -> Tensor:
    """Return what came of `count` steps as one tensor; where one stands for all, its shape as often."""
    together = torch.stack(list(outputs), axis)
    if len(outputs) == count:
        return together
    return together.expand(*together.shape[:axis], count, *together.shape[axis + 1 :])
