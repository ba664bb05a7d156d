"""Something that a Keras layer has learned."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float32]


@dataclass(frozen=True)
class Variable:
    """Something a layer has learned, by Keras's name for it.

    `arrange` turns Keras's order of its axes into that of the operation. One with a `value` is stated by the layer's
    configuration, and no file has it. `group` is the part of the layer it is kept in, where a layer has parts.
    """

    name: str
    arrange: Callable[[Numbers], Numbers] = np.asarray
    is_trained: bool = True
    value: Numbers | None = None
    group: str = ""
