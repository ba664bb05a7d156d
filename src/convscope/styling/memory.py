"""What a style transfer's steps will hold: its loop on a small picture, the network's way as for a large one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor

from convscope.network.engine.memory import BYTES_PER_NUMBER
from convscope.optimization.memory_probe import SIDE, STEPS, MemoryProbe
from convscope.optimization.tiling import Tiling, require_no_position, tiling
from convscope.pictures.picture_tensor import within
from convscope.pictures.resizing import Size
from convscope.styling.scales import Restyling
from convscope.styling.settings import StyleSettings
from convscope.styling.steps import style_steps
from convscope.styling.targets import StyleTargets, batch_of
from convscope.styling.tiling import part_of_sums


def style_bytes(restyling: Restyling, tile: int | None = None) -> int:
    """Return about how many bytes the process takes for a style transfer, in one piece or in tiles."""
    network, settings, size = restyling.network, restyling.settings, restyling.sizes[-1]
    batch = batch_of(network, settings)
    if tile is not None:
        require_no_position(batch.targets.values())
    cut = None if tile is None else tiling(network, batch.layers, size, tile)

    def scalar(answers: Sequence[Tensor]) -> Tensor:
        answer_of_layer = dict(zip(batch.layers, answers, strict=True))
        own = batch.picked(answer_of_layer if cut is None else _own(cut, answer_of_layer))
        content = [settings.content(own[name], own[name].detach()).sum() for name in settings.content_layers]
        described = [
            part_of_sums(settings.style, own[name], own[name].new_ones(1, 1, *own[name].shape[2:])).sum()
            for name in settings.style_layers
            for _ in restyling.styles
        ]
        return torch.stack(content).sum().double() + torch.stack(described).sum()

    window = size if cut is None else cut.largest
    probe = MemoryProbe(network, batch.layers, size, window, scalar, cut is not None, settings.precision)
    looked_at = [probe.tape_at(one) for one in _style_sizes(restyling, size) if cut is None]
    with probe.small_pictures():
        for tape in looked_at:
            probe.log.insert(tape)
        probe.keep(_content_bytes(restyling, size))
        start = torch.zeros(1, 3, SIDE, SIDE)
        for _ in style_steps(_Targets(StyleTargets(batch, settings, {}, ()), probe), start, STEPS):
            pass
    return probe.bytes_taken()


def _own(cut: Tiling, answers: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return what of a window's answers is its own, in the middle of the picture, where it is most."""
    tile = cut.tiles[len(cut.tiles) // 2]
    return {layer: cut.own(layer, answer, tile) for layer, answer in answers.items()}


def _style_sizes(restyling: Restyling, size: Size) -> list[Size]:
    """Return the sizes in which style pictures larger than the content are looked at, beforehand."""
    sizes = [within(style.picture, restyling.settings.style_scale * max(size)) for style in restyling.styles]
    return [one for one in sizes if prod(one) > prod(size)]


def _content_bytes(restyling: Restyling, size: Size) -> int:
    """Return the bytes of the content's answers, which are kept."""
    network = restyling.network
    addresses = [network.resolve(name) for name in restyling.settings.content_layers]
    shapes = network.shapes_at(size, [address.layer for address in addresses])
    return BYTES_PER_NUMBER * sum(prod(shapes[address.layer] or ()) for address in addresses)


@dataclass(frozen=True)
class _Targets:
    alone: StyleTargets  # wants nothing but smoothness
    probe: MemoryProbe

    @property
    def settings(self) -> StyleSettings:
        """Everything but the network and the pictures."""
        return self.alone.settings

    def gradient(self, values: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """Return a loss and a gradient of the values, and note what those of a large picture are made by."""
        smoothness = self.alone.smoothness_gradient(values)[0]
        return smoothness | {"content": values.new_ones(())}, self.probe.gradient(
            values, self.settings.pictures
        )
