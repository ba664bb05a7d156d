"""What stands for nothing in a picture: one color, the picture's own mean, or the picture out of focus."""

from __future__ import annotations

from typing import Literal, TypeAlias

import torch
from torch import Tensor

from convscope.attribution.target import AttributionTarget
from convscope.errors import InputError, require_one_of

Baseline: TypeAlias = Literal["black", "gray", "white", "zero", "mean", "blur"]
BASELINES = ("black", "gray", "white", "zero", "mean", "blur")
_LEVELS = {"black": 0.0, "gray": 0.5, "white": 1.0}
_BLUR = 1 / 16  # of the longer side: the Gaussian's standard deviation


def baseline_input(target: AttributionTarget, baseline: Baseline) -> Tensor:
    """Return the picture of nothing as the network expects it, in the input's own shape.

    "zero" is an input of zeros, "mean" the picture's mean color, "blur" the picture out of focus.
    """
    require_one_of("baseline", baseline, BASELINES)
    input = target.input
    rows = tuple(axis for axis in range(1, input.dim()) if axis != target.channel_axis)
    if baseline == "zero":
        return torch.zeros_like(input)
    if baseline == "mean":
        return input.mean(rows, keepdim=True).expand_as(input)
    if baseline == "blur":
        from scipy.ndimage import gaussian_filter  # type: ignore[import-untyped]

        longest = max(input.shape[axis] for axis in rows)
        sigma = [_BLUR * longest if axis in rows else 0 for axis in range(input.dim())]
        return torch.from_numpy(gaussian_filter(input.cpu().double().numpy(), sigma)).to(input)
    return of_one_color(target, _LEVELS[baseline], baseline)


def or_usual(target: AttributionTarget, baseline: Baseline | None, usual: Baseline) -> Baseline:
    """Return the baseline that was given, or the usual one; of what is no picture, and has no colors, zeros."""
    return baseline or ("zero" if target.network.input_spec is None else usual)


def of_one_color(target: AttributionTarget, level: float, name: str) -> Tensor:
    """Return the input that a gray picture becomes, from black (0) to white (1)."""
    network = target.network
    if network.input_spec is None:
        raise InputError(
            f"{network.name} expects no pictures, so a {name} one means nothing: use the baseline 'zero'"
        )
    rgb = torch.full((1, 3, *target.size), level, dtype=target.input.dtype)
    return network.input_spec.from_rgb(rgb).to(target.input)


def in_words(baseline: Baseline) -> str:
    """Say what stands for nothing.

    >>> in_words("gray"), in_words("mean")
    ('gray', "the picture's mean color")
    """
    return {
        "zero": "an input of zeros",
        "mean": "the picture's mean color",
        "blur": "the picture out of focus",
    }.get(baseline, baseline)


def picture_in_words(baseline: Baseline) -> str:
    """Say what is meant by the whole picture of nothing.

    >>> picture_in_words("gray"), picture_in_words("zero")
    ('a gray picture', 'an input of zeros')
    """
    return f"a {baseline} picture" if baseline in _LEVELS else in_words(baseline)
