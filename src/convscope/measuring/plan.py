"""What will be measured: which layers, how many pictures at a time, and what that takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import torch

from convscope.errors import InputError
from convscope.measuring.summary import BYTES_A_UNIT
from convscope.network.box_rows import numbers_of_a_box
from convscope.network.network import Network
from convscope.network.receptive_field import ReceptiveField, receptive_fields

BLOCK = 64
"""Pictures in a block: a file of the measurement, which appears whole."""
_TOGETHER = 256 * 2**20  # bytes of the answers to one batch
_LARGEST_BATCH = 16  # more is no faster


@dataclass(frozen=True)
class MeasuredLayer:
    """A layer that is measured: its channels, and the rows and columns of its positions (1 and 1 for numbers).

    `receptive_field` is what a position sees, None where the graph does not say. Where gates of squeeze and excitation
    or attention see the whole picture (`gated`), it is what is seen on the way beside them.
    """

    name: str
    channels: int
    rows: int
    columns: int
    receptive_field: ReceptiveField | None = None
    gated: bool = False

    @property
    def positions(self) -> int:
        """How many positions a channel has."""
        return self.rows * self.columns

    def box(self, position: tuple[int, int], size: tuple[int, int]) -> tuple[int, int, int, int] | None:
        """Return (left, top, right, bottom) of what a position sees of an input of (height, width)."""
        if self.receptive_field is None:
            return None
        top, left, bottom, right = self.receptive_field.box(*position)
        return max(0, left), max(0, top), min(size[1], right), min(size[0], bottom)

    def cell(self, position: tuple[int, int], size: tuple[int, int]) -> tuple[int, int, int, int]:
        """Return (left, top, right, bottom) of a position's share of an input of (height, width), cut into a grid."""
        (row, column), (height, width) = position, size
        left, right = (round(at * width / self.columns) for at in (column, column + 1))
        top, bottom = (round(at * height / self.rows) for at in (row, row + 1))
        return left, top, right, bottom


@dataclass(frozen=True)
class Plan:
    """Which layers are measured, ``batch`` pictures at a time."""

    layers: tuple[MeasuredLayer, ...]
    batch: int

    @property
    def units(self) -> int:
        """How many channels are measured."""
        return sum(layer.channels for layer in self.layers)

    def words(self, pictures: int) -> str:
        """Say what measuring so many pictures takes."""
        answers = sum(layer.channels * layer.positions for layer in self.layers) * 4 * self.batch
        memory = 2 * answers + 2 * BLOCK * self.units * BYTES_A_UNIT
        bytes_on_disk = pictures * self.units * BYTES_A_UNIT
        layers = f"{len(self.layers)} layer{'s' if len(self.layers) > 1 else ''}"
        return (
            f"{self.units:,} units of {layers} on {pictures:,} pictures: about {_bytes(memory)} of "
            f"memory beside the network, however many the pictures are; {_bytes(bytes_on_disk)} kept on disk"
        )


def plan_measurement(network: Network, layers: Sequence[str] = ()) -> Plan:
    """Return what is measured of the layers; by default of all that have channels, inputs left out.

    InputError for a layer that has none, or that answers to a batch and not to each picture.
    """
    layer_names = [network.resolve(layer).layer for layer in layers]
    names = list(dict.fromkeys(layer_names)) or [
        name for name in network.layers if name not in network.graph.inputs
    ]
    spec = network.picture_spec.replace(crops=1)
    gray = torch.zeros(spec.shape, device=network.device)  # the average color, mostly; only shapes matter
    boxes = {name for name in names if (numbers_of_a_box(network, name) or (1, 0))[0] > 1}
    for name in boxes.intersection(layer_names):
        raise InputError(
            f"{name!r} has no channels to measure, but the boxes of a detector: their numbers are of different kinds"
        )
    names = [name for name in names if name not in boxes]
    planned, whole = [], receptive_fields(network.graph, network.shapes)
    fields = receptive_fields(network.graph, network.shapes, gates=False)
    with torch.no_grad():
        for name, value in network.activations(gray, *names).items():
            if value.dim() >= 2 and len(value) == 1 and value.is_floating_point():
                shape = tuple(network.channels_first(name, value).shape)
                rows, columns = (
                    shape[2:] if len(shape) == 4 else (1, max(1, value[0].numel() // max(1, shape[1])))
                )
                field, gated = fields.get(name), fields.get(name) != whole.get(name)
                seen = field and field.enclosing()  # what a manifest can write
                planned.append(MeasuredLayer(name, shape[1], int(rows), int(columns), seen, gated))
            elif layer_names:
                raise InputError(f"{name!r} has no channels to measure: its shape is {tuple(value.shape)}")
    if not planned:
        raise InputError(f"{network.name} has no layer with channels to measure")
    numbers = sum(layer.channels * layer.positions for layer in planned)
    return Plan(tuple(planned), max(1, min(_LARGEST_BATCH, _TOGETHER // (4 * numbers))))


def _bytes(count: int) -> str:
    for unit, word in ((1e9, "GB"), (1e6, "MB")):
        if count >= unit:
            return f"{count / unit:,.1f} {word}"
    return f"{max(1, round(count / 1e3))} kB"


LAYER_SCHEMA = {
    "name": str,
    "channels": int,
    "rows": int,
    "columns": int,
    "receptive_field": ({"size": [str], "stride": [str], "start": [str]}, None),
    "gated?": bool,
}
"""How a manifest writes a `MeasuredLayer`; fractions are texts (`convscope.formats.json_types`)."""


def layer_from(facts: Mapping[str, Any]) -> MeasuredLayer:
    """Return the layer that a manifest names, its receptive field's fractions written out.

    ValueError, or ZeroDivisionError of a fraction, where there is no such layer.
    """
    name, field = facts["name"], facts["receptive_field"]
    channels, rows, columns = (facts[key] for key in ("channels", "rows", "columns"))
    if min(channels, rows, columns) < 1:
        raise ValueError(f"{name!r} has {channels} channels of {rows} x {columns} positions")
    size, stride, start = (_pair(field[key]) for key in ("size", "stride", "start")) if field else (None,) * 3
    seen = ReceptiveField(size, stride, start) if size and stride and start else None
    if seen and (min(seen.size) <= 0 or min(seen.stride) < 0):
        raise ValueError(f"{name!r} sees {seen.size} pixels at a stride of {seen.stride}")
    return MeasuredLayer(name, channels, rows, columns, seen, facts.get("gated", False))


def _pair(numbers: Sequence[str]) -> tuple[Fraction, Fraction]:
    first, second = map(Fraction, numbers)
    return first, second
