"""Smooth masks of a picture, made of few numbers: nodes some pixels apart, each reaching a little way around it.

Fong et al., *Understanding deep networks via extremal perturbations and smooth masks* (2019): a pixel has a smooth
maximum over the nodes near it, each times a kernel of its distance.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import ceil

import torch
from torch import Tensor
from torch.nn.functional import interpolate, pad, unfold

_COLDNESS = 20.0  # of the smooth maximum: the paper's 1 / T
_FINE = 4  # places between two nodes where a mask is worked out; it is bilinear between them


@dataclass(frozen=True)
class SmoothMasks:
    """Masks of a ``size``, (height, width), with a node every ``step`` pixels that reaches about ``sigma`` pixels.

    Masks have a border ``sigma`` wide around the picture, so that nodes at its edge count for as much as others.
    """

    size: tuple[int, int]
    step: int
    sigma: int

    @property
    def nodes(self) -> tuple[int, int]:
        """How many nodes there are down and across."""
        return ceil(self.size[0] / self.step), ceil(self.size[1] / self.step)

    @property
    def reach(self) -> int:
        """How many nodes away a node still counts."""
        return 1 + ceil(self.sigma / self.step)

    @cached_property
    def _cells(self) -> tuple[int, int]:
        down, across = (ceil((side + 2 * self.sigma) / self.step) for side in self.size)
        return down, across

    @cached_property
    def _kernels(self) -> Tensor:
        """What each node near a place counts there: (nodes near, rows, columns), border included."""
        down, across = ((torch.arange(_FINE * count) + 0.5) * self.step / _FINE for count in self._cells)
        near = torch.arange(-self.reach, self.reach + 1).float()[:, None] * self.step
        # from a place in its cell to the nodes near it
        vertical, horizontal = (near - places % self.step for places in (down, across))
        distance = (vertical[:, None, :, None] ** 2 + horizontal[None, :, None, :] ** 2).sqrt() / self.sigma
        return torch.exp(-2 * (distance - 0.5).clamp(min=0) ** 2).flatten(0, 1)

    def whole(self, nodes: Tensor) -> Tensor:
        """Return the mask of some nodes' numbers, (rows, columns), with its border; gradients flow to them."""
        around = unfold(self._bordered(nodes)[None, None], 2 * self.reach + 1)
        fine = interpolate(around.reshape(1, -1, *self._cells), scale_factor=_FINE)[0] * self._kernels.to(
            nodes
        )
        mask = (fine * (_COLDNESS * fine).softmax(0)).sum(0).clamp(0, 1)
        size = [count * self.step for count in self._cells]
        return interpolate(mask[None, None], size, mode="bilinear")[0, 0]

    def _bordered(self, nodes: Tensor) -> Tensor:
        """Return the nodes with zeros where the border has none; the first stands where the picture begins."""
        before = self.reach + self.sigma // self.step
        after = [
            cells + 2 * self.reach - before - count
            for cells, count in zip(self._cells, nodes.shape, strict=True)
        ]
        return pad(nodes, (before, after[1], before, after[0]))

    def inside(self, whole: Tensor) -> Tensor:
        """Return the mask of the picture alone, (height, width)."""
        border = self.sigma // self.step * self.step
        return whole[border : border + self.size[0], border : border + self.size[1]]
