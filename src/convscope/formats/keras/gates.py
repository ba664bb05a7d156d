"""Recurrent layers of Keras 1 keep each gate's weights by themselves: put together as Keras 2 does it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from convscope.formats.keras.quantized import Computed, Numbers, WeightSource

_GATES = {"LSTM": (0, 2, 1, 3), "ConvLSTM2D": (0, 2, 1, 3), "GRU": (0, 1, 2)}
"""In which order Keras 2 has the gates of a layer, by their places in Keras 1."""


def gates_joined(class_name: str, stored: Sequence[WeightSource]) -> Sequence[WeightSource]:
    """Return a recurrent layer's kernel, recurrent kernel and bias, of each gate's own; of two directions, twice.

    What is kept as Keras 2 does, and other layers' weights, stay as they are.
    """
    order = _GATES.get(class_name, ())
    count = 3 * len(order)
    if not order or not stored or len(stored) % count:
        return stored
    joined: list[WeightSource] = []
    for first in range(0, len(stored), count):
        for kind in range(3):
            parts = tuple(stored[first + 3 * gate + kind] for gate in order)
            width = sum(part.shape[-1] for part in parts if part.shape)
            joined.append(Computed((*parts[0].shape[:-1], width), parts, _beside_each_other))
    return joined


def _beside_each_other(*parts: Numbers) -> Numbers:
    return np.concatenate(parts, -1)
