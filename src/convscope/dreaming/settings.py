"""Everything about a dream but its network, layers and picture, and what a person is shown of its values."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal, SupportsFloat

from torch import Tensor

from convscope.errors import InputError
from convscope.network.engine.differentiable import Precision
from convscope.optimization.gradient_edits import GradientEdit, Normalized
from convscope.optimization.octaves import Octaves, require_whole
from convscope.optimization.settings import Edit
from convscope.times import require_an_end


@dataclass(frozen=True)
class DreamSettings:
    """Everything about a dream but the network, its layers and the picture: what a preset fixes.

    Pixels have the values that the preset's source gave them, ``black`` to ``white``, and ``rate`` is in them.
    ``jitter`` rolls the picture by up to so many pixels either way before each step, and back after it.
    ``gradient_edits`` come before the step, ``edits`` of the picture after it; then ``zoom`` cuts so many pixels off
    each border and enlarges the rest. ``clip`` keeps the values between black and white. An octave ends early with
    the step that finds the objective above ``stop_above``. ``back``: the result is brought to the picture's size.
    The network answers in ``precision``: "bfloat16" is less exact, and taken where the processor is faster with it.

    >>> settings = presets.dream_preset("google-2015").settings
    >>> settings.black, settings.white, settings.jitter
    (0.0, 255.0, 32)
    """

    octaves: Octaves = field(default_factory=Octaves)
    steps: int = 10
    rate: float = 1.5
    gradient_edits: tuple[GradientEdit, ...] = (Normalized("mean"),)
    edits: tuple[Edit, ...] = ()
    jitter: int = 0
    zoom: int = 0
    black: float = 0.0
    white: float = 255.0
    clip: bool = False
    stop_above: float | None = None
    shown: Literal["clipped", "normalized"] = "clipped"
    back: bool = False
    precision: Precision = "float32"

    def __post_init__(self) -> None:
        for name, least in (("steps", 1), ("jitter", 0), ("zoom", 0)):
            require_whole(name, getattr(self, name), least)
        require_an_end("steps", self.steps)
        if not (isinstance(self.rate, SupportsFloat) and math.isfinite(self.rate)):
            raise InputError(
                f"rate is a number, not {self.rate!r}: use one between 0 and the range of the values"
            )
        if not (self.stop_above is None or isinstance(self.stop_above, SupportsFloat)):
            raise InputError(f"stop_above is a number, or None, not {self.stop_above!r}")
        if not isinstance(self.clip, bool):
            raise InputError(f"clip is True or False, not {self.clip!r}")

    def values(self, pictures: Tensor) -> Tensor:
        """Return pictures in 0..1 in the source's values."""
        return pictures * (self.white - self.black) + self.black

    def pictures(self, values: Tensor) -> Tensor:
        """Return the source's values as pictures in 0..1, not clipped."""
        return (values - self.black) / (self.white - self.black)

    def shown_as(self, values: Tensor) -> Tensor:
        """Return what a person is shown of the values: pictures in 0..1."""
        if self.shown == "normalized":
            return normalized(values)
        return self.pictures(values).clamp(0, 1)


def normalized(values: Tensor, spread: float = 0.1) -> Tensor:
    """Return values around mid-gray, `spread` for each standard deviation: how the lecture shows what has no range."""
    flat = values.flatten(1)
    mean, deviation = flat.mean(1), flat.std(1, correction=0).clamp_min(1e-4)
    return ((values - mean.view(-1, 1, 1, 1)) / deviation.view(-1, 1, 1, 1) * spread + 0.5).clamp(0, 1)
