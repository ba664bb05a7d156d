"""What drawn stimuli make the neurons at a layer's center answer: exact, and without any photographs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray

from convscope.errors import InputError
from convscope.looking.stimuli import FAMILIES, Pixels, Stimulus, stimuli
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

    def stimulus(self, family: str, channel: int) -> Pixels:
        """Return the picture of a family that a channel answers most to."""
        number = int(self.strongest[family][channel].flat[self.answers[family][channel].argmax()])
        return next(islice(stimuli(self.size, _middle(self.box)), number, None)).pixels

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
    (192, 12)

    UnknownLayer; InputError for a layer without channels, or one that answers with NaN.
    """
    name = network.resolve(layer).layer
    shape = network.shape_channels_first(name)
    if shape is None or len(shape) not in (2, 4):
        raise InputError(f"{name!r} has no channels of numbers or maps to tune: its shape is {shape}")
    size = network.picture_spec.size
    position = (shape[2] // 2, shape[3] // 2) if len(shape) == 4 else None
    box = _seen_box(network, name, position)
    listed, rows = list[tuple[str, tuple[int, ...]]](), list[NDArray[np.float32]]()
    total = sum(1 for _ in stimuli((1, 1), (0.0, 0.0)))
    with watching(watch, "stimulus") as tell:
        for batch in _batches(stimuli(size, _middle(box))):
            listed += [(one.family, one.place) for one in batch]
            rows.append(_answers(network, name, batch, position))
            tell(len(listed), total)
    values = np.concatenate(rows)
    if not np.isfinite(values).all():
        raise InputError(f"{name!r} answers with NaN or infinity to drawn stimuli")
    tables = {family: _table(family, listed, values) for family in FAMILIES}
    return Tuning(
        name,
        position,
        box,
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


def _answers(
    network: Network, layer: str, batch: list[Stimulus], position: tuple[int, int] | None
) -> NDArray[np.float32]:
    """Return (stimuli, channels)."""
    rgb = torch.from_numpy(np.stack([one.pixels for one in batch])).movedim(-1, 1)
    with torch.no_grad():
        input = network.picture_spec.from_rgb(rgb.to(network.device))
        value = network.channels_first(layer, network.activations(input, layer)[layer])
    at = value if position is None else value[:, :, position[0], position[1]]
    numbers: NDArray[np.float32] = at.float().cpu().numpy()
    return numbers


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
