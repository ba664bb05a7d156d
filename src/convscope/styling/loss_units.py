"""What the losses of a style transfer are counted in, so that weights mean the same for every picture and size.

The pictures themselves are the measure. Content 1 is as far from the content as the style picture is, style 1 as far
from the style as the content picture is, smoothness 1 as rough as the style's pixels in any order. A photograph of
1024 pixels has other details than the same of 256, and another network other answers, but these three stay the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Protocol, TypeVar

import torch
from torch import Tensor

from convscope.pictures.resizing import resized
from convscope.styling.settings import StyleSettings

_LEAST = 0.05  # of what one plain color loses: pictures that hardly differ are no measure
_NAMES = ("content", "style", "smoothness")


class Measuring(Protocol):
    """What is wanted of a picture, before or after its losses are counted in units."""

    @property
    def settings(self) -> StyleSettings:
        """Everything but the network and the pictures."""

    def losses(self, values: Tensor) -> dict[str, Tensor]:
        """Return the weighted losses of values (1, 3, H, W), by name."""

    def under(self: AnyMeasuring, settings: StyleSettings) -> AnyMeasuring:
        """Return the same under other weights."""


AnyMeasuring = TypeVar("AnyMeasuring", bound=Measuring)


@torch.no_grad()
def in_units(targets: AnyMeasuring, content: Tensor, styles: Sequence[tuple[float, Tensor]]) -> AnyMeasuring:
    """Return targets whose losses are counted in what content (1, 3, H, W) and styles lose, by the styles' weights."""
    settings = targets.settings
    unit_of = units(targets.under(_with_weights(settings, dict.fromkeys(_NAMES, 1.0))), content, styles)
    return targets.under(
        _with_weights(
            settings, {name: getattr(settings, f"{name}_weight") / unit_of[name] for name in _NAMES}
        )
    )


def units(targets: Measuring, content: Tensor, styles: Sequence[tuple[float, Tensor]]) -> Mapping[str, float]:
    """Return what each loss without weights is divided by: 1 where neither picture loses anything.

    At least a twentieth of what one plain color loses, and of the content's roughness: a content that is nearly the
    style, or that a layer hardly answers to, would otherwise be divided by nothing.
    """
    size = (int(content.shape[2]), int(content.shape[3]))
    plain = _losses(targets, content.mean((2, 3), keepdim=True).expand_as(content))
    photograph = _losses(targets, content)
    total = sum(weight for weight, _ in styles)
    styles_at_size = [(weight / total, resized(style, size, "bicubic")) for weight, style in styles]
    far = sum(share * _losses(targets, style)["content"] for share, style in styles_at_size)
    rough = sum(share * _roughness(targets, style) for share, style in styles_at_size)
    losses = {
        "content": max(far, _LEAST * plain["content"]),
        "style": max(photograph["style"], _LEAST * plain["style"]),
        "smoothness": max(rough, _LEAST * _roughness(targets, content)),
    }
    return {name: unit if unit > 0 else 1.0 for name, unit in losses.items()}


def _losses(targets: Measuring, picture: Tensor) -> dict[str, float]:
    losses = targets.losses(targets.settings.values(picture))
    return {name: float(loss) for name, loss in losses.items()}


def _roughness(targets: Measuring, picture: Tensor) -> float:
    """Return the smoothness loss of a picture's pixels in any order: all of its contrast, none of its details."""
    settings, pixels = targets.settings, picture.flatten(2)
    if settings.smoothness is None:
        return 0.0
    order = torch.randperm(pixels.shape[2], generator=torch.Generator().manual_seed(0))
    return float(settings.smoothness(settings.values(pixels[:, :, order].view_as(picture))).sum())


def _with_weights(settings: StyleSettings, weights: Mapping[str, float]) -> StyleSettings:
    return replace(
        settings,
        content_weight=weights["content"],
        style_weight=weights["style"],
        smoothness_weight=weights["smoothness"],
    )
