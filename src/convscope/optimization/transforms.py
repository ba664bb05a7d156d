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
from typing import Literal, Protocol, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from convscope.errors import InputError
from convscope.optimization.canvases.color import IMAGENET
from convscope.optimization.canvases.fourier import Fourier
from convscope.optimization.canvases.painting import Painting
from convscope.optimization.settings import Generators, Size

Matrix: TypeAlias = NDArray[np.float64]


class Geometric(Protocol):
    """A transform that only moves pixels, so that several in a row can be done by one interpolation."""

    def place(self, size: Size, generator: torch.Generator) -> tuple[Matrix, Size]:
        """Return where one picture's pixels come from, and the size of the result.

        A matrix (3, 3), which brings a new pixel's (column, row, 1) to its (column, row, 1) in the picture.
        """


@dataclass(frozen=True)
class Pad:
    """A border of this many pixels on each side, of one value, or of the picture's reflection.

    >>> transforms.Pad(12)(torch.rand(1, 3, 80, 80), [torch.Generator()]).shape
    torch.Size([1, 3, 104, 104])
    """

    width: int
    value: float = 0.5
    mode: Literal["constant", "reflect"] = "constant"

    def __call__(self, pictures: Tensor, generators: Generators) -> Tensor:
        """Return the pictures with a border."""
        if self.mode == "reflect":
            return F.pad(pictures, [self.width] * 4, "reflect")
        return F.pad(pictures, [self.width] * 4, value=self.value)

    def place(self, size: Size, generator: torch.Generator) -> tuple[Matrix, Size]:
        """Return the shift."""
        shifted = _matrix((1, 0, -self.width), (0, 1, -self.width))
        return shifted, (size[0] + 2 * self.width, size[1] + 2 * self.width)


@dataclass(frozen=True)
class Jitter:
    """A random piece, this many pixels smaller than the picture in both directions.

    >>> transforms.Jitter(8)(torch.rand(1, 3, 80, 80), [torch.Generator()]).shape
    torch.Size([1, 3, 72, 72])
    """

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

    def place(self, size: Size, generator: torch.Generator) -> tuple[Matrix, Size]:
        """Return the shift."""
        column, row = self._corner(generator)
        return _matrix((1, 0, column), (0, 1, row)), self._size(size)

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
    """A zoom by one of these factors around the center; the picture keeps its size, so that a batch has one size.

    >>> transforms.Scale((0.9, 1.0, 1.1))(torch.rand(1, 3, 80, 80), [torch.Generator()]).shape
    torch.Size([1, 3, 80, 80])
    """

    factors: tuple[float, ...]
    fill: float = 0.5

    def __call__(self, pictures: Tensor, generators: Generators) -> Tensor:
        """Return the zoomed pictures."""
        return Together((self,), self.fill)(pictures, generators)

    def place(self, size: Size, generator: torch.Generator) -> tuple[Matrix, Size]:
        """Return the zoom."""
        step = 1 / _chosen(self.factors, generator)
        return _around_center(_matrix((step, 0, 0), (0, step, 0)), size), size


@dataclass(frozen=True)
class Rotate:
    """A turn by one of these angles, in degrees against the clock, around the center.

    >>> transforms.Rotate((-5, 0, 5))(torch.rand(1, 3, 80, 80), [torch.Generator()]).shape
    torch.Size([1, 3, 80, 80])
    """

    degrees: tuple[float, ...]
    fill: float = 0.5

    def __call__(self, pictures: Tensor, generators: Generators) -> Tensor:
        """Return the turned pictures."""
        return Together((self,), self.fill)(pictures, generators)

    def place(self, size: Size, generator: torch.Generator) -> tuple[Matrix, Size]:
        """Return the turn."""
        angle = math.radians(_chosen(self.degrees, generator))
        cosine, sine = math.cos(angle), math.sin(angle)
        return _around_center(_matrix((cosine, -sine, 0), (sine, cosine, 0)), size), size


