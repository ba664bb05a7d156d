"""A dream without end: each frame is the one before, moved a little and dreamed on."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy.ndimage import affine_transform  # type: ignore[import-untyped]
from torch import Tensor

from convscope.dreaming.deep_dream import Dream
from convscope.errors import InputError
from convscope.jobs import last_step
from convscope.pictures.resizing import resized
from convscope.presentation.animation import Frame, Frames
from convscope.times import MOST


@dataclass(frozen=True)
class Curve:
    """A value over time: points (seconds, value) joined by straight lines, the ends going on.

    >>> Curve.read("0:1, 4:1.5").at(2)
    1.25
    """

    points: tuple[tuple[float, float], ...]

    @classmethod
    def read(cls, text: str | float) -> Curve:
        """Return the curve that a number or ``SECOND:VALUE, ...`` says."""
        try:
            if isinstance(text, (int, float)) or ":" not in text:
                return cls(((0.0, float(text)),))
            pairs = [point.split(":") for point in text.split(",")]
            return cls(tuple(sorted((float(second), float(value)) for second, value in pairs)))
        except ValueError:
            raise InputError(
                f"{text!r} is no curve: give a number (1.5), or values at seconds (0:1, 4:1.5)"
            ) from None

    def at(self, second: float) -> float:
        """Return the value at a time."""
        seconds, values = zip(*self.points, strict=True)
        return float(np.interp(second, seconds, values))


MAKING, SHORTEST, LONGEST = 300.0, 1.0, 10.0  # seconds: of work, and of a film that nobody said the length of
STILL, ONE = Curve(((0.0, 0.0),)), Curve(((0.0, 1.0),))


@dataclass(frozen=True)
class Motion:
    """How a film moves, a second: enlarged by the factor `zoom`, turned left by `rotation` degrees, and moved.

    `right` and `down` are shares of the picture's width and height. Each is a `Curve` over the film's seconds, so the
    film is the same in 12 frames a second and in 60.
    """

    zoom: Curve = ONE
    rotation: Curve = STILL
    right: Curve = STILL
    down: Curve = STILL

    def moved(self, picture: Tensor, second: float, rate: float) -> Tensor:
        """Return the next frame's beginning: the picture (1, C, H, W) moved on from `second` by one frame of `rate`."""
        factor = self.zoom.at(second)
        if factor <= 0:
            raise InputError(f"a film's zoom is a factor above 0, not {factor:g} (at {second:g} seconds)")
        angle = math.radians(self.rotation.at(second) / rate)
        turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
        size = np.array(picture.shape[2:])
        move = np.array([self.down.at(second), self.right.at(second)]) / rate * size
        # Where each pixel was before.
        back, center = factor ** (-1 / rate) * turn, (size - 1) / 2
        offset = center - back @ (center + move)
        pixels = [
            affine_transform(color, back, offset, order=3, mode="mirror") for color in picture[0].numpy()
        ]
        return torch.from_numpy(np.stack(pixels))[None]


def film_frames(
    dream: Dream, motion: Motion, frames: Frames, *, seconds: float, rate: float
) -> Iterator[tuple[int, int]]:
    """Make a film's frames and yield (frame, of how many) after each; those that are there are not made again.

    The first frame is the picture dreamed; each other one begins as the frame before it, as it was kept, moved by
    `motion`, and is dreamed with the dream's settings. So a film that was killed goes on with the same frames. Of a
    dream whose values have no range (shown "normalized") the values themselves are kept and moved.
    """
    count = frame_count(seconds, rate)
    for index in range(min(frames.count(), count) + 1, count + 1):
        begin = dream if index == 1 else _next(dream, motion, frames, index, rate)
        last = last_step(begin.steps())
        values = last.values.cpu().numpy() if _without_range(dream) else None
        frames.keep(index, begin.frame(last), values)
        yield index, count


def frame_count(seconds: float, rate: float) -> int:
    """Return how many frames a film has; at least one."""
    if not seconds * rate <= MOST:
        raise InputError(f"{seconds:g} seconds at {rate:g} a second are more than {MOST:,} frames")
    return max(1, round(seconds * rate))


def frame_seconds(dream: Dream) -> float:
    """Return about how long a frame takes: the second step of the dream, timed, for all of them and their sizes."""
    steps = dream.steps()
    timed = [step.seconds for step in (next(steps), next(steps, None)) if step is not None][-1]
    sizes = dream.settings.octaves.sizes((int(dream.start.shape[2]), int(dream.start.shape[3])))
    pixels = [height * width for height, width in sizes]
    return timed * dream.settings.steps * sum(pixels) / pixels[0]


def default_seconds(frame: float, rate: float) -> float:
    """Return how long a film is by default: what is made in five minutes, from one second to ten."""
    return min(LONGEST, max(SHORTEST, MAKING / frame / rate))


def _next(dream: Dream, motion: Motion, frames: Frames, index: int, rate: float) -> Dream:
    """Return the dream that starts from the frame before, moved, at the size that every frame starts in."""
    second, size = (index - 2) / rate, (int(dream.start.shape[2]), int(dream.start.shape[3]))
    if _without_range(dream):
        frame = motion.moved(torch.from_numpy(frames.values(index - 1)), second, rate)
        start = resized(frame, size)
    else:
        last = from_frame(frames.read(index - 1))
        if tuple(last.shape[2:]) != dream.end:
            raise InputError(
                f"the frames in the folder are {last.shape[3]} x {last.shape[2]} pixels, this film is "
                f"{dream.end[1]} x {dream.end[0]}: use another folder"
            )
        start = dream.settings.values(resized(motion.moved(last, second, rate).clamp(0, 1), size))
    options = replace(dream.options, seed=dream.options.seed + index - 1)
    return replace(dream, start=start, options=options)


def _without_range(dream: Dream) -> bool:
    """Tell whether what is shown of the values is around their mean, so that the frame alone does not tell them."""
    return dream.settings.shown == "normalized"


def from_frame(frame: Frame) -> Tensor:
    """Return a frame as a picture (1, 3, H, W) in 0..1."""
    return torch.from_numpy(frame[:, :, :3].copy()).movedim(-1, 0)[None].float() / 255
