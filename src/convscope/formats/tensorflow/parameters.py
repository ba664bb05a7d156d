"""A graph's parameters: TensorFlow's numbers in the layout that the operations take, and back in TensorFlow's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from convscope.network.parameters import Shape

Array: TypeAlias = NDArray[Any]


@dataclass(frozen=True)
class Layout:
    """How numbers are turned, `there`, and what `stored` is told to turn them `back`, from their own shape."""

    there: Callable[[Array], Array]
    back: Callable[[Shape], dict[str, Any]]


def _depthwise(filters: Array) -> Array:
    height, width, channels, times = filters.shape
    turned: Array = filters.transpose(2, 3, 0, 1).reshape(channels * times, 1, height, width)
    return turned


LAYOUTS: Mapping[str, Layout] = {
    "plain": Layout(lambda array: array, lambda shape: {}),
    # (height, width, in, out) is (out, in, height, width)
    "filters": Layout(lambda array: array.transpose(3, 2, 0, 1), lambda shape: {"order": (2, 3, 1, 0)}),
    # (depth, height, width, in, out) is (out, in, depth, height, width)
    "volumes": Layout(lambda array: array.transpose(4, 3, 0, 1, 2), lambda shape: {"order": (2, 3, 4, 1, 0)}),
    # (height, width, channels, times) is (channels x times, 1, height, width)
    "depthwise": Layout(
        _depthwise,
        lambda shape: {"shape": (*shape[2:], *shape[:2]), "order": (2, 3, 0, 1)},
    ),
    "matrix": Layout(np.transpose, lambda shape: {"order": (1, 0)}),
    "vector": Layout(np.ravel, lambda shape: {"shape": shape} if len(shape) != 1 else {}),
}


@dataclass(frozen=True)
class LaidOut:
    """A parameter: TensorFlow's numbers, and which of the `LAYOUTS` the operation takes them in."""

    numbers: Array
    layout: str

    @property
    def shape(self) -> Shape:
        """Its shape in that layout, told without touching the numbers."""
        return tuple(LAYOUTS[self.layout].there(np.broadcast_to(np.int8(0), self.numbers.shape)).shape)

    def load(self) -> Array:
        """Return the numbers in that layout."""
        return LAYOUTS[self.layout].there(self.numbers)
