"""Everything about a style transfer but the network and the pictures: what a preset fixes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from operator import index
from typing import Literal, SupportsFloat, SupportsIndex, get_args

from torch import Tensor

from convscope.errors import InputError, require_one_of
from convscope.network.engine.differentiable import Precision
from convscope.optimization.optimizers import Adam, Optimizer
from convscope.optimization.settings import Penalty, Schedule
from convscope.pictures.resizing import Size
from convscope.styling.losses import ContentLoss, GramLoss, StyleLoss, mean_square
from convscope.times import require_an_end

StyleStart = Literal["content", "noise", "style", "gray"]
Pooling = Literal["as it is", "average"]
Edges = Literal["zeros", "reflect", "replicate"]


@dataclass(frozen=True)
class Scales:
    """The sizes a style transfer passes through, coarse to fine: each `factor` times the one before.

    The coarsest has a longer side of at least `smallest` pixels and a shorter one of a quarter of that (deep layers
    have no maps of less), and there are at most `most`; one is a plain transfer.
    """

    factor: float = 2.0
    smallest: int = 64
    most: int | None = None

    def __post_init__(self) -> None:
        if not _is_number(self.smallest, least=1):
            raise InputError(f"the coarsest size is a number of pixels from 1 on, not {self.smallest!r}")
        if not _is_number(self.factor, above=1):
            raise InputError(f"the factor from size to size is a number above 1, not {self.factor!r}")
        if not (self.most is None or _is_count(self.most)):
            raise InputError(f"there are at most so many sizes, from 1 on, not {self.most!r}")

    def sizes(self, size: Size) -> tuple[Size, ...]:
        """Return the sizes up to a picture's own, coarsest first.

        >>> Scales(2.0, 128).sizes((300, 400))
        ((150, 200), (300, 400))
        """
        sizes = [size]
        while self.most is None or len(sizes) < self.most:
            longer = round(max(size) / self.factor ** len(sizes))
            if longer < self.smallest or longer >= max(sizes[-1]):
                break
            height, width = (max(1, round(side * longer / max(size))) for side in size)
            if min(height, width) < self.smallest / 4:
                break
            sizes.append((height, width))
        return tuple(reversed(sizes))


@dataclass(frozen=True)
class StyleSettings:
    """Everything about a style transfer but the network and the pictures: what a preset fixes.

    - ``content_layers`` and ``style_layers`` map addresses to their weights. The total is ``content_weight`` times the
      content losses, plus ``style_weight`` times the style losses, plus ``smoothness_weight`` times ``smoothness`` of
      the picture.
    - With ``in_units`` the three are counted in how far the pictures are from each other (`style_units`), else as is.
    - Pixels have values from ``black`` to ``white``, and ``rate`` (a number, or one a step) is in them; ``clamp`` keeps
      them there after each step. With ``average`` the result is the steps' mean, older ones counting that much less.
    - ``start``: the content, the first style, gray, or noise around the network's mean color, whose deviation is the
      share ``noise`` of what lies between black and white; where that is None, with the content's mean and deviation.
    - ``steps`` are taken at each of the ``scales`` but the first, which has ``first_steps`` where they differ. The
      style picture's longer side is ``style_scale`` times the content's, at most its own.
    - ``pooling`` "average" replaces the network's maximum poolings; ``edges`` is what its convolutions see beyond the
      edge, at the first one only with ``first_edge_only``.
    - With ``recolor`` the content has the styles' colors before anything is compared.
    - The network answers in ``precision``: "bfloat16" is less exact, and taken where the processor is faster with it.

    >>> settings = presets.style_preset("gatys").settings
    >>> settings.black, settings.white, settings.pooling
    (0.0, 255.0, 'as it is')
    """

    content_layers: Mapping[str, float]
    style_layers: Mapping[str, float]
    content: ContentLoss = mean_square
    style: StyleLoss = field(default_factory=GramLoss)
    smoothness: Penalty | None = None
    content_weight: float = 1.0
    style_weight: float = 1.0
    smoothness_weight: float = 0.0
    optimizer: Optimizer = field(default_factory=Adam)
    rate: float | Schedule = 0.01
    steps: int = 100
    first_steps: int | None = None
    scales: Scales = field(default_factory=lambda: Scales(most=1))
    start: StyleStart = "content"
    noise: float | None = 0.1
    black: float = 0.0
    white: float = 1.0
    clamp: bool = False
    average: float = 0.0
    style_scale: float = 1.0
    pooling: Pooling = "as it is"
    edges: Edges = "zeros"
    first_edge_only: bool = False
    in_units: bool = False
    recolor: bool = False
    precision: Precision = "float32"

    def __post_init__(self) -> None:
        for name in ("steps", "first_steps"):
            count = getattr(self, name)
            if not (count is None or _is_count(count)):
                raise InputError(f"{name} is a whole number above 0, not {count!r}")
            require_an_end(name, count)
        for name in ("rate", "style_scale"):
            number = getattr(self, name)
            if not (callable(number) or _is_number(number, above=0)):
                raise InputError(f"{name} is a number above 0, not {number!r}")
        for name in ("content_weight", "style_weight", "smoothness_weight"):
            require_weight(name, getattr(self, name))
        for name, weight in (*self.content_layers.items(), *self.style_layers.items()):
            require_weight(f"the weight of {name}", weight)
        for name, possible in (("start", StyleStart), ("pooling", Pooling), ("edges", Edges)):
            require_one_of(name, getattr(self, name), get_args(possible))
        if not self.content_weight and not self.style_weight:
            raise InputError(
                "content_weight and style_weight are both 0: nothing would be asked of the picture"
            )

    def rate_at(self, step: int) -> float:
        """Return the rate of a step, counted from 1 at each size."""
        return self.rate(step) if callable(self.rate) else self.rate

    def steps_at(self, scale: int) -> int:
        """Return how many steps the sizes have, counted from 0."""
        return self.first_steps if scale == 0 and self.first_steps else self.steps

    def pictures(self, values: Tensor) -> Tensor:
        """Return values as pictures in 0..1, not clipped."""
        return (values - self.black) / (self.white - self.black)

    def values(self, pictures: Tensor) -> Tensor:
        """Return pictures in 0..1 in the settings' values."""
        return pictures * (self.white - self.black) + self.black


def require_weight(name: str, weight: object) -> None:
    """InputError for a weight that is no number from 0 on."""
    if not _is_number(weight, least=0):
        raise InputError(f"{name} is a number from 0 on, not {weight!r}")


def _is_number(value: object, *, least: float = -math.inf, above: float = -math.inf) -> bool:
    return (
        isinstance(value, SupportsFloat) and least <= (number := float(value)) < math.inf and number > above
    )


def _is_count(value: object) -> bool:
    return isinstance(value, SupportsIndex) and index(value) > 0
