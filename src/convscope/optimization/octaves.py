"""The sizes a dream passes through, small to large, and how a picture gets from one to the next."""

from __future__ import annotations

from dataclasses import dataclass
from operator import index
from typing import Literal, SupportsFloat, SupportsIndex

from torch import Tensor

from convscope.errors import InputError
from convscope.pictures.resizing import Resize, Size, resized

Detail = Literal["none", "carry", "lost", "laplacian"]
"""What becomes of the picture's own detail on the way up. "carry": what was dreamed is enlarged and added to the
resized picture (Google, 2015). "lost": what the resizes lose of the picture is given back after an octave's last
step (Keras). "laplacian": the same before its first step (TensorFlow, 2016). "none": it is only enlarged."""
SMALLEST = 32  # pixels: below, the layers worth dreaming of have nothing left to see


@dataclass(frozen=True)
class Octaves:
    """How many sizes, each `scale` times the next smaller one; `grow`: the picture's own size is the smallest.

    `exponents` says the powers of `scale` instead, where the middle is not an end. `rounding` is how sizes become
    whole: "nearest" (scipy), "down" (TensorFlow's int). `stepwise`: the picture gets small by one resize after the
    other, not by one. `fewer`: sizes too small to dream in are left out, else they are an error.
    """

    count: int = 1
    scale: float = 1.4
    grow: bool = False
    exponents: tuple[int, ...] | None = None
    rounding: Literal["nearest", "down"] = "nearest"
    stepwise: bool = True
    resize: Resize = "corners"
    detail: Detail = "carry"
    fewer: bool = False

    def __post_init__(self) -> None:
        require_whole("octaves", self.count, 1, 1_000)
        if not (isinstance(self.scale, SupportsFloat) and 1 < float(self.scale) < float("inf")):
            raise InputError(f"octave_scale is a number above 1, not {self.scale!r}")

    def sizes(self, size: Size) -> tuple[Size, ...]:
        """Return the sizes for a picture of this one, smallest first.

        >>> Octaves(4, 1.4).sizes((575, 1024))
        ((210, 373), (293, 522), (411, 731), (575, 1024))
        """
        if self.exponents is not None:
            sizes = [self._scaled(size, self.scale**exponent) for exponent in self.exponents]
        else:
            factor = self.scale if self.grow else 1 / self.scale
            sizes = [size]
            for octave in range(1, self.count):
                # TensorFlow's tutorial cuts off the fraction of each size before it takes the next.
                again = self.stepwise and self.rounding == "down"
                sizes.append(self._scaled(sizes[-1], factor) if again else self._scaled(size, factor**octave))
            sizes = sizes if self.grow else sizes[::-1]
        if self.fewer:
            sizes = [one for one in sizes if min(one) >= SMALLEST] or sizes[-1:]
        elif min(min(size) for size in sizes) < SMALLEST:
            height, width = min(sizes, key=min)
            if len(sizes) == 1 or min(size) < SMALLEST:
                raise InputError(
                    f"a picture of {size[0]} x {size[1]} is below {SMALLEST} pixels: use a larger picture"
                )
            raise InputError(
                f"the smallest octave would be {height} x {width}, below {SMALLEST} pixels: use fewer octaves "
                f"(now {len(sizes)}), a smaller scale (now {self.scale:g}) or a larger picture"
            )
        return tuple(sizes)

    def _scaled(self, size: Size, factor: float) -> Size:
        def whole(value: float) -> int:
            return int(value + 1e-6) if self.rounding == "down" else round(value)  # 98 / 1.4 is 70

        return whole(size[0] * factor), whole(size[1] * factor)

    def resized(self, picture: Tensor, size: Size) -> Tensor:
        """Return the picture (N, C, H, W) at another size."""
        return resized(picture, size, self.resize)


class OctaveDetail:
    """The picture's own detail on its way from size to size; octaves count from 1."""

    def __init__(self, octaves: Octaves, picture: Tensor) -> None:
        self.octaves, self.picture = octaves, picture
        self.sizes = octaves.sizes((int(picture.shape[2]), int(picture.shape[3])))

    def enter(self, number: int, dreamed: Tensor) -> Tensor:
        """Return the values to dream from in an octave, after what was dreamed in the one before."""
        if number == 1:
            return self._base(1)
        larger = self.octaves.resized(dreamed, self.sizes[number - 1])
        match self.octaves.detail:
            case "carry":
                new = dreamed - self._base(number - 1)
                return self._base(number) + self.octaves.resized(new, self.sizes[number - 1])
            case "laplacian":
                return larger + self._lost_detail(number)
            case _:
                return larger

    def leave(self, number: int, dreamed: Tensor) -> Tensor:
        """Return what an octave's last step made, with what its resize had lost of the picture."""
        return (
            dreamed + self._lost_detail(number) if self.octaves.detail == "lost" and number > 1 else dreamed
        )

    def _lost_detail(self, number: int) -> Tensor:
        """Return what of the picture the octave before could not hold."""
        return self._base(number) - self.octaves.resized(self._base(number - 1), self.sizes[number - 1])

    def _base(self, number: int) -> Tensor:
        """Return the picture at an octave's size, by one resize or by as many as there are octaves above."""
        if not self.octaves.stepwise:
            return self.octaves.resized(self.picture, self.sizes[number - 1])
        picture = self.picture
        for size in reversed(self.sizes[number - 1 :]):
            if picture.shape[2] > size[0] or picture.shape[3] > size[1]:
                picture = self.octaves.resized(picture, size)
        return self.octaves.resized(picture, self.sizes[number - 1])


def require_whole(name: str, value: object, least: int, most: int = 2**31) -> None:
    """InputError for a setting that is no whole number, too small, or larger than any that means something."""
    if not (isinstance(value, SupportsIndex) and index(value) >= least):
        raise InputError(f"{name} is a whole number, at least {least}, not {value!r}")
    if index(value) > most:
        raise InputError(f"{name} is at most {most:,}, not {value!r}")
