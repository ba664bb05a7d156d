"""What drawn stimuli make the neurons at a layer's center answer: exact, and without any photographs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from convscope.errors import InputError
from convscope.looking.stimuli import FAMILIES, Pixels, Stimulus, stimuli
from convscope.network.axes import at_position
from convscope.network.network import Network
from convscope.progress import Watch, watching

_BATCH = 16


@dataclass(frozen=True, eq=False)
class Tuning:
    """What every channel of a layer answers to drawn stimuli, at the position in the layer's middle.

    ``answers`` maps a family ("grating", "hue", "disk", "arc") to (channels, *its table): the strongest answer to the
    stimuli that share a place, whose number is in ``strongest``. ``gray`` (channels,) is the answer to plain gray.
    ``position`` is (row, column) in the layer, None for one without positions; ``box`` (top, left, bottom, right) what
    it sees of the input of ``size``, not clipped; the whole picture where the graph does not say.
    """

    layer: str
    position: tuple[int, int] | None
    box: tuple[int, int, int, int]
    size: tuple[int, int]
    gray: NDArray[np.float32]
    answers: Mapping[str, NDArray[np.float32]]
    strongest: Mapping[str, NDArray[np.int64]]

    @property
    def middle(self) -> tuple[float, float]:
        """The point (row, column) that the stimuli are drawn around: the middle of what is seen."""
        return _middle(self.box)

    def strongest_number(self, family: str, channel: int) -> int:
        """Return the number, among all stimuli, of that of a family that a channel answers most to."""
        return int(self.strongest[family][channel].flat[self.answers[family][channel].argmax()])

    def stimulus(self, family: str, channel: int) -> Pixels:
        """Return the picture of a family that a channel answers most to."""
        number = self.strongest_number(family, channel)
        return next(islice(stimuli(self.size, self.middle), number, None)).pixels

    def best(self, family: str, channel: int) -> tuple[int, ...]:
        """Return the place in a family's table of a channel's strongest answer."""
        return tuple(
            int(index) for index in np.unravel_index(self.answers[family][channel].argmax(), FAMILIES[family])
        )


def measure_tuning(network: Network, layer: str, *, watch: Watch | None = None) -> Tuning:
    """Return what all channels of a layer answer to gratings, colors, disks and arcs, one pass for all.

    The stimuli are drawn around the middle of what the layer's central neuron sees, and that neuron's answer counts: no
    border of the picture takes part where what it sees lies inside. `watch` is told how many of how many are through.

    >>> tuning = measure_tuning(network, "conv2")
    >>> tuning.answers["hue"].shape
    (128, 12)

    UnknownLayer; InputError for a layer without channels, or one that answers with NaN.
    """
    name, tunings = network.resolve(layer).layer, measure_tunings(network, [layer], watch=watch)
    if name not in tunings:
        raise InputError(f"{name!r} answers with NaN or infinity to drawn stimuli")
    return tunings[name]


def measure_tunings(
    network: Network, layers: Sequence[str], *, watch: Watch | None = None
) -> dict[str, Tuning]:
    """Return the same of several layers, by name: one pass for all whose central neurons look at one point.

    Layers that answer with NaN or infinity are left out.
    """
    groups, size = dict[tuple[float, float], list[Neuron]](), network.picture_spec.size
    for layer in layers:
        neuron = central_neuron(network, layer)
        groups.setdefault(_middle(neuron.box), []).append(neuron)
    each = sum(1 for _ in stimuli((1, 1), (0.0, 0.0)))
    tunings, done = dict[str, Tuning](), 0
    with watching(watch, "stimulus") as tell:
        for middle, neurons in groups.items():
            listed, rows = list[tuple[str, tuple[int, ...]]](), list[list[NDArray[np.float32]]]()
            for batch in _batches(stimuli(size, middle)):
                listed += [(one.family, one.place) for one in batch]
                rows.append(_answers(network, neurons, batch))
                tell(done + len(listed), len(groups) * each)
            done += each
            for neuron, answers in zip(neurons, zip(*rows, strict=True), strict=True):
                values = np.concatenate(answers)
                if np.isfinite(values).all():
                    tunings[neuron.layer] = _tuning(neuron, size, listed, values)
    return tunings


class Neuron(NamedTuple):
    """The neuron in the middle of a layer, and what it sees."""

    layer: str
    position: tuple[int, int] | None
    box: tuple[int, int, int, int]


def central_neuron(network: Network, layer: str) -> Neuron:
    """Return the neuron of a layer that drawn stimuli are shown to; InputError for a layer without channels."""
    name = network.resolve(layer).layer
    shape = network.shape_channels_first(name)
    if shape is None or len(shape) not in (2, 4):
        raise InputError(f"{name!r} has no channels of numbers or maps to tune: its shape is {shape}")
    position = (shape[2] // 2, shape[3] // 2) if len(shape) == 4 else None
    return Neuron(name, position, _seen_box(network, name, position))


def _tuning(
    neuron: Neuron,
    size: tuple[int, int],
    listed: list[tuple[str, tuple[int, ...]]],
    values: NDArray[np.float32],
) -> Tuning:
    tables = {family: _table(family, listed, values) for family in FAMILIES}
    return Tuning(
        *neuron,
        size,
        values[0],
        {family: answers for family, (answers, _) in tables.items()},
        {family: numbers for family, (_, numbers) in tables.items()},
    )


def _seen_box(network: Network, layer: str, position: tuple[int, int] | None) -> tuple[int, int, int, int]:
    field, size = network.layers[layer].receptive_field, network.picture_spec.size
    return field.box(*position) if field is not None and position is not None else (0, 0, *size)


def _middle(box: tuple[int, int, int, int]) -> tuple[float, float]:
    """Return the point between the pixels of a box, whose ends are excluded."""
    return (box[0] + box[2] - 1) / 2, (box[1] + box[3] - 1) / 2


def _batches(drawn: Iterator[Stimulus]) -> Iterator[list[Stimulus]]:
    while batch := list(islice(drawn, _BATCH)):
        yield batch


def _answers(network: Network, neurons: Sequence[Neuron], batch: list[Stimulus]) -> list[NDArray[np.float32]]:
    """Return (stimuli, channels) for each neuron."""
    rgb = torch.from_numpy(np.stack([one.pixels for one in batch])).movedim(-1, 1)
    with torch.no_grad():
        input = network.picture_spec.from_rgb(rgb.to(network.device))
        values = network.activations(input, *(one.layer for one in neurons))
    answers = []
    for one in neurons:
        value = network.channels_first(one.layer, values[one.layer])
        at = value if one.position is None else at_position(value, one.position)
        answers.append(at.float().cpu().numpy())
    return answers


def _table(
    family: str, listed: list[tuple[str, tuple[int, ...]]], values: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return the strongest answers (channels, *table) of a family, and which stimuli they are to."""
    shape = FAMILIES[family]
    answers = np.full((int(np.prod(shape)), values.shape[1]), -np.inf, np.float32)
    numbers = np.zeros(answers.shape, np.int64)
    for number, (of, place) in enumerate(listed):
        if of == family:
            row = int(np.ravel_multi_index(place, shape))
            stronger = values[number] > answers[row]
            answers[row, stronger], numbers[row, stronger] = values[number, stronger], number
    return answers.T.reshape(-1, *shape), numbers.T.reshape(-1, *shape)
