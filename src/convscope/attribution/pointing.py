"""The grid pointing game: four pictures in one, and how much of a class's map lies on its own picture.

Rao et al., *Towards better understanding attribution methods* (2022); pictures are chosen by the network's own
confidence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate

from convscope.attribution.target import AttributionTarget, target_of
from convscope.errors import InputError
from convscope.network.given_input import channels_last
from convscope.network.network import Network

CONFIDENCE = 0.99
CHANCE = 0.25
MapOf = Callable[[AttributionTarget], NDArray[np.float64]]


def layouts(network: Network, inputs: Sequence[Tensor], seed: int) -> Iterator[tuple[Tensor, list[int]]]:
    """Yield grids of four sure pictures of different classes, of twice the size, and their classes.

    Without end; nothing, where there are not four such pictures.
    """
    sure = _sure(network, inputs)
    if len(sure) < 4:
        return
    random = np.random.default_rng(seed)
    down, right = (1, 2) if channels_last(network) else (2, 3)
    while True:
        classes = [int(one) for one in random.choice(sorted(sure), 4, replace=False)]
        a, b, c, d = (sure[one][int(random.integers(len(sure[one])))] for one in classes)
        grid = torch.cat([torch.cat([a, b], right), torch.cat([c, d], right)], down)
        yield grid, classes


def pointing(targets: Sequence[AttributionTarget], map_of: MapOf) -> float:
    """Return the positive share of the map in the quarter of what is explained, over the targets of the four."""
    shares = []
    for place, target in enumerate(targets):
        map = map_of(target).clip(min=0)
        height, width = (side // 2 for side in map.shape)
        top, left = (place // 2) * height, (place % 2) * width
        total = float(map.sum())
        shares.append(float(map[top : top + height, left : left + width].sum()) / total if total else 0.0)
    return float(np.mean(shares))


def _sure(network: Network, inputs: Sequence[Tensor]) -> dict[int, list[Tensor]]:
    """Return the inputs that the network is sure of, by their class."""
    sure: dict[int, list[Tensor]] = {}
    for input in inputs if network.class_values else ():
        target = target_of(network, input)
        scores = network.channels_first(network.class_output, target.known[network.class_output])[0].double()
        scores = scores.flatten(1).mean(1) if scores.dim() > 1 else scores
        chances = scores if network.class_output != network.class_scores else scores.softmax(0)
        if float(chances.max()) >= CONFIDENCE:
            sure.setdefault(int(target.address.channel or 0), []).append(input)
    return sure


def fitting(network: Network, grid: Tensor) -> Tensor:
    """Return a grid as the network takes it: as large as it is, or brought down to half, the size of one picture."""
    try:
        network.activations(grid, network.class_scores)
    except InputError:
        last = channels_last(network)
        first = grid.movedim(-1, 1) if last else grid
        size = (first.shape[2] // 2, first.shape[3] // 2)
        small = interpolate(first, size, mode="bilinear", antialias=True)
        return small.movedim(1, -1) if last else small
    return grid
