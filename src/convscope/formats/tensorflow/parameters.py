"""A graph's parameters: TensorFlow's numbers in the layout that the operations take, and back in TensorFlow's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from convscope.network.parameters import Parameters, Shape

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
    # (height, width, channels, times) is (channels x times, 1, height, width)
    "depthwise": Layout(
        _depthwise,
        lambda shape: {"shape": (*shape[2:], *shape[:2]), "order": (2, 3, 0, 1)},
    ),
    "matrix": Layout(np.transpose, lambda shape: {"order": (1, 0)}),
    "vector": Layout(np.ravel, lambda shape: {"shape": shape} if len(shape) != 1 else {}),
}


def laid_out_shape(shape: Shape, layout: str) -> Shape:
    """Return the shape of numbers in a layout, without touching them."""
    return tuple(LAYOUTS[layout].there(np.broadcast_to(np.int8(0), shape)).shape)


def load_parameters(sources: Mapping[str, tuple[Array, str]]) -> Parameters:
    """Return parameters by name from their numbers and layouts; each is copied out of the file when it is asked for."""

    def load(name: str) -> Tensor:
        array, layout = sources[name]
        return torch.from_numpy(np.array(LAYOUTS[layout].there(array), np.float32, order="C"))

    return Parameters(
        {name: laid_out_shape(array.shape, layout) for name, (array, layout) in sources.items()}, load
    )
