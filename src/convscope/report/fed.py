"""What a network was fed where it reads no pictures: a signal, a volume or film, a vector; shown as what it is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor

from convscope.looking.activations import activations
from convscope.network.given_input import input_of
from convscope.network.network import Network
from convscope.pictures.picture import Picture
from convscope.presentation.style import theme_named
from convscope.report.embedding import Embedded, data_uri, embed

_SIDE = 224  # pixels: a thumbnail's, twice what it is shown at
_BORDER = 12


def kind_of_input(numbers: Tensor) -> str:
    """Return what numbers with a batch's axis are: a vector, a signal, or a volume; with rows and columns, maps."""
    return {2: "vector", 3: "signal", 4: "stack of maps"}.get(numbers.dim(), "volume")


def fed(network: Network, numbers: Tensor, command: str) -> Embedded:
    """Return the figure of an input: a signal's curves, the slices of a volume, the values of a vector in order."""
    name, given = next(iter(network.graph.inputs)), input_of(network, numbers)
    only_channel = given.dim() == 5 and network.channels_first(name, given).shape[1] == 1
    address = f"{name}:0" if only_channel else name  # of one channel all slices are shown
    return embed(
        lambda theme: activations(network, numbers, address, theme=theme), address=address, command=command
    )[0]


def thumbnail(network: Network, numbers: Tensor) -> str:
    """Return a small picture of an input: its first channel's curve, or the middle slice of it."""
    given = network.channels_first(next(iter(network.graph.inputs)), input_of(network, numbers))[0]
    values = given.detach().cpu().float().numpy()
    return sparkline(values.reshape(-1) if values.ndim == 1 else values[0])


def sparkline(values: NDArray[np.floating]) -> str:
    """Return a curve without axes as a square picture; of a map in gray, of a volume its middle slice."""
    while values.ndim > 2:
        values = values[len(values) // 2]
    finite = np.nan_to_num(values.astype(float), posinf=0, neginf=0)
    within = (finite - finite.min()) / (np.ptp(finite) or 1)
    if values.ndim == 2:
        return data_uri(Picture((255 * within[..., None].repeat(3, 2)).round().astype(np.uint8)))
    colors, room = theme_named("dark"), _SIDE - 2 * _BORDER
    image = Image.new("RGB", (_SIDE, _SIDE), colors.page)
    across = np.linspace(_BORDER, _SIDE - _BORDER, len(within))
    points = np.column_stack([across, _SIDE - _BORDER - room * within])
    ImageDraw.Draw(image).line([*map(tuple, points)], colors.accent, 3)
    return data_uri(Picture(np.asarray(image)))
