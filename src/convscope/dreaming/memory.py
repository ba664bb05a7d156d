"""What a dream's steps will hold: its loop on a small picture, the network's way there and back as for a large one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from convscope.dreaming.objectives import DreamTerm, objective_of
from convscope.dreaming.settings import DreamSettings
from convscope.dreaming.steps import dream_steps
from convscope.network.network import Network
from convscope.optimization.memory_probe import SIDE, STEPS, MemoryProbe
from convscope.optimization.objective_batch import objective_batch
from convscope.optimization.octaves import Octaves
from convscope.optimization.tiling import require_no_position, tiling
from convscope.pictures.resizing import Size


def dream_bytes(
    network: Network,
    terms: tuple[DreamTerm, ...],
    settings: DreamSettings,
    size: Size,
    tile: int | None = None,
) -> int:
    """Return about how many bytes the process takes for a dream of this size, in one piece or in tiles."""
    batch = objective_batch(network, [objective_of(terms)])
    if tile is not None:
        require_no_position(batch.targets.values())
    window = size if tile is None else tiling(network, batch.layers, size, tile).largest

    def scalar(answers: Sequence[Tensor]) -> Tensor:
        return batch.score(batch.picked(dict(zip(batch.layers, answers, strict=True)))).sum()

    probe = MemoryProbe(network, batch.layers, size, window, scalar, tile is not None, settings.precision)
    start = torch.zeros(1, 3, SIDE, SIDE)
    brief = replace(
        settings,
        octaves=_two_at_most(settings.octaves),
        steps=min(STEPS, settings.steps),
        stop_above=None,
    )

    def gradient(values: Tensor) -> tuple[Tensor, Tensor]:
        return values.new_ones(1), probe.gradient(values, settings.pictures)

    with probe.small_pictures():
        for step in dream_steps(gradient, start, brief, torch.Generator()):
            _ = (step.picture() * 255).byte()
    return probe.bytes_taken()


def _two_at_most(octaves: Octaves) -> Octaves:
    """Return the last octave, and the one before it where there is one: the picture is the last one's."""
    count = len(octaves.exponents or range(octaves.count))
    return replace(octaves, count=min(2, count), exponents=None, grow=False, fewer=True)