@dataclass(frozen=True)
class Crop:
    """A random square piece of the picture, brought to a size: how MACO looks at its canvas.

    Its side is about `share` of the picture's (normal, by 0.05, at least 0.05 and at most 1), its center about the
    picture's (normal, by 0.15 of the side). What lies beyond the picture is `fill`.

    >>> transforms.Crop((64, 64), share=0.5)(torch.rand(1, 3, 80, 80), [torch.Generator()]).shape
    torch.Size([1, 3, 64, 64])
    """

    size: Size
    share: float
    fill: float = 0.0

    def __call__(self, pictures: Tensor, generators: Generators) -> Tensor:
        """Return a piece of each picture."""
        return Together((self,), self.fill)(pictures, generators)

    def place(self, size: Size, generator: torch.Generator) -> tuple[Matrix, Size]:
        """Return the piece's place: its corner pixels' centers are the box's corners."""
        amount, across, down = torch.randn(3, generator=generator).tolist()
        side = min(max(self.share + 0.05 * amount, 0.05), 1.0)
        rows, columns = (
            (side * (old - 1) / max(new - 1, 1), (0.5 + 0.15 * off - side / 2) * (old - 1))
            for old, new, off in zip(size, self.size, (down, across), strict=True)
        )
        return _matrix((columns[0], 0, columns[1]), (0, rows[0], rows[1])), self.size


@dataclass(frozen=True)
class Together:
    """Geometric transforms in a row, by one interpolation: faster than each alone, and sharper.

    What lies beyond the picture is `fill`; what an earlier part cut off, a later one can bring back.

    >>> t = transforms  # these are about lucid's
    >>> moved = t.Together((t.Pad(12), t.Jitter(8), t.Scale((0.9, 1.0, 1.1)), t.Rotate((-5, 0, 5)), t.Jitter(4)))
    >>> moved(torch.rand(1, 3, 80, 80), [torch.Generator()]).shape
    torch.Size([1, 3, 92, 92])
    """

    parts: tuple[Geometric, ...]
    fill: float = 0.5

    def __call__(self, pictures: Tensor, generators: Generators) -> Tensor:
        """Return the pictures, moved."""
        size = (pictures.shape[2], pictures.shape[3])
        places = [self.place(size, generator) for generator in generators]
        matrices = np.stack([matrix for matrix, _ in places])
        return _sampled(pictures, matrices, places[0][1], self.fill)

    def place(self, size: Size, generator: torch.Generator) -> tuple[Matrix, Size]:
        """Return what all parts do."""
        matrix: Matrix = np.eye(3)
        for part in self.parts:
            step, size = part.place(size, generator)
            matrix = matrix @ step
        return matrix, size


@dataclass(frozen=True)
class Flip:
    """Left and right exchanged, for about half of the pictures.

    >>> transforms.Flip()(torch.rand(1, 3, 80, 80), [torch.Generator()]).shape
    torch.Size([1, 3, 80, 80])
    """

    share: float = 0.5

    def __call__(self, pictures: Tensor, generators: Generators) -> Tensor:
        """Return the pictures, some of them mirrored."""
        drawn = torch.cat([torch.rand(1, generator=generator) for generator in generators])
        mirrored = (drawn < self.share).to(pictures.device)[:, None, None, None]
        return torch.where(mirrored, pictures.flip(3), pictures)


@dataclass(frozen=True)
class Noise:
    """Noise on every pixel: normal of this deviation, and uniform of this whole range.

    >>> transforms.Noise(deviation=0.1)(torch.zeros(1, 3, 80, 80), [torch.Generator()]).std() > 0.09
    tensor(True)
    """

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

    >>> transforms.OverNoise()(torch.rand(1, 4, 80, 80), [torch.Generator()]).shape
    torch.Size([1, 3, 80, 80])
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


def _chosen(values: Sequence[float], generator: torch.Generator) -> float:
    return values[int(torch.randint(0, len(values), (1,), generator=generator))]


def _matrix(across: tuple[float, ...], down: tuple[float, ...]) -> Matrix:
    return np.array([across, down, (0, 0, 1)], np.float64)


def _around_center(matrix: Matrix, size: Size) -> Matrix:
    """Return the matrix with the picture's center where it was."""
    center = np.array([(size[1] - 1) / 2, (size[0] - 1) / 2])
    matrix[:2, 2] = center - matrix[:2, :2] @ center
    return matrix


def _sampled(pictures: Tensor, matrices: Matrix, size: Size, fill: float) -> Tensor:
    """Return pictures whose pixels are interpolated where the matrices (N, 3, 3) say."""
    height, width = pictures.shape[2:]
    # To grid_sample's coordinates, -1 to 1 from the first pixel's center to the last one's.
    rule = matrices[:, :2] * [[2 / max(width - 1, 1)], [2 / max(height - 1, 1)]]
    rule[:, :, 2] -= 1
    across = torch.from_numpy(np.arange(size[1])[:, None] * rule[:, None, :, 0]).to(pictures)
    down = torch.from_numpy(np.arange(size[0])[:, None] * rule[:, None, :, 1] + rule[:, None, :, 2])
    grid = across[:, None] + down.to(pictures)[:, :, None]
    return F.grid_sample(pictures - fill, grid, align_corners=True) + fill
