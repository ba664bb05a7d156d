"""What the tests of the canvases share."""

import torch

from convscope.optimization.settings import Parameters, Size

SIZES = [(16, 16), (17, 12), (9, 15), (24, 31)]


def generators(*seeds: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def pictures(count: int, channels: int, size: Size, seed: int = 0) -> torch.Tensor:
    """Return pictures (count, channels, *size) strictly inside 0..1, in float64."""
    drawn = torch.rand(
        count, channels, *size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    )
    return drawn * 0.99 + 0.005


def double(parameters: Parameters) -> Parameters:
    return tuple(parameter.double() for parameter in parameters)
