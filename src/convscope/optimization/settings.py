"""Everything about an ascent but what it ascends: what a preset fixes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

import torch
from torch import Tensor

from convscope.network.engine.differentiable import Precision
from convscope.optimization.optimizers import Adam, Optimizer
from convscope.times import require_an_end

Size: TypeAlias = tuple[int, int]
Parameters: TypeAlias = tuple[Tensor, ...]
Generators: TypeAlias = Sequence[torch.Generator]

Transform: TypeAlias = Callable[[Tensor, Generators], Tensor]
"""Pictures (N, C, H, W) in 0..1 and one generator a picture, to pictures of any size."""

Penalty: TypeAlias = Callable[[Tensor], Tensor]
"""Pictures (N, C, H, W) in 0..1 to (N,), one number a picture, which is taken away from its objective."""

Edit: TypeAlias = Callable[[Tensor, Tensor, int], Tensor]
"""What a step does to the pixels after it: (pixels, their gradient, the step's number from 1) to pixels."""

TransformSchedule: TypeAlias = Callable[[int], tuple[Transform, ...]]
"""The transforms of each step, counted from 1."""

Display: TypeAlias = Callable[[Tensor], Tensor]
"""Pictures (N, C, H, W) as painted, to pictures as shown."""

Schedule: TypeAlias = Callable[[int], float]
"""The rate of each step, counted from 1."""


class Canvas(Protocol):
    """How numbers become pictures. All tensors have the picture as their first axis, and pictures never mix.

    Equal canvases paint equal pictures, so a canvas is frozen and holds no tensor that learns.
    """

    def start(self, count: int, channels: int, size: Size, generators: Generators) -> Parameters:
        """Return the numbers to start from, one generator a picture: the same picture alone or in a batch."""

    def inverse(self, pictures: Tensor) -> Parameters:
        """Return the numbers that paint these pictures (N, C, H, W) in 0..1, or come closest."""

    def paint(self, parameters: Parameters, size: Size) -> Tensor:
        """Return the pictures (N, C, *size) in 0..1; gradients flow to the parameters."""


@dataclass(frozen=True)
class Settings:
    """How pictures are made: frozen, so that `dataclasses.replace` makes a variant.

    ``size`` is the picture's (height, width), what the network expects by default. ``transforms`` come between canvas
    and network, in order; they may differ from step to step. A step looks at ``views`` versions of each picture,
    transformed differently, and ascends their mean. ``penalties`` are taken away from the objective, ``edits`` done to
    the canvas's first tensor after each step. ``rate`` is one number or a schedule. ``patience`` stops a picture's
    ascent when that many steps have not improved it; None never does. ``keep`` says which iterate is the result, and
    ``display`` how it is shown where that is not as it is.

    >>> settings = presets.preset("lucid", network.input_spec)
    >>> settings.steps, settings.size, len(settings.transforms)
    (512, (128, 128), 1)
    """

    canvas: Canvas
    transforms: tuple[Transform, ...] | TransformSchedule = ()
    views: int = 1
    penalties: tuple[Penalty, ...] = ()
    edits: tuple[Edit, ...] = ()
    optimizer: Optimizer = field(default_factory=Adam)
    rate: float | Schedule = 0.05
    steps: int = 256
    size: Size | None = None
    patience: int | None = None
    keep: Literal["best", "last"] = "best"
    precision: Precision = "float32"
    display: Display | None = None

    def __post_init__(self) -> None:
        require_an_end("steps", self.steps)

    def rate_at(self, step: int) -> float:
        """Return the rate of a step, counted from 1.

        >>> presets.preset("lucid", network.input_spec).rate_at(1)
        0.05
        """
        return self.rate(step) if callable(self.rate) else self.rate

    def transforms_at(self, step: int) -> tuple[Transform, ...]:
        """Return the transforms of a step, counted from 1.

        >>> len(presets.preset("lucid", network.input_spec).transforms_at(1))
        1
        """
        return self.transforms(step) if callable(self.transforms) else self.transforms
