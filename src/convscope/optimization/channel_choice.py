"""Which channels of a layer: a list of them, or those that answer a picture most or least."""

from __future__ import annotations

import re
from collections.abc import Sequence

from torch import Tensor

from convscope.errors import InputError

_RANKS = re.compile(r"(strongest|weakest)(?::(\d+))?")
_HOW = "give numbers (3,17), strongest:8 or weakest:8"


def chosen_channels(choice: str | Sequence[int], answer: Tensor, layer: str) -> tuple[int, ...]:
    """Return the channels that `choice` means in a layer whose answer to a picture is `answer` (1, channels, ...).

    "strongest:8" are the eight with the largest mean over positions, "weakest:8" those with the smallest.

    >>> chosen_channels("strongest:2", torch.tensor([[0.1, 0.9, 0.5]]), "conv1")
    (1, 2)
    """
    count = answer.shape[1]
    if isinstance(choice, str) and (rank := _RANKS.fullmatch(choice.strip())):
        how_many = int(rank[2] or 1)
        if not 1 <= how_many <= count:
            raise InputError(f"{layer} has {count} channels, so {choice!r} is not possible: {_HOW}")
        means = answer[0].flatten(1).mean(1) if answer.dim() > 2 else answer[0]
        return tuple(means.topk(how_many, largest=rank[1] == "strongest").indices.tolist())
    try:
        numbers = tuple(int(part) for part in (choice.split(",") if isinstance(choice, str) else choice))
    except (TypeError, ValueError):
        raise InputError(f"{choice!r} says no channels of {layer}: {_HOW}") from None
    if not numbers or any(not 0 <= number < count for number in numbers):
        raise InputError(f"{layer} has channels 0 to {count - 1}, not {choice!r}")
    return numbers
