"""What can be pointed at in a network: every name of its values, layers and outputs, and its classes by label."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

from convscope.address import Address, parse_address, position_text
from convscope.errors import UnknownLayer, UnsupportedLayer, did_you_mean
from convscope.network.axes import positions_in_words
from convscope.network.cut import CutLayer
from convscope.network.graph import Graph
from convscope.network.labels import find_label
from convscope.network.parameters import Shape

_SEVERAL = re.compile(r"\*|\d+(?:[-,:]\d*)+")


@dataclass(frozen=True)
class AddressBook:
    """Every name of a network, and what it names; `Network.resolve` asks it."""

    network: str
    source: str
    values: Mapping[str, str]
    cut: Mapping[str, CutLayer]
    labels: tuple[str, ...] | None
    shape_channels_first: Callable[[str], Shape | None]

    def resolve(self, address: str | Address) -> Address:
        """Return the address with its layer's own name and its channel as a number; see `Network.resolve`."""
        resolved = (
            parse_address(address, self.values.keys() | self.cut) if isinstance(address, str) else address
        )
        if resolved.layer in self.cut:
            raise UnsupportedLayer(f"{self.network}: {self.cut[resolved.layer].sentence}")
        if resolved.layer not in self.values:
            close = self._class_called(resolved.layer) or did_you_mean(resolved.layer, self.values)
            raise UnknownLayer(
                f"{self.network} has no layer {resolved.layer!r}.{close} See: convscope layers {self.source}"
            )
        value, channel = self.values[resolved.layer], resolved.channel
        if isinstance(channel, str):
            channel = self._class_named(channel, value)
        self._check_bounds(value, channel, resolved.position)
        return Address(value, channel, resolved.position)

    @cached_property
    def _names(self) -> frozenset[str]:
        return frozenset([*self.values, *self.cut])

    def _class_called(self, name: str) -> str:
        """Return a hint where a class's label stands in the place of a layer."""
        with suppress(UnknownLayer):
            number = find_label(self.labels or (), name)
            for value in reversed([*self.values.values()]):
                shape = self.shape_channels_first(value)
                if shape is not None and len(shape) > 1 and shape[1] == len(self.labels or ()):
                    return f" Did you mean {f'{value}:{name}'!r}, the class {number}?"
        return ""

    def _class_named(self, label: str, value: str) -> int:
        if _SEVERAL.fullmatch(label) and label not in (self.labels or ()):
            raise UnknownLayer(
                f"{f'{value}:{label}'!r} names several channels, and an address has one: give {value}:0 {value}:1, or "
                "the layer and --channels (channels=)"
            )
        if not self.labels:
            raise UnknownLayer(
                f"{label!r} is a label, and this network has none: give the class's number, or labels"
            )
        shape = self.shape_channels_first(value)
        if shape is not None and (len(shape) < 2 or shape[1] != len(self.labels)):
            raise UnknownLayer(f"{value!r} has no classes to name {label!r}: its channels are numbers")
        return find_label(self.labels, label)

    def _check_bounds(self, value: str, channel: int | None, position: tuple[int, ...] | None) -> None:
        shape = self.shape_channels_first(value)
        if shape is None:
            return
        if channel is not None and (len(shape) < 2 or not 0 <= channel < shape[1]):
            count = shape[1] if len(shape) > 1 else 0
            raise UnknownLayer(f"{value!r} has {count} channels, 0 to {count - 1}; there is no {channel}")
        if position is not None and len(shape) - 2 != len(position):
            told = positions_in_words(shape[2:]) if len(shape) > 2 else "no rows and columns"
            raise UnknownLayer(f"{value!r} has {told}: leave out {position_text(position)}")


def names_of_values(graph: Graph) -> dict[str, str]:
    """Return everything a value can be called, most specific last: outputs, layers, aliases, the values themselves."""
    layers = {operation.name: operation.outputs[0] for operation in graph.operations if operation.outputs}
    own = {value: value for value in graph.values}
    return dict(graph.output_names) | layers | dict(graph.aliases) | own


def names_of_cut_layers(graph: Graph) -> dict[str, CutLayer]:
    """Return everything a layer that is cut off can be called."""
    return {layer.name: layer for layer in graph.cut.values()} | dict(graph.cut)
