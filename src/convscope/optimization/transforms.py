"""What a picture has to withstand: moved, zoomed, turned or noisy, it still has to please the network.

A transform takes pictures (N, C, H, W) and one generator a picture, and returns pictures, perhaps of another size. Each
picture draws its own numbers from its own generator, so it sees the same chances alone as in a batch. Any function of
these two arguments is a transform. After Olah et al., *Feature Visualization* (2017), and lucid's transforms, where one
draw was for the whole batch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from convscope.errors import InputError
from convscope.optimization.canvas.color import IMAGENET
from convscope.optimization.canvas.fourier import Fourier
from convscope.optimization.canvas.painting import Painting
from convscope.optimization.settings import Generators, Size


class Geometric(Protocol):
    """A transform that only moves pixels, so that several in a row can be done by one interpolation."""

    def place(self, size: Size, generators: Generators) -> tuple[Tensor, Size]:
        """Return where pixels come from, and the size of the result.

        (N, 3, 3) matrices, which bring a new pixel's (column, row, 1) to its (column, row, 1) in the picture.
        """


@dataclass(frozen=True)
class Pad:
    """A border of this many pixels on each side, of one value, or of the picture's reflection."""

    width: int
    value: float = 0.5
    mode: Literal["constant", "reflect"] = "constant"

    def __call__(self, pictures: Tensor, generators: Generators) -> Tensor:
        """Return the pictures with a border."""
        if self.mode == "reflect":
            return F.pad(pictures, [self.width] * 4, "reflect")
        return F.pad(pictures, [self.width] * 4, value=self.value)

    def place(self, size: Size, generators: Generators) -> tuple[Tensor, Size]:
        """Return the shift."""
        shift = torch.full((len(generators),), -float(self.width))
        return _affine(shift=(shift, shift)), (size[0] + 2 * self.width, size[1] + 2 * self.width)


@dataclass(frozen=True)
class Jitter:
    """A random piece, this many pixels smaller than the picture in both directions."""

    pixels: int

    def __call__(self, pictures: Tensor, generators: Generators) -> Tensor:
        """Return a piece of each picture."""
        height, width = self._size((pictures.shape[2], pictures.shape[3]))
        corners = [self._corner(generator) for generator in generators]
        pieces = [
            picture[:, row : row + height, column : column + width]
            for picture, (column, row) in zip(pictures, corners, strict=True)
        ]
        return torch.stack(pieces)

    def place(self, size: Size, generators: Generators) -> tuple[Tensor, Size]:
        """Return the shift."""
        corners = torch.tensor([self._corner(generator) for generator in generators], dtype=torch.float32)
        return _affine(shift=(corners[:, 0], corners[:, 1])), self._size(size)

    def _corner(self, generator: torch.Generator) -> tuple[int, int]:
        column, row = torch.randint(0, self.pixels + 1, (2,), generator=generator).tolist()
        return column, row

    def _size(self, size: Size) -> Size:
        if self.pixels >= min(size):
            raise InputError(
                f"a jitter of {self.pixels} pixels leaves nothing of {size[0]} x {size[1]} pixels"
            )
        return size[0] - self.pixels, size[1] - self.pixels


@dataclass(frozen=True)
class Scale:
    """A zoom by one of these factors around the center; the picture keeps its size, so that a batch has one size."""

    factors: tuple[float, ...]
    fill: float = 0.5

    def __call__(self, pictures: Tensor, generators: Generators) -> Tensor:
        """Return the zoomed pictures."""
        return Together((self,), self.fill)(pictures, generators)

    def place(self, size: Size, generators: Generators) -> tuple[Tensor, Size]:
        """Return the zoom."""
        factor = 1 / _chosen(self.factors, generators)
        zero = torch.zeros_like(factor)
        return _around_center(_affine(((factor, zero), (zero, factor))), size), size


@dataclass(frozen=True)
class Rotate:
    """A turn by one of these angles, in degrees against the clock, around the center."""

    degrees: tuple[float, ...]
    fill: float = 0.5

    def __call__(self, pictures: Tensor, generators: Generators) -> Tensor:
        """Return the turned pictures."""
        return Together((self,), self.fill)(pictures, generators)

    def place(self, size: Size, generators: Generators) -> tuple[Tensor, Size]:
        """Return the turn."""
        angle = _chosen(self.degrees, generators) * (math.pi / 180)
        cosine, sine = angle.cos(), angle.sin()
        return _around_center(_affine(((cosine, -sine), (sine, cosine))), size), size


@dataclass(frozen=True)
class Crop:
    """A random square piece of the picture, brought to a size: how MACO looks at its canvas.

    Its side is about `share` of the picture's (normal, by 0.05, at least 0.05 and at most 1), its center about the
    picture's (normal, by 0.15 of the side). What lies beyond the picture is `fill`.
    """

    size: Size
    share: float
    fill: float = 0.0

    def __call__(self, pictures: Tensor, generators: Generators) -> Tensor:
        """Return a piece of each picture."""
        return Together((self,), self.fill)(pictures, generators)

    def place(self, size: Size, generators: Generators) -> tuple[Tensor, Size]:
        """Return the piece's place: its corner pixels' centers are the box's corners."""
        drawn = torch.stack([torch.randn(3, generator=generator) for generator in generators])
        side = (self.share + 0.05 * drawn[:, 0]).clamp(0.05, 1.0)
        corners = 0.5 + 0.15 * drawn[:, 1:] - side[:, None] / 2
        steps = [
            side * ((old - 1) / max(new - 1, 1)) for old, new in zip(size[::-1], self.size[::-1], strict=True)
        ]
        shift = (corners[:, 0] * (size[1] - 1), corners[:, 1] * (size[0] - 1))
        zero = torch.zeros_like(side)
        return _affine(((steps[0], zero), (zero, steps[1])), shift), self.size


