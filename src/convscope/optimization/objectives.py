"""What a picture is made to do to a network: objectives with algebra, which say what they are in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from torch import Tensor

Values: TypeAlias = Mapping[str, Tensor]
"""Each address an objective looks at, to what it answers to N pictures.

A layer's address gives (N, channels, height, width), or (N, channels) where it has no rows and columns; a channel's
gives (N, 1, height, width), a neuron's (N, 1, 1, 1). Channels come second whatever the network's own order.
"""
Score: TypeAlias = Callable[[Values], Tensor]


@dataclass(frozen=True)
class Objective:
    """What is maximized: ``score`` gives one number a picture, shape (N,), of what ``targets`` answer.

    ``targets`` are addresses, and nothing but them is computed; ``description`` is the words a caption uses.
    Objectives add, subtract, multiply and divide, with numbers and with each other, and are never changed.

    >>> channel("mixed4a", 42) - 0.5 * channel("mixed4a", 43)
    Objective('mixed4a:42 - 0.5 x mixed4a:43')
    """

    targets: tuple[str, ...]
    description: str
    score: Score
