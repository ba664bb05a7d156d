"""How values of any size become pixels in 0..1, and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from convscope.network.input_spec import InputSpec

_QUARTER_OF_A_GRAY_LEVEL = 0.25 / 255


class Range(Protocol):
    """How values of any size become what a pixel can be."""

    def __call__(self, values: Tensor) -> Tensor:
        """Return the pixels of values."""

    def inverse(self, pixels: Tensor) -> Tensor:
        """Return the values of pixels."""


@dataclass(frozen=True)
class Sigmoid:
    """Any value to 0..1, 0 to gray. The other way, black and white give way by a quarter of a gray level.

    >>> canvases.Sigmoid()(torch.zeros(1))
    tensor([0.5000])
    """

    def __call__(self, values: Tensor) -> Tensor:
        """Return the pixels of values."""
        return values.sigmoid()

    def inverse(self, pixels: Tensor) -> Tensor:
        """Return the values of pixels."""
        return pixels.logit(eps=_QUARTER_OF_A_GRAY_LEVEL)


@dataclass(frozen=True)
class Linear:
    """Values in gray levels around `center` (in 0..1, one number or one a channel); nothing keeps them in 0..1.

    >>> canvases.Linear(center=(0.5,))(torch.tensor([-127.5, 0.0]))
    tensor([[[0.0000, 0.5000]]])
    """

    center: tuple[float, ...] = (0.0,)
    levels: float = 255.0

    def __call__(self, values: Tensor) -> Tensor:
        """Return the pixels of values."""
        return values / self.levels + self._center(values)

    def inverse(self, pixels: Tensor) -> Tensor:
        """Return the values of pixels."""
        return (pixels - self._center(pixels)) * self.levels

    def _center(self, like: Tensor) -> Tensor:
        return like.new_tensor(self.center)[:, None, None]


@dataclass(frozen=True)
class Unprepared:
    """Gray levels 0 to 255 that the network is fed as they are: no mean taken away, channels as they come.

    So the notebooks of 2016 and 2017 fed noise to networks made for another preparation. What is painted is the picture
    the network then sees, which `spec` says.

    >>> gray = canvases.Pixels(mean=127, deviation=10)
    >>> painting = canvases.Painting(gray, range=canvases.Unprepared(network.input_spec))
    """

    spec: InputSpec

    def __call__(self, values: Tensor) -> Tensor:
        """Return the pixels the network sees."""
        return self.spec.to_rgb(self._bare.from_rgb(values / 255))

    def inverse(self, pixels: Tensor) -> Tensor:
        """Return the gray levels with which the network sees these pixels."""
        return self._bare.to_rgb(self.spec.from_rgb(pixels)) * 255

    @property
    def _bare(self) -> InputSpec:
        order = "RGB" if self.spec.channel_order == "BGR" else self.spec.channel_order
        return self.spec.replace(mean=(), channel_order=order)
