"""A Keras model as plain data: its layers, and the calls that connect them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from convscope.errors import NetworkFileError, did_you_mean

INPUT = "InputLayer"
AT_EACH_MOMENT = "TimeDistributed"  # a layer, or a whole model, for each picture of a sequence


class CallReference(NamedTuple):
    """What a layer's call gave: the layer's name, which of its calls, which of that call's outputs."""

    layer: str
    call: int = 0
    output: int = 0


@dataclass(frozen=True)
class Call:
    """One use of a layer: what it reads, and what it is told besides.

    `arguments` are references and plain numbers, in order; lists are flattened.
    """

    arguments: tuple[Any, ...]
    keywords: Mapping[str, Any] = field(default_factory=dict)

    @property
    def references(self) -> tuple[CallReference, ...]:
        """What it reads, in order."""
        return tuple(
            one for argument in (*self.arguments, *self.keywords.values()) for one in _inside(argument)
        )

    @property
    def is_masked(self) -> bool:
        """Whether it is told which moments count: Keras 3 writes so behind each Masking."""
        return any(_inside(self.keywords.get("mask")))

    def unmasked(self) -> Call:
        """Return the same call without that."""
        return Call(self.arguments, {name: value for name, value in self.keywords.items() if name != "mask"})


def _inside(argument: Any) -> list[CallReference]:
    """Return the references that an argument is, or has in a list."""
    several = argument if isinstance(argument, list) else [argument]
    return [one for one in several if isinstance(one, CallReference)]


@dataclass(frozen=True)
class KerasLayer:
    """A layer: its name, its class, its configuration, and each time it is called.

    A model inside a model is a layer with a `model`. An `is_function` is no layer but a bare function between layers
    (``x + 3``).
    """

    name: str
    class_name: str
    config: Mapping[str, Any]
    calls: tuple[Call, ...]
    model: KerasModel | None = None
    is_function: bool = False


@dataclass(frozen=True)
class KerasModel:
    """Layers in Keras's order, and which references go in and come out."""

    name: str
    layers: tuple[KerasLayer, ...]
    inputs: tuple[CallReference, ...]
    outputs: tuple[CallReference, ...]

    def layer(self, name: str) -> KerasLayer:
        """Return a layer by its name; NetworkFileError where there is none."""
        for layer in self.layers:
            if layer.name == name:
                return layer
        names = [layer.name for layer in self.layers]
        raise NetworkFileError(
            f"{self.name!r} reads a layer {name!r} it does not have.{did_you_mean(name, names)}"
        )

    def in_order(self) -> Iterator[tuple[KerasLayer, int]]:
        """Yield each call of each layer after those it reads: in Keras's order wherever that is possible.

        Raises NetworkFileError where layers wait for each other, or for one that is not there.
        """
        waiting: dict[tuple[str, int], list[tuple[KerasLayer, int]]] = {}
        visited: set[tuple[str, int]] = set()
        calls = [
            (layer, index) for layer in reversed(self.layers) for index in reversed(range(len(layer.calls)))
        ]
        while calls:
            layer, index = calls.pop()
            missing = next((ref[:2] for ref in layer.calls[index].references if ref[:2] not in visited), None)
            if missing is not None:
                waiting.setdefault(missing, []).append((layer, index))
                continue
            visited.add((layer.name, index))
            yield layer, index
            calls += reversed(waiting.pop((layer.name, index), []))
        for name, _ in waiting:
            self.layer(name)
        if waiting:
            circle = ", ".join(
                sorted({repr(layer.name) for calls in waiting.values() for layer, _ in calls})[:5]
            )
            raise NetworkFileError(f"{self.name!r} has layers that wait for each other: {circle}")


def snake_case(class_name: str) -> str:
    """Return a class's name as Keras writes it in a path.

    >>> snake_case("BatchNormalization"), snake_case("Conv2D"), snake_case("ReLU")
    ('batch_normalization', 'conv2d', 're_lu')
    """
    name = re.sub(r"\W+", "", class_name)
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()
