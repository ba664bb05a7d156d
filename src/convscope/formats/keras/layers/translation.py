"""What a Keras layer becomes: one operation, or a few after another, and what it has learned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from convscope.errors import UnsupportedLayer
from convscope.formats.keras.model import Call, KerasLayer
from convscope.formats.keras.variable import Numbers
from convscope.formats.operation_plan import OperationPlan
from convscope.network.graph import CHANNELS_LAST
from convscope.network.parameters import Shape


@dataclass(frozen=True)
class Dialect:
    """What depends on who made the model: Keras's version, the engine under it, and where it has the channels.

    The engine is "" where nothing says it: only Keras 3 has several that are in use, and its own files do not tell.
    `counts_corners` says that pictures are enlarged as TensorFlow 1 did, pixel x of the output from x / scale.
    """

    version: int = 3
    backend: str = "tensorflow"
    channels_last: bool = True
    counts_corners: bool = False


@dataclass(frozen=True)
class Use:
    """One call of a layer, with the shapes of what it reads."""

    layer: KerasLayer
    call: Call
    shapes: tuple[Shape, ...]
    dialect: Dialect

    @property
    def config(self) -> Mapping[str, Any]:
        """The layer's configuration."""
        return self.layer.config

    @property
    def channels_last(self) -> bool:
        """Whether this layer has the channels on the last axis."""
        return has_channels_last(self.layer, self.dialect)

    @property
    def channels(self) -> int:
        """How many channels the first input has."""
        return self.shapes[0][-1 if self.channels_last else 1]

    def with_config(self, config: Mapping[str, Any]) -> Use:
        """Return the same call of a layer with another configuration."""
        return replace(self, layer=replace(self.layer, config=config))

    def on_maps(self, **attributes: Any) -> dict[str, Any]:
        """Return the attributes of an operation that works on the channels-first view of its inputs."""
        return attributes | ({CHANNELS_LAST: True} if self.channels_last else {})

    def pair(self, key: str, default: int = 1) -> tuple[int, int]:
        """Return a setting that is one number or (vertical, horizontal)."""
        value = self.config.get(key)
        value = default if value is None else value
        first, second = (value, value) if isinstance(value, int) else value
        return int(first), int(second)

    def sizes(self, key: str, axes: int, default: int = 1) -> tuple[int, ...]:
        """Return a setting that is one number or one for each of these axes."""
        value = self.config.get(key)
        value = default if value is None else value
        numbers = (value,) * axes if isinstance(value, int) else tuple(map(int, value))
        if len(numbers) != axes:
            raise ValueError(f"its {key} is {value}, not {axes} numbers")
        return numbers

    def wrong(self, what: str) -> UnsupportedLayer:
        """Return the error that says what is wrong with this layer."""
        return UnsupportedLayer(f"layer {self.layer.name!r}, a {self.layer.class_name}: {what}")


def has_channels_last(layer: KerasLayer, dialect: Dialect) -> bool:
    """Whether a layer has the channels on the last axis: as it says itself, else as the model has them."""
    order = layer.config.get("data_format")
    return dialect.channels_last if order in (None, "default") else order == "channels_last"


Steps = Sequence[OperationPlan]
"""What a layer becomes, in order: the first reads what the layer reads, each further one what the one before makes."""
CUT_HERE = "cut"
"""The kind of a step that is not known: those before it are computed, and the layer is cut there."""


def numbers(value: Any) -> Numbers:
    """Return what a configuration says as numbers: plain, or an array as one of Keras's versions writes it."""
    if isinstance(value, Mapping):
        config = value.get("config")
        value = config.get("value") if isinstance(config, Mapping) else value.get("value", config)
    return np.asarray(value, np.float32)


def number(value: Any) -> float:
    """Return a single number of a configuration."""
    return float(value) if isinstance(value, int | float) else float(numbers(value))
