"""What each unit does to the classes: how their scores change on its strongest photograph where it answers 0."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from torch import Tensor

from convscope.cache import cache_key
from convscope.errors import InputError
from convscope.files import writing, written_whole
from convscope.measuring.listed_picture import ListedPicture
from convscope.measuring.measurements import Measurements
from convscope.measuring.reading import read_input
from convscope.network.network import Network
from convscope.network.tail import Tail
from convscope.progress import watching

_MOST = 5
_BATCH = 16


@dataclass(frozen=True, eq=False)
class ClassEffects:
    """The classes that each unit changes most, the most changed first: (units, 5).

    ``change`` is what the unit adds to the score of the class that ``index`` numbers; NaN where there is none to say.
    """

    index: NDArray[np.int64]
    change: NDArray[np.float32]

    def of(self, network: Network, channel: int) -> list[tuple[str, float]]:
        """Return the label of each class that a unit changes, and how much it adds."""
        pairs = zip(self.index[channel].tolist(), self.change[channel].tolist(), strict=True)
        return [
            (network.class_label(index).split(",")[0], float(f"{change:.3g}"))
            for index, change in pairs
            if np.isfinite(change) and change
        ]


def class_effects(
    network: Network,
    measurements: Measurements,
    listed: Sequence[ListedPicture],
    layers: Sequence[str],
    folder: Path,
) -> dict[str, ClassEffects]:
    """Return the effects of all layers whose units lead to the classes, kept in a folder for the next time."""
    if not network.class_values:
        return {}
    measured = {name: layer.channels for name, layer in measurements.layers.items()}
    leading = [name for name in layers if name in measured and name not in network.class_values]
    done, effects = 0, dict[str, ClassEffects]()
    with watching(None, "unit") as tell:
        for layer in leading:
            strongest = measurements.pictures[measurements.values(layer).argmax(axis=0)]
            # Other bytes under a photograph's name are another photograph.
            shown = [measurements.contents.get(number, "") for number in strongest.tolist()]
            key = cache_key(network.identity, layer, strongest.tolist(), shown)
            path = folder / f"{layers.index(layer):03}-{key[:16]}.safetensors"
            one = _kept(path) or _computed(network, listed, layer, strongest, path)
            done += measured[layer]
            tell(done, sum(measured[name] for name in leading))
            if one is not None:
                effects[layer] = one
    return effects


def _kept(path: Path) -> ClassEffects | None:
    try:
        return ClassEffects(**load_file(path))
    except (OSError, SafetensorError, TypeError):
        return None


def _computed(
    network: Network, listed: Sequence[ListedPicture], layer: str, strongest: NDArray[np.int64], path: Path
) -> ClassEffects | None:
    try:
        effects = _effects(network, listed, layer, strongest)
    except InputError:  # a branch of its own, as a second classifier's
        return None
    if np.isnan(effects.change).any():  # of a photograph that has gone, and may come back
        return effects
    with writing(path, SafetensorError):
        path.parent.mkdir(exist_ok=True)
        with written_whole(path) as partial:
            save_file(dict(vars(effects)), partial)
    return effects


def _effects(
    network: Network, listed: Sequence[ListedPicture], layer: str, strongest: NDArray[np.int64]
) -> ClassEffects:
    scores = network.shape_channels_first(network.class_scores)
    most = min(_MOST, scores[1] if scores else _MOST)
    index = np.zeros((len(strongest), most), np.int64)
    change = np.full((len(strongest), most), np.nan, np.float32)
    for channels, input in _batches(network, listed, strongest):
        added = _added(network, input, layer, channels)
        order = np.argsort(-np.abs(added), axis=1, kind="stable")[:, :most]
        index[channels], change[channels] = order, np.take_along_axis(added, order, axis=1)
    return ClassEffects(index, change)


def _batches(
    network: Network, listed: Sequence[ListedPicture], strongest: NDArray[np.int64]
) -> Iterator[tuple[list[int], Tensor]]:
    """Yield channels, and each one's strongest photograph; those whose file has gone are left out."""
    spec, read = network.picture_spec.replace(crops=1), dict[int, Tensor | str]()
    order: list[int] = np.argsort(strongest, kind="stable").tolist()  # a photograph is read once
    for batch in (order[start : start + _BATCH] for start in range(0, len(order), _BATCH)):
        numbers = [int(strongest[channel]) for channel in batch]
        read = {one: read[one] if one in read else read_input(spec, listed[one]) for one in numbers}
        inputs = {
            channel: one
            for channel, number in zip(batch, numbers, strict=True)
            if isinstance(one := read[number], Tensor)
        }
        if inputs:
            yield list(inputs), torch.cat(list(inputs.values()))


def _added(network: Network, input: Tensor, layer: str, channels: Sequence[int]) -> NDArray[np.float32]:
    """Return what each channel adds to the scores (channels, classes) of its own picture."""
    scores = network.class_scores
    with torch.no_grad():
        tail = Tail(network, input.to(network.device), layer, [scores])
        silent = tail.answer.clone()
        silent[torch.arange(len(channels)), torch.tensor(channels)] = 0
        difference = tail.run(tail.answer)[scores] - tail.run(silent)[scores]
    if difference.dim() > 2:
        difference = difference.flatten(2).mean(2)
    added: NDArray[np.float32] = difference.float().cpu().numpy()
    return added