@dataclass(frozen=True)
class Together:
    """Geometric transforms in a row, by one interpolation: faster than each alone, and sharper.

    What lies beyond the picture is `fill`; what an earlier part cut off, a later one can bring back.

    >>> Together((Pad(12), Jitter(8), Scale((0.9, 1.0, 1.1)), Rotate((-5, 0, 5)), Jitter(4)))  # lucid's
    """

    parts: tuple[Geometric, ...]
    fill: float = 0.5

    def __call__(self, pictures: Tensor, generators: Generators) -> Tensor:
        """Return the pictures, moved."""
        size = (pictures.shape[2], pictures.shape[3])
        matrix = torch.eye(3, dtype=torch.float64).expand(len(pictures), 3, 3)
        for part in self.parts:
            step, size = part.place(size, generators)
            matrix = matrix @ step.double()
        return _sampled(pictures, matrix, size, self.fill)


@dataclass(frozen=True)
class Flip:
    """Left and right exchanged, for about half of the pictures."""

    share: float = 0.5

    def __call__(self, pictures: Tensor, generators: Generators) -> Tensor:
        """Return the pictures, some of them mirrored."""
        drawn = torch.cat([torch.rand(1, generator=generator) for generator in generators])
        mirrored = (drawn < self.share).to(pictures.device)[:, None, None, None]
        return torch.where(mirrored, pictures.flip(3), pictures)


@dataclass(frozen=True)
class Noise:
    """Noise on every pixel: normal of this deviation, and uniform of this whole range."""

    deviation: float = 0.0
    uniform: float = 0.0

    def __call__(self, pictures: Tensor, generators: Generators) -> Tensor:
        """Return the pictures with noise."""
        shape = pictures.shape[1:]
        if self.deviation:
            normal = torch.stack([torch.randn(shape, generator=generator) for generator in generators])
            pictures = pictures + self.deviation * normal.to(pictures)
        if self.uniform:
            flat = torch.stack([torch.rand(shape, generator=generator) for generator in generators])
            pictures = pictures + self.uniform * (flat - 0.5).to(pictures)
        return pictures


@dataclass(frozen=True)
class OverNoise:
    """Pictures with opacity as their last channel, laid over colorful noise, new in each step (lucid's).

    What the unit does not care for becomes transparent, if the objective counts opacity as a cost.
    """

    deviation: float = 0.5

    def __call__(self, pictures: Tensor, generators: Generators) -> Tensor:
        """Return the pictures without the channel of their opacity."""
        seen, opacity = pictures[:, :-1], pictures[:, -1:]
        count, channels, height, width = seen.shape
        noise = Painting(Fourier(deviation=self.deviation), IMAGENET if channels == 3 else None)
        numbers = noise.start(count, channels, (height, width), generators)
        with torch.no_grad():
            behind = noise.paint(numbers, (height, width)).to(seen)
        return opacity * seen + (1 - opacity) * behind


def _chosen(values: Sequence[float], generators: Generators) -> Tensor:
    """Return one of the values for each generator, (N,)."""
    indices = [torch.randint(0, len(values), (1,), generator=generator) for generator in generators]
    return torch.tensor(values, dtype=torch.float32)[torch.cat(indices)]


def _affine(
    turn: tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]] | None = None,
    shift: tuple[Tensor, Tensor] | None = None,
) -> Tensor:
    """Return (N, 3, 3) matrices from their entries, each (N,)."""
    some = shift[0] if shift is not None else turn[0][0] if turn is not None else torch.zeros(1)
    matrix = torch.eye(3, dtype=some.dtype).repeat(len(some), 1, 1)
    for row in range(2):
        if turn is not None:
            matrix[:, row, 0], matrix[:, row, 1] = turn[row]
        if shift is not None:
            matrix[:, row, 2] = shift[row]
    return matrix


def _around_center(matrix: Tensor, size: Size) -> Tensor:
    """Return the matrix with the picture's center where it was."""
    center = matrix.new_tensor([(size[1] - 1) / 2, (size[0] - 1) / 2])
    matrix[:, :2, 2] = center - (matrix[:, :2, :2] @ center)
    return matrix


def _sampled(pictures: Tensor, matrix: Tensor, size: Size, fill: float) -> Tensor:
    """Return pictures whose pixels are interpolated where the matrix says."""
    height, width = pictures.shape[2:]
    # To grid_sample's coordinates, -1 to 1 from the first pixel's center to the last one's.
    scale = torch.tensor([2 / max(width - 1, 1), 2 / max(height - 1, 1)], dtype=matrix.dtype)
    rule = matrix[:, :2] * scale[:, None]
    rule[:, :, 2] -= 1
    columns, rows = (torch.arange(length, dtype=matrix.dtype) for length in size[::-1])
    across = columns[:, None] * rule[:, None, :, 0]
    down = rows[:, None] * rule[:, None, :, 1] + rule[:, None, :, 2]
    grid = (across[:, None] + down[:, :, None]).to(pictures)
    return F.grid_sample(pictures - fill, grid, align_corners=True) + fill
