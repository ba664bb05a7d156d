"""Colors as hue, saturation and value, each from 0 to 1, in place of red, green and blue along the last axis."""

from __future__ import annotations

import torch
from torch import Tensor

from convscope.errors import InputError
from convscope.network.operations.checks import dimensions
from convscope.network.operations.registry import operation
from convscope.network.operations.shape_rules import same_shape


@operation(shape=same_shape)
def rgb_to_hsv(input: Tensor) -> Tensor:
    """Return hue, saturation and value: where two colors are equally strong, red's hue comes first, then green's."""
    red, green, blue = _three(input)
    value, least = input.amax(-1), input.amin(-1)
    width = value - least
    flat = width <= 0
    sixth = 1.0 / (6.0 * torch.where(flat, torch.ones_like(width), width))
    hue = torch.where(
        red == value,
        sixth * (green - blue),
        torch.where(green == value, sixth * (blue - red) + 2 / 6, sixth * (red - green) + 4 / 6),
    )
    hue = torch.where(flat, torch.zeros_like(hue), hue)
    saturation = torch.where(value > 0, width / torch.where(value > 0, value, torch.ones_like(value)), 0.0)
    return torch.stack([torch.where(hue < 0, hue + 1.0, hue), saturation, value], -1)


@operation(shape=same_shape)
def hsv_to_rgb(input: Tensor) -> Tensor:
    """Return red, green and blue."""
    hue, saturation, value = _three(input)
    place = hue * 6.0
    shares = [(place - 3.0).abs() - 1.0, 2.0 - (place - 2.0).abs(), 2.0 - (place - 4.0).abs()]
    return torch.stack([((share.clamp(0.0, 1.0) - 1.0) * saturation + 1.0) * value for share in shares], -1)


@operation(shape=same_shape)
def adjust_colors(input: Tensor, *, hue: float = 0.0, saturation: float = 1.0) -> Tensor:
    """Return red, green and blue with the hue turned by so many rounds, and the saturation so many times as strong."""
    old_hue, old_saturation, value = rgb_to_hsv(input).unbind(-1)
    turned = torch.remainder(old_hue + hue, 1.0)
    return hsv_to_rgb(torch.stack([turned, (old_saturation * saturation).clamp(0.0, 1.0), value], -1))


@operation(sees="map", shape=same_shape)
def stretch_contrast(input: Tensor, *, factor: float, axes: tuple[int, ...]) -> Tensor:
    """Return each number's distance from the mean over these axes, so many times as large."""
    mean = input.mean(axes, keepdim=True)
    return (input - mean) * factor + mean


def _three(input: Tensor) -> tuple[Tensor, ...]:
    if input.dim() == 0 or input.shape[-1] != 3:
        raise InputError(f"{dimensions(input.shape)} has no three colors along its last axis")
    return input.unbind(-1)
