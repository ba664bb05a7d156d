"""Weights for a network whose answers are larger or smaller than those of the network a preset was made for.

Gatys, Ecker and Bethge, *Image style transfer using convolutional neural networks* (2016): "we normalized the network
by scaling the weights such that the mean activation of each convolutional filter over images and positions is equal to
one". Here a layer's weight is divided by what its answers' size adds to its loss, which is the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from convscope.errors import warn
from convscope.network.network import Network
from convscope.styling.settings import StyleSettings
from convscope.styling.targets import batch_of

_CONTENT, _STYLE = 2, 4  # powers of the answers in a square of differences, and in one of Gram matrices


@dataclass(frozen=True)
class MeanAnswers:
    """How much the layers for content and for style answer on average, as absolute numbers."""

    content: float
    style: float


@torch.no_grad()
def normalized(
    settings: StyleSettings, network: Network, content: Tensor, means: MeanAnswers
) -> StyleSettings:
    """Return the settings with the weights that they have where each layer answers as wanted, and say so.

    What it answers is measured on the content (1, 3, H, W) in 0..1; a layer that answers nothing keeps its weight.
    """
    answers = batch_of(network, settings).values(content.to(network.device))
    own_means = {name: float(value.abs().mean()) for name, value in answers.items()}
    warn(
        f"the preset's weights are for a network that answers {means.style:g} or so: what {network.name} answers "
        "counts as if it were as large"
    )

    def weights(layers: Mapping[str, float], mean: float, power: int) -> dict[str, float]:
        return {
            name: weight * ((mean / own_means[name]) ** power if own_means[name] > 0 else 1.0)
            for name, weight in layers.items()
        }

    return replace(
        settings,
        content_layers=weights(settings.content_layers, means.content, _CONTENT),
        style_layers=weights(settings.style_layers, means.style, _STYLE),
    )
