"""What is looked at while pictures are made: a network's answers to a batch, scored picture by picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby

import torch
from torch import Tensor

from convscope.address import Address
from convscope.errors import InputError
from convscope.network.axes import require_position
from convscope.network.engine.differentiable import Forward, Precision
from convscope.network.network import Network
from convscope.network.shapes import infer_shapes
from convscope.optimization.objective import Objective, Values
from convscope.pictures.resizing import resized

LANES = 16  # numbers in the widest register, which a convolution fills with channels


@dataclass(frozen=True, eq=False)
class ObjectiveBatch:
    """A network and what is wanted of it, one objective a picture; the same one several times in a row is a group."""

    network: Network
    objectives: tuple[Objective, ...]
    precision: Precision = "float32"

    @cached_property
    def targets(self) -> dict[str, Address]:
        """Every address the objectives look at, as they wrote it, to the network's own."""
        names = dict.fromkeys(name for objective in self.objectives for name in objective.targets)
        return {name: self.network.resolve(name) for name in names}

    @cached_property
    def layers(self) -> tuple[str, ...]:
        """The values that have to be computed."""
        return tuple(dict.fromkeys(address.layer for address in self.targets.values()))

    @cached_property
    def _channels(self) -> dict[str, list[int]]:
        """The channels that have to be computed, for layers of which not all are wanted."""
        channels_by_layer: dict[str, set[int]] = {name: set() for name in self.layers}
        whole = {address.layer for address in self.targets.values() if address.channel is None}
        for address in self.targets.values():
            if address.layer not in whole:
                channels_by_layer[address.layer].add(int(address.channel or 0))
        return {
            name: self._in_whole_lanes(name, channels)
            for name, channels in channels_by_layer.items()
            if channels
        }

    def _in_whole_lanes(self, layer: str, channels: set[int]) -> list[int]:
        """Return the channels wanted and those beside them that fill a register.

        That costs next to nothing, and the rounding is then the same whether few or many are wanted: a picture has the
        same bytes alone as in a batch.
        """
        shape = self.network.shape_channels_first(layer)
        blocks = {index // LANES for index in channels}
        return [
            index for index in range(shape[1] if shape else max(channels) + 1) if index // LANES in blocks
        ]

    @cached_property
    def _forward(self) -> Forward:
        return self.network.forward_to(self.layers, precision=self.precision, channels=self._channels)

    @cached_property
    def _groups(self) -> list[tuple[Objective, int]]:
        """Each objective and for how many pictures in a row it is wanted."""
        runs = groupby(self.objectives, key=id)
        counts = [len(list(run)) for _, run in runs]
        starts = [sum(counts[:index]) for index in range(len(counts))]
        return [(self.objectives[start], count) for start, count in zip(starts, counts, strict=True)]

    def groups_with(self, marked: Tensor) -> list[int]:
        """Return the pictures that share a group with a marked one (N,), themselves included."""
        start, pictures = 0, list[int]()
        for _, count in self._groups:
            if marked[start : start + count].any():
                pictures += range(start, start + count)
            start += count
        return pictures

    def only(self, chosen: Sequence[int]) -> ObjectiveBatch:
        """Return the batch of these pictures alone; what is computed stays the same, and is made ready once."""
        part = replace(self, objectives=tuple(self.objectives[index] for index in chosen))
        vars(part).update(
            {name: getattr(self, name) for name in ("targets", "layers", "_channels", "_forward")}
        )
        return part

    def in_full(self) -> ObjectiveBatch:
        """Return the batch in full precision."""
        return self if self.precision == "float32" else replace(self, precision="float32")

    def network_input(self, pictures: Tensor) -> Tensor:
        """Return pictures (N, C, H, W) in 0..1 as the network expects them, resized where it cannot take their size.

        A channel more than it expects is opacity, and shows the picture over gray.
        """
        spec = self.network.picture_spec
        if pictures.shape[1] == spec.channels + 1:
            pictures = 0.5 + pictures[:, -1:] * (pictures[:, :-1] - 0.5)
        size = (int(pictures.shape[2]), int(pictures.shape[3]))
        if size != spec.size and not self.accepts(size):
            pictures = resized(pictures, spec.size)
        return spec.from_rgb(pictures)

    def accepts(self, size: tuple[int, int]) -> bool:
        """Tell whether what is wanted can be computed at this size: fully-connected layers need their own."""
        known: dict[tuple[int, int], bool] = self.__dict__.setdefault("_accepted_sizes", {})
        if size not in known:
            known[size] = self._fits(size)
        return known[size]

    def _fits(self, size: tuple[int, int]) -> bool:
        inputs = self.network.input_shapes(size)
        try:
            infer_shapes(self.network.graph, inputs, self.layers)
        except InputError:
            return False
        return True

    def values(self, pictures: Tensor) -> dict[str, Tensor]:
        """Return what each address answers to a batch, as an objective's `Values`."""
        return self.picked(self._forward(self.network_input(pictures)), self._channels)

    def picked(
        self, answers: Mapping[str, Tensor], channels: Mapping[str, Sequence[int]] | None = None
    ) -> dict[str, Tensor]:
        """Return what each address answers, of its layer's values; of layers in `channels` only these are there."""
        return {
            name: _selected(address, answers[address.layer], (channels or {}).get(address.layer))
            for name, address in self.targets.items()
        }

    def scores(self, pictures: Tensor) -> Tensor:
        """Return each picture's objective, shape (N,); gradients flow to the pictures."""
        return self.score(self.values(pictures))

    def score(self, values: Values) -> Tensor:
        """Return each picture's objective, (N,), from what the addresses answer to the batch."""
        if len(self._groups) == 1:
            return self.objectives[0].score(values)
        # Split once: slicing picture by picture would fill a whole batch's gradient for every picture.
        counts = [count for _, count in self._groups]
        parts = {name: torch.split(value, counts) for name, value in values.items()}
        scores = [
            objective.score({name: parts[name][index] for name in objective.targets})
            for index, (objective, _) in enumerate(self._groups)
        ]
        return torch.cat(scores)


def objective_batch(
    network: Network, objectives: Sequence[Objective], precision: Precision = "float32"
) -> ObjectiveBatch:
    """Return the batch, after a look whether every address is there."""
    batch = ObjectiveBatch(network, tuple(objectives), precision)
    if not batch.objectives:
        raise InputError("there is nothing to make a picture of: give at least one objective")
    _ = batch.targets
    return batch


def _selected(address: Address, value: Tensor, channels: Sequence[int] | None) -> Tensor:
    if address.channel is not None:
        index = int(address.channel)
        value = value.narrow(1, channels.index(index) if channels else index, 1)
    if address.position is not None:
        require_position(address, *value.shape[2:])
        for axis, at in enumerate(address.position, start=2):
            value = value.narrow(axis, at, 1)
    return value
