"""What is wanted of a picture in another's style, at one size: the losses, and their gradient.

Gatys, Ecker and Bethge, *Image style transfer using convolutional neural networks* (2016).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from convscope.errors import InputError
from convscope.network.network import Network
from convscope.optimization.objective import Objective
from convscope.optimization.objective_batch import ObjectiveBatch
from convscope.styling.loss_units import in_units
from convscope.styling.settings import StyleSettings


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
class StyleTargets:
    """What is wanted at one size: the content's answers, and each style's descriptions with region and weight."""

    batch: ObjectiveBatch
    settings: StyleSettings
    content: Mapping[str, Tensor]
    styles: Sequence[tuple[float, Tensor | None, Mapping[str, Tensor]]]

    def losses(self, values: Tensor) -> dict[str, Tensor]:
        """Return the weighted losses of values (1, 3, H, W), by name; gradients flow to the values."""
        settings = self.settings
        answers = self.batch.values(settings.pictures(values))
        content = [
            weight * settings.content(answers[name], self.content[name]).sum()
            for name, weight in settings.content_layers.items()
        ]
        style = self._style_losses(answers, pixels=values.shape[2] * values.shape[3])
        losses = {
            "content": settings.content_weight * sum(content),
            "style": settings.style_weight * sum(style),
        }
        losses |= self.smoothness(values)
        return {name: torch.as_tensor(loss) for name, loss in losses.items()}

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
        losses = []
        for share, region, targets in self.styles:
            for name, weight in settings.style_layers.items():
                described = settings.style.describe(answers[name], at_size(region, answers[name]))
                losses.append(
                    share * weight * settings.style.distance(described, targets[name], pixels).sum()
                )
        return losses


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
    batch = batch_of(network, settings)
    answers = _answers(batch, content, "content")
    total = sum(style.weight for style in styles)
    descriptions = []
    for style in styles:
        layer_answers = _answers(batch, style.picture, "style")
        described = {
            name: settings.style.target(
                settings.style.describe(layer_answers[name], at_size(style.mask, layer_answers[name]))
            )
            for name in settings.style_layers
        }
        descriptions.append((style.weight / total, style.region, described))
    contents = {name: answers[name] for name in settings.content_layers}
    targets = StyleTargets(batch, settings, contents, descriptions)
    return in_units(targets, content, weighted(styles)) if settings.in_units else targets


def weighted(styles: Sequence[Style]) -> list[tuple[float, Tensor]]:
    """Return the pictures of styles with their weights among each other."""
    return [(style.weight, style.picture) for style in styles]


def batch_of(network: Network, settings: StyleSettings) -> ObjectiveBatch:
    """Return what is looked at in every picture: the layers of content and style."""
    names = tuple(dict.fromkeys((*settings.content_layers, *settings.style_layers)))
    # An objective only to say what has to be looked at; the losses compare it with something else.
    looked_at = Objective(names, "content and style", lambda values: values[names[0]].flatten(1).sum(1))
    return ObjectiveBatch(network, (looked_at,), settings.precision)


def _answers(batch: ObjectiveBatch, picture: Tensor, what: str) -> dict[str, Tensor]:
    require_accepted(batch, picture, what)
    answers = batch.values(picture)
    for name, value in answers.items():
        require_maps(name, value, picture, what)
    return answers


def require_accepted(batch: ObjectiveBatch, picture: Tensor, what: str) -> None:
    """InputError where the network cannot take a picture of this size as it is."""
    height, width = picture.shape[2:]
    # Stretched to the network's own size, a small picture would look like one that fits.
    if not batch.accepts((int(height), int(width))):
        raise InputError(
            f"the {what} picture of {height} x {width} pixels does not go through {batch.network.name} up to "
            f"{', '.join(batch.layers)}: use a larger {_sized(what)}, or earlier layers"
        )


def require_maps(name: str, value: Tensor, picture: Tensor, what: str) -> None:
    """InputError where a layer's answer has no content or style in it."""
    height, width = picture.shape[2:]
    if value.dim() != 4 or value.shape[2] * value.shape[3] < 2:
        raise InputError(
            f"{name} has no maps for the {what} picture of {height} x {width} pixels, only {tuple(value.shape)}: use "
            f"a larger {_sized(what)}, or an earlier layer"
        )
    if not bool(value.isfinite().all()):
        raise InputError(
            f"{name} answers the {what} picture with NaN or infinity: its weights are broken; open it with other "
            "weights, or use an earlier layer"
        )


def _sized(what: str) -> str:
    """Return what a person makes larger: the sizes are the content's, a style picture has its own at most."""
    return "size (or coarsest)" if what == "content" else "picture"


def at_size(mask: Tensor | None, value: Tensor) -> Tensor | None:
    """Return a mask (1, 1, H, W) at the size of a layer's maps."""
    return None if mask is None else F.interpolate(mask.to(value), value.shape[2:], mode="area")
