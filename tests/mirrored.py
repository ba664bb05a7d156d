"""A marked function for the tests of recipes, and a network that is nothing but its origin."""

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch

from convscope.address import Address
from convscope.pictures.photograph import Photograph
from convscope.pictures.picture import Picture
from convscope.pictures.recording import recipe_function


@recipe_function("test_mirror")
def mirror(network: object, picture: Photograph, address: str | Address = "conv1", *, columns: tuple[int, ...] = (1, 2),
           seed: int = 0, extra: object = None) -> Picture:  # fmt: skip
    """Return the picture mirrored, with noise from the seed."""
    pixels = np.asarray(picture)[..., ::-1] if isinstance(picture, torch.Tensor) else picture.pixels[:, ::-1]
    noise = np.random.default_rng(seed).normal(0, 0.1, (4, 4))
    return Picture(np.clip(pixels[:4, :4, 0] + noise, 0, 1), f"{address} {columns}")


@dataclass
class Origin:
    source: str
    weights: str | None
    files: tuple[Path, ...]
    files_sha256: str | None = None


def network(weights: str = "ab" * 32) -> SimpleNamespace:
    origin = Origin("net.prototxt", "net.caffemodel", (Path("net.caffemodel"),))
    return SimpleNamespace(origin=origin, sha256=weights)
