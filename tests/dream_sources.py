"""The published dreams as plain numpy loops, each written from its source and sharing nothing with convscope.

A loop takes a gradient function, of RGB pictures (height, width, 3) in 0..1, and returns the final values in the
source's own scale. `Rolls` gives the random shifts, which the sources draw themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.transform import resize as spline_resize

Array = NDArray[np.float64]
Gradient = Callable[[Array], Array]
Rolls = Iterator[tuple[int, int]]


def lecture(
    values: Array, gradient: Gradient, steps: int, *, decay: bool, blur: bool, clip: bool, zoom: bool
) -> Array:
    """Mital's session 4: everything but the normalization is done to the picture; values are 0..255 less 117."""
    image = values.copy()
    for step in range(steps):
        slope = gradient((image + 117) / 255) / 255
        image += slope / (np.abs(slope).max() + 1e-8)
        if decay:
            image *= 0.95
        if blur and step % 5 == 0:
            for color in range(3):
                image[..., color] = ndimage.gaussian_filter(image[..., color], 1.0)
        if clip:
            image[np.abs(image) < np.percentile(np.abs(image), 5)] = 0
        if zoom:
            height, width = image.shape[:2]
            image = spline_resize(
                image[1:-1, 1:-1],
                (height, width),
                order=3,
                clip=False,
                preserve_range=True,
                anti_aliasing=False,
            )
    return image


def lecture_titles(values: Array, gradient: Gradient, steps: int, *, blur: bool, clip: bool) -> Array:
    """The same as its titles say it, with the same numbers: the gradient decays, is blurred and clipped."""
    image = values.copy()
    for step in range(steps):
        slope = gradient((image + 117) / 255) / 255
        if blur and step % 5 == 0:
            slope = np.stack([ndimage.gaussian_filter(slope[..., color], 1.0) for color in range(3)], axis=2)
        if clip:
            limit = np.percentile(np.abs(slope), 95)
            slope = slope.clip(-limit, limit)
        image += 0.95**step * slope / (np.abs(slope).max() + 1e-8)
    return image


def google_2015(values: Array, gradient: Gradient, steps: int, rolls: Rolls) -> Array:
    """Caffe's notebook: 4 octaves of 1.4, step 1.5, jitter 32, clipped to the pictures' range; values are 0..255."""
    octaves = [values]
    for _ in range(3):
        height, width = values.shape[0] / 1.4 ** len(octaves), values.shape[1] / 1.4 ** len(octaves)
        octaves.append(_zoom(octaves[-1], (round(height), round(width))))
    detail = np.zeros_like(octaves[-1])
    for octave, base in enumerate(octaves[::-1]):
        if octave > 0:
            detail = _zoom(detail, base.shape[:2])
        image = base + detail
        for _ in range(steps):
            down, right = next(rolls)
            image = np.roll(np.roll(image, right, 1), down, 0)
            slope = gradient(image / 255)
            image = image + 1.5 / np.abs(slope).mean() * slope
            image = np.roll(np.roll(image, -right, 1), -down, 0)
            image = np.clip(image, 0, 255)
        detail = image - base
    return image


def tensorflow_naive(values: Array, gradient: Gradient, steps: int) -> Array:
    """The tutorial of 2016: the gradient by its deviation, step 1; values are 0..255."""
    image = values.copy()
    for _ in range(steps):
        slope = gradient(image / 255) / 255
        image += slope / (slope.std() + 1e-8)
    return image


def tensorflow_growing(
    values: Array, gradient: Gradient, steps: int, rolls: Rolls, *, laplacian: bool
) -> Array:
    """The same, over 3 octaves that grow by 1.4; perhaps with a normalized Laplacian pyramid of 4 levels."""
    image = values.copy()
    for octave in range(3):
        if octave > 0:
            image = _legacy(image, (int(image.shape[0] * 1.4), int(image.shape[1] * 1.4)))
        for _ in range(steps):
            slope = _rolled(gradient, image, next(rolls))
            image = image + (normalized_pyramid(slope, 4) if laplacian else slope / (slope.std() + 1e-8))
    return image


def tensorflow_deepdream(values: Array, gradient: Gradient, steps: int, rolls: Rolls) -> Array:
    """The tutorial's deep dream: 4 octaves, each gets its detail of the photograph back before it is dreamed."""
    image, lost = values, []
    for _ in range(3):
        size = image.shape[:2]
        small = _legacy(image, (int(size[0] / 1.4), int(size[1] / 1.4)))
        lost.append(image - _legacy(small, size))
        image = small
    for octave in range(4):
        if octave > 0:
            image = _legacy(image, lost[-octave].shape[:2]) + lost[-octave]
        for _ in range(steps):
            slope = _rolled(gradient, image, next(rolls))
            image = image + slope * (1.5 / (np.abs(slope).mean() + 1e-7))
    return image


