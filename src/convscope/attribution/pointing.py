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
from convscope.network.network import Network

CONFIDENCE = 0.99
CHANCE = 0.25
MapOf = Callable[[AttributionTarget], NDArray[np.float64]]


def layouts(network: Network, inputs: Sequence[Tensor], seed: int) -> Iterator[tuple[Tensor, list[int]]]:
    """Yield grids of four sure pictures of different classes, twice the size or as large as one, and their classes.

    Without end; nothing, where there are not four such pictures.
    """
    sure = _sure(network, inputs)
    if len(sure) < 4:
        return
    random = np.random.default_rng(seed)
    last = target_of(network, inputs[0]).channels_last
    down, right = (1, 2) if last else (2, 3)
    while True:
        classes = [int(one) for one in random.choice(sorted(sure), 4, replace=False)]
        a, b, c, d = (sure[one][int(random.integers(len(sure[one])))] for one in classes)
        grid = torch.cat([torch.cat([a, b], right), torch.cat([c, d], right)], down)
        yield _fitting(network, grid, tuple(a.shape), last), classes


def pointing(network: Network, grid: Tensor, classes: Sequence[int], map_of: MapOf) -> float:
    """Return the positive share of the map in the quarter of the class that is explained, over the four of them."""
    shares = []
    for place, number in enumerate(classes):
        map = map_of(target_of(network, grid, number)).clip(min=0)
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
        answer = network.activations(input, network.class_output)[network.class_output]
        scores = network.channels_first(network.class_output, answer)[0].double()
        scores = scores.flatten(1).mean(1) if scores.dim() > 1 else scores
        chances = scores if network.class_output != network.class_scores else scores.softmax(0)
        if float(chances.max()) >= CONFIDENCE:
            sure.setdefault(int(target.address.channel or 0), []).append(input)
    return sure


def _fitting(network: Network, grid: Tensor, shape: tuple[int, ...], last: bool) -> Tensor:
    """Return a grid as the network takes it: at twice its size, or brought down to it."""
    try:
        network.activations(grid, network.class_scores)
    except InputError:
        size = shape[1:3] if last else shape[2:]
        first = grid.movedim(-1, 1) if last else grid
        small = interpolate(first, size, mode="bilinear", antialias=True)
        return small.movedim(1, -1) if last else small
    return grid
