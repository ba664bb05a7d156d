"""The ascent: a picture is changed step by step towards what makes its objective largest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, eq=False)
class Step:
    """One step of an ascent of N pictures.

    ``values`` (N,) are the objectives of the pictures the step started from, as transformed; ``gradient_norms`` (N,)
    the L2 norms of their gradients for the canvas; ``seconds`` what it took. `pictures` paints the pictures after the
    step, `best` the best ones so far, both (N, channels, height, width) in 0..1; call them before the next step.
    """

    index: int
    of: int
    values: Tensor
    gradient_norms: Tensor
    seconds: float
    pictures: Callable[[], Tensor]
    best: Callable[[], Tensor]