def tensorflow_2(values: Array, gradient: Gradient, steps: int) -> Array:
    """The tutorial of 2020: sizes 1.3 to the power of -2 to 2, then the picture's own; values are -1..1."""
    image, size = values, values.shape[:2]
    for exponent in range(-2, 3):
        image = half_pixel(image, (int(size[0] * 1.3**exponent), int(size[1] * 1.3**exponent)))
        for _ in range(steps):
            slope = gradient((image + 1) / 2) / 2
            image = np.clip(image + 0.01 * slope / (slope.std() + 1e-8), -1, 1)
    return half_pixel(image, size)


def keras(
    values: Array, objective: Callable[[Array], tuple[float, Array]], steps: int, highest: float = 15.0
) -> Array:
    """Keras's example: 3 octaves, lost detail given back after each, stopped above an objective; values are -1..1."""
    size = values.shape[:2]
    sizes = [(int(size[0] / 1.4**octave), int(size[1] / 1.4**octave)) for octave in (2, 1, 0)]
    shrunk, image = half_pixel(values, sizes[0]), values
    for now in sizes:
        image = half_pixel(image, now)
        for _ in range(steps):
            value, slope = objective((image + 1) / 2)
            slope = slope / 2
            image = image + 0.01 * slope / max(np.abs(slope).mean(), 1e-6)
            if value > highest:
                break
        image = image + half_pixel(values, now) - half_pixel(shrunk, now)
        shrunk = half_pixel(values, now)
    return image


def normalized_pyramid(slope: Array, levels: int) -> Array:
    """Every level of a Laplacian pyramid by its RMS, with TensorFlow's SAME padding of zeros."""
    kernel = np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1]) / 256
    found, image = [], slope
    for _ in range(levels):
        small = _reduced(image, kernel)
        found.append(image - _expanded(small, image.shape[:2], kernel))
        image = small
    found = [level / max(np.sqrt((level**2).mean()), 1e-10) for level in [*found, image]]
    image = found[-1]
    for detail in found[-2::-1]:
        image = _expanded(image, detail.shape[:2], kernel) + detail
    return image


def half_pixel(image: Array, size: tuple[int, int]) -> Array:
    """Bilinear, pixels as areas, without antialiasing."""
    return _along(image, size, lambda new, old: (np.arange(new) + 0.5) * old / new - 0.5)


def _legacy(image: Array, size: tuple[int, int]) -> Array:
    return _along(image, size, lambda new, old: np.arange(new) * (old / new))


def _along(image: Array, size: tuple[int, int], places: Callable[[int, int], Array]) -> Array:
    for axis in (0, 1):
        old = image.shape[axis]
        lines = np.moveaxis(image, axis, 0).reshape(old, -1).T
        found = [np.interp(places(size[axis], old), np.arange(old), line) for line in lines]
        rest = np.delete(image.shape, axis)
        image = np.moveaxis(np.array(found).T.reshape(size[axis], *rest), 0, axis)
    return image


def _zoom(image: Array, size: tuple[int, int]) -> Array:
    # With the default mode a place that rounding puts a hair beyond the last pixel becomes black.
    return ndimage.zoom(
        image, (size[0] / image.shape[0], size[1] / image.shape[1], 1), order=1, mode="nearest"
    )


def _rolled(gradient: Gradient, image: Array, roll: tuple[int, int]) -> Array:
    moved = gradient(np.roll(np.roll(image, roll[1], 1), roll[0], 0) / 255) / 255
    return np.roll(np.roll(moved, -roll[1], 1), -roll[0], 0)


def _before(length: int) -> int:
    """Zeros in front of a line of this length: TensorFlow puts the odd one behind."""
    small = -(-length // 2)
    return max((small - 1) * 2 + 5 - length, 0) // 2


def _reduced(image: Array, kernel: Array) -> Array:
    height, width = image.shape[:2]
    blurred = np.stack([ndimage.correlate(image[..., c], kernel, mode="constant") for c in range(3)], axis=2)
    return blurred[2 - _before(height) :: 2, 2 - _before(width) :: 2]


def _expanded(small: Array, size: tuple[int, int], kernel: Array) -> Array:
    apart = np.zeros((*size, 3))
    apart[2 - _before(size[0]) :: 2, 2 - _before(size[1]) :: 2] = small
    return np.stack([ndimage.convolve(apart[..., c], 4 * kernel, mode="constant") for c in range(3)], axis=2)
