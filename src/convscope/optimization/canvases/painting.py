"""The canvas itself: a basis, and how its values become pictures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from convscope.optimization.canvases.basis import Basis, one_by_one
from convscope.optimization.canvases.color import Color
from convscope.optimization.canvases.ranges import Range, Sigmoid
from convscope.optimization.settings import Generators, Parameters, Size


@dataclass(frozen=True)
class Painting:
    """A basis whose values become pictures: shared parts added, colors mixed, brought into range.

    With `alpha` the picture has one channel more, its opacity. `shared` names sizes: for each, a part of size
    (height / that, width / that) is enlarged and added to every picture of the batch, which then have their large
    shapes in common, as lucid's shared parameterizations have. Each picture carries a copy of the shared parts, and
    what is painted is the copies' mean: so they stay equal.

    >>> painting = canvases.Painting(canvases.Fourier(), color=canvases.IMAGENET)
    >>> generators = [torch.Generator().manual_seed(seed) for seed in range(4)]  # one a picture
    >>> parameters = painting.start(4, 3, (128, 128), generators)
    >>> painting.paint(parameters, (128, 128)).shape
    torch.Size([4, 3, 128, 128])
    """

    basis: Basis
    color: Color | None = None
    range: Range = field(default_factory=Sigmoid)
    alpha: bool = False
    shared: tuple[int, ...] = ()

    def start(self, count: int, channels: int, size: Size, generators: Generators) -> Parameters:
        """Return the numbers to start from: the basis's, and empty shared parts."""
        planes = channels + self.alpha
        own = self.basis.start(count, planes, size, generators)
        return own + self._empty(own[0], count, planes, size)

    def inverse(self, pictures: Tensor) -> Parameters:
        """Return the numbers that paint these pictures, with empty shared parts."""
        values = self.range.inverse(pictures)
        if self.color is not None:
            values = _on_colors(self.color.inverse, values, self.alpha)
        own = self.basis.inverse(values)
        count, planes, height, width = values.shape
        return own + self._empty(values, count, planes, (height, width))

    def paint(self, parameters: Parameters, size: Size) -> Tensor:
        """Return the pictures ``(N, C, *size)``, with one channel more where there is alpha."""
        own = len(parameters) - len(self.shared)
        values = self.basis.values(parameters[:own], size)
        for part in parameters[own:]:
            values = values + F.interpolate(part.mean(0, keepdim=True), size, mode="bilinear")
        if self.color is not None:
            values = _on_colors(self.color.mixed, values, self.alpha)
        return one_by_one(self.range, values)

    def _empty(self, like: Tensor, count: int, planes: int, size: Size) -> Parameters:
        return tuple(
            like.new_zeros(count, planes, *(-(-length // part) for length in size)) for part in self.shared
        )


def _on_colors(change: Callable[[Tensor], Tensor], values: Tensor, alpha: bool) -> Tensor:
    """Change the colors, and leave the opacity as it is."""
    if not alpha:
        return change(values)
    return torch.cat([change(values[:, :-1]), values[:, -1:]], dim=1)
