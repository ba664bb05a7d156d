"""The style transfer: a picture changed until its content is one picture's and its style another's.

Gatys, Ecker and Bethge, *Image style transfer using convolutional neural networks* (2016).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Literal

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from convscope.errors import InputError
from convscope.network.network import Network
from convscope.optimization.objectives import Objective
from convscope.optimization.octaves import Size
from convscope.optimization.optimizers import Adam, Optimizer
from convscope.optimization.settings import Penalty
from convscope.optimization.style_losses import ContentLoss, GramLoss, StyleLoss, mean_square
from convscope.optimization.subject import Subject

StyleStart = Literal["content", "noise", "style", "gray"]


@dataclass(frozen=True)
class StyleSettings:
    """Everything about a style transfer but the network and the pictures: what a preset fixes.

    ``content_layers`` and ``style_layers`` map addresses to their weights. The total is ``content_weight`` times the
    content losses, plus ``style_weight`` times the style losses, plus ``smoothness_weight`` times ``smoothness`` of the
    picture. Pixels have values from ``black`` to ``white``, and the optimizer's ``rate`` is in them; ``clamp`` keeps
    them there.
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
    rate: float = 0.01
    iterations: int = 100
    start: StyleStart = "content"
    noise: float = 0.1
    black: float = 0.0
    white: float = 1.0
    clamp: bool = False

    def pictures(self, values: Tensor) -> Tensor:
        """Return values as pictures in 0..1, not clipped."""
        return (values - self.black) / (self.white - self.black)

    def values(self, pictures: Tensor) -> Tensor:
        """Return pictures in 0..1 in the settings' values."""
        return pictures * (self.white - self.black) + self.black


@dataclass(frozen=True, eq=False)
class Style:
    """A picture (1, 3, H, W) in 0..1 whose style is wanted, its weight among others, and where it counts.

    ``mask`` (1, 1, H, W) in 0..1 says where in the style picture, ``region`` where in the content.
    """

    picture: Tensor
    weight: float = 1.0
    mask: Tensor | None = None
    region: Tensor | None = None


@dataclass(frozen=True, eq=False)
class StyleStep:
    """One step of a style transfer: the losses of the picture it started from, weighted, by name, and their total.

    ``scale`` is (which size, of how many), from 1; ``index`` counts from 1 over all of them, to ``of``.
    """

    index: int
    of: int
    scale: tuple[int, int]
    size: Size
    losses: Mapping[str, float]
    seconds: float
    picture: Callable[[], Tensor]

    @property
    def total(self) -> float:
        """What is made small."""
        return sum(self.losses.values())


@dataclass(frozen=True, eq=False)
class StyleTargets:
    """What is wanted at one size: the content's answers, and each style's descriptions with region and weight."""

    subject: Subject
    settings: StyleSettings
    content: Mapping[str, Tensor]
    styles: Sequence[tuple[float, Tensor | None, Mapping[str, Tensor]]]

    def losses(self, values: Tensor) -> dict[str, Tensor]:
        """Return the weighted losses of values (1, 3, H, W), by name; gradients flow to the values."""
        settings = self.settings
        answers = self.subject.values(settings.pictures(values))
        pixels = values.shape[2] * values.shape[3]
        content = sum(
            weight * settings.content(answers[name], self.content[name]).sum()
            for name, weight in settings.content_layers.items()
        )
        style = sum(
            share
            * weight
            * settings.style.distance(
                settings.style.describe(answers[name], _at_size(region, answers[name])), wanted[name], pixels
            ).sum()
            for share, region, wanted in self.styles
            for name, weight in settings.style_layers.items()
        )
        found = {"content": settings.content_weight * content, "style": settings.style_weight * style}
        if settings.smoothness is not None:
            found["smoothness"] = settings.smoothness_weight * settings.smoothness(values).sum()
        return {name: torch.as_tensor(loss) for name, loss in found.items()}


@torch.no_grad()
def targets_of(
    network: Network, content: Tensor, styles: Sequence[Style], settings: StyleSettings
) -> StyleTargets:
    """Look at content (1, 3, H, W) and styles once, in 0..1, and return what is wanted of a picture of that size."""
    names = tuple(dict.fromkeys((*settings.content_layers, *settings.style_layers)))
    # An objective only to say what has to be looked at; the losses compare it with something else.
    looked_at = Objective(names, "content and style", lambda values: values[names[0]].flatten(1).sum(1))
    subject = Subject(network, (looked_at,))
    answers = subject.values(content)
    wanted = []
    total = sum(style.weight for style in styles)
    for style in styles:
        seen = subject.values(style.picture)
        described = {
            name: settings.style.describe(seen[name], _at_size(style.mask, seen[name]))
            for name in settings.style_layers
        }
        wanted.append((style.weight / total, style.region, described))
    return StyleTargets(subject, settings, {name: answers[name] for name in settings.content_layers}, wanted)


def _at_size(mask: Tensor | None, value: Tensor) -> Tensor | None:
    return None if mask is None else F.interpolate(mask, value.shape[2:], mode="area")


def style_steps(targets: StyleTargets, start: Tensor) -> Iterator[StyleStep]:
    """Yield the steps of a style transfer at one size, from pictures (1, 3, H, W) in 0..1.

    InputError when the losses are no numbers, with what to change.
    """
    settings = targets.settings
    values = settings.values(start)
    state = settings.optimizer.start((values,))
    for index in range(1, settings.iterations + 1):
        begun = perf_counter()
        leaf = values.detach().requires_grad_()
        with torch.enable_grad():
            losses = targets.losses(leaf)
            (slope,) = torch.autograd.grad(torch.stack([*losses.values()]).sum(), leaf)
        _require_sense(losses, slope, index)
        values = values.clone()
        settings.optimizer.ascend((values,), (-slope,), state, rate=settings.rate)
        if settings.clamp:
            values = values.clamp(settings.black, settings.white)
        yield StyleStep(
            index,
            settings.iterations,
            (1, 1),
            (int(values.shape[2]), int(values.shape[3])),
            {name: float(loss.detach()) for name, loss in losses.items()},
            perf_counter() - begun,
            lambda values=values: settings.pictures(values).clamp(0, 1),  # type: ignore[misc]
        )


def _require_sense(losses: Mapping[str, Tensor], slope: Tensor, index: int) -> None:
    for name, loss in losses.items():
        if not bool(loss.isfinite()):
            raise InputError(
                f"at step {index} the {name} loss is {float(loss.detach())}: use a smaller rate, smaller weights, or "
                "Adam instead of L-BFGS"
            )
    if not bool(slope.isfinite().all()):
        raise InputError(
            f"at step {index} the gradient is not a number, though the losses are: use a smaller rate"
        )
