"""A style transfer at one size: a picture changed until its content is one picture's and its style another's.

Gatys, Ecker and Bethge, *Image style transfer using convolutional neural networks* (2016).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Protocol

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from convscope.errors import InputError
from convscope.network.network import Network
from convscope.optimization.objective import Objective
from convscope.optimization.octaves import Size
from convscope.optimization.optimizers import State
from convscope.optimization.style_settings import StyleSettings
from convscope.optimization.style_units import in_units
from convscope.optimization.subject import Subject

EXPLODED = 1e4  # times the loss of the first step: no transfer that works gets there


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

    ``scale`` is (which size, of how many), from 1; ``index`` counts from 1 over all of them, to ``of``. ``values`` and
    ``state`` are what the next step starts from (which changes the state), ``result`` the values of the picture.
    """

    index: int
    of: int
    scale: tuple[int, int]
    size: Size
    losses: Mapping[str, float]
    seconds: float
    values: Tensor
    state: State
    result: Tensor
    settings: StyleSettings

    @property
    def total(self) -> float:
        """What is made small."""
        return sum(self.losses.values())

    def picture(self) -> Tensor:
        """Return the picture (1, 3, H, W), 0..1."""
        return self.settings.pictures(self.result).clamp(0, 1)


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
        content = [
            weight * settings.content(answers[name], self.content[name]).sum()
            for name, weight in settings.content_layers.items()
        ]
        style = self._style_losses(answers, pixels=values.shape[2] * values.shape[3])
        found = {
            "content": settings.content_weight * sum(content),
            "style": settings.style_weight * sum(style),
        }
        found |= self.smoothness(values)
        return {name: torch.as_tensor(loss) for name, loss in found.items()}

    def under(self, settings: StyleSettings) -> StyleTargets:
        """Return the same under other weights."""
        return replace(self, settings=settings)

    def smoothness(self, values: Tensor) -> dict[str, Tensor]:
        """Return the weighted loss of the picture itself, where there is one."""
        settings = self.settings
        if settings.smoothness is None:
            return {}
        return {"smoothness": settings.smoothness_weight * settings.smoothness(values).sum()}

    def gradient(self, values: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """Return the weighted losses of values (1, 3, H, W), by name, and the gradient of their sum."""
        return _gradient(self.losses, values)

    def smoothness_gradient(self, values: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """Return the same of the picture itself."""
        if self.settings.smoothness is None:
            return {}, torch.zeros_like(values)
        return _gradient(self.smoothness, values)

    def _style_losses(self, answers: Mapping[str, Tensor], *, pixels: int) -> list[Tensor]:
        settings = self.settings
        found = []
        for share, region, wanted in self.styles:
            for name, weight in settings.style_layers.items():
                described = settings.style.describe(answers[name], at_size(region, answers[name]))
                found.append(share * weight * settings.style.distance(described, wanted[name], pixels).sum())
        return found


class Targets(Protocol):
    """What is wanted at one size."""

    @property
    def settings(self) -> StyleSettings:
        """Everything but the network and the pictures."""

    def gradient(self, values: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """Return the weighted losses of values (1, 3, H, W), by name, and the gradient of their sum."""


def _gradient(
    losses_of: Callable[[Tensor], dict[str, Tensor]], values: Tensor
) -> tuple[dict[str, Tensor], Tensor]:
    leaf = values.detach().requires_grad_()
    with torch.enable_grad():
        losses = losses_of(leaf)
        (slope,) = torch.autograd.grad(torch.stack([*losses.values()]).sum(), leaf)
    return {name: loss.detach() for name, loss in losses.items()}, slope


@torch.no_grad()
def targets_of(
    network: Network, content: Tensor, styles: Sequence[Style], settings: StyleSettings
) -> StyleTargets:
    """Look at content (1, 3, H, W) and styles once, in 0..1, and return what is wanted of a picture of that size.

    InputError where a layer has no maps, or a picture is too small to give it any.
    """
    subject = subject_looked_at(network, settings)
    answers = _answers(subject, content, "content")
    total = sum(style.weight for style in styles)
    wanted = []
    for style in styles:
        seen = _answers(subject, style.picture, "style")
        described = {
            name: settings.style.target(settings.style.describe(seen[name], at_size(style.mask, seen[name])))
            for name in settings.style_layers
        }
        wanted.append((style.weight / total, style.region, described))
    kept = {name: answers[name] for name in settings.content_layers}
    targets = StyleTargets(subject, settings, kept, wanted)
    return in_units(targets, content, weighted(styles)) if settings.in_units else targets


def weighted(styles: Sequence[Style]) -> list[tuple[float, Tensor]]:
    """Return the pictures of styles with their weights among each other."""
    return [(style.weight, style.picture) for style in styles]


def subject_looked_at(network: Network, settings: StyleSettings) -> Subject:
    """Return what is looked at in every picture: the layers of content and style."""
    names = tuple(dict.fromkeys((*settings.content_layers, *settings.style_layers)))
    # An objective only to say what has to be looked at; the losses compare it with something else.
    looked_at = Objective(names, "content and style", lambda values: values[names[0]].flatten(1).sum(1))
    return Subject(network, (looked_at,), settings.precision)


def _answers(subject: Subject, picture: Tensor, what: str) -> dict[str, Tensor]:
    require_eaten(subject, picture, what)
    found = subject.values(picture)
    for name, value in found.items():
        require_maps(name, value, picture, what)
    return found


def require_eaten(subject: Subject, picture: Tensor, what: str) -> None:
    """InputError where the network cannot take a picture of this size as it is."""
    height, width = picture.shape[2:]
    # Stretched to the network's own size, a small picture would look like one that fits.
    if not subject.eats((int(height), int(width))):
        raise InputError(
            f"the {what} picture of {height} x {width} pixels does not go through {subject.network.name} up to "
            f"{', '.join(subject.layers)}: use a larger size, or earlier layers"
        )


def require_maps(name: str, value: Tensor, picture: Tensor, what: str) -> None:
    """InputError where a layer's answer has no content or style in it."""
    height, width = picture.shape[2:]
    if value.dim() != 4 or value.shape[2] * value.shape[3] < 2:
        raise InputError(
            f"{name} has no maps for a picture of {height} x {width} pixels, only {tuple(value.shape)}: use a "
            "larger size, or an earlier layer"
        )
    if not bool(value.isfinite().all()):
        raise InputError(
            f"{name} answers the {what} picture with NaN or infinity: its weights are broken; open it with other "
            "weights, or use an earlier layer"
        )


def at_size(mask: Tensor | None, value: Tensor) -> Tensor | None:
    """Return a mask (1, 1, H, W) at the size of a layer's maps."""
    return None if mask is None else F.interpolate(mask, value.shape[2:], mode="area")


def style_steps(
    targets: Targets, start: Tensor, iterations: int, state: State | None = None, *, after: int = 0
) -> Iterator[StyleStep]:
    """Yield the steps of a style transfer at one size, from values (1, 3, H, W) and an optimizer's state.

    `after` is how many of the iterations led to them already.

    InputError when the losses grow without end or are no numbers, with what to change.
    """
    settings, values = targets.settings, start
    state = settings.optimizer.start((values,)) if state is None else state
    if settings.average and "average" not in state:
        state |= {
            "average": values * (1 - settings.average),
            "average_share": values.new_tensor(settings.average),
        }
    first: float | None = None
    for index in range(after + 1, iterations + 1):
        begun = perf_counter()
        losses, slope = targets.gradient(values)
        found = {name: float(loss) for name, loss in losses.items()}
        first = _require_sense(found, slope, index, first)
        values = values.clone()
        settings.optimizer.ascend((values,), (-slope,), state, rate=settings.rate_at(index))
        if settings.clamp:
            values = values.clamp(settings.black, settings.white)
        yield StyleStep(
            index,
            iterations,
            (1, 1),
            (int(values.shape[2]), int(values.shape[3])),
            found,
            perf_counter() - begun,
            values,
            state,
            _averaged(values, state, settings.average),
            settings,
        )


def _averaged(values: Tensor, state: State, share: float) -> Tensor:
    """Return the mean of all values so far, older ones counting less: bias-corrected, as Adam's."""
    if not share:
        return values
    state["average"].mul_(share).add_(values, alpha=1 - share)
    state["average_share"].mul_(share)
    return result_of(values, state)


def result_of(values: Tensor, state: State) -> Tensor:
    """Return the values of the picture after a step: their mean where one is kept, else what the next starts from."""
    return state["average"] / (1 - state["average_share"]) if "average" in state else values


def _require_sense(losses: Mapping[str, float], slope: Tensor, index: int, first: float | None) -> float:
    """Return the first step's total; InputError for losses that no picture comes out of."""
    remedy = "use a smaller rate or smaller weights, or Adam instead of L-BFGS"
    for name, loss in losses.items():
        if not abs(loss) < float("inf"):
            raise InputError(f"at step {index} the {name} loss is {loss}: {remedy}")
    if not bool(slope.isfinite().all()):
        raise InputError(f"at step {index} the gradient is not a number, though the losses are: {remedy}")
    total = sum(losses.values())
    if first is None and not bool(slope.any()):
        raise InputError(
            f"at step {index} nothing changes the losses ({total:.3g} in all): the style is the content's, or the "
            "layers answer nothing to these pictures. Use other layers, another start, or another style"
        )
    first = max(total, 1e-12) if first is None else first
    if total > EXPLODED * first:
        raise InputError(f"at step {index} the loss is {total:.3g}, from {first:.3g} at the start: {remedy}")
    return first
