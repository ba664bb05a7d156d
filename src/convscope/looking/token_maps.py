"""Tokens as maps: what a transformer answers, laid back over the picture it was cut from, the class token apart.

The first three principal components as colors are how Oquab et al., *DINOv2* (2023), fig. 1, show tokens: what has one
color is alike to the network. How much each place is like the class token says where the answer looks.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convscope.errors import InputError
from convscope.looking.answers import answer_rows, require_finite, seen_by, value_of_role
from convscope.network.network import Network
from convscope.network.outputs import token_grid
from convscope.pictures.picture import Picture
from convscope.pictures.recording import recipe_function
from convscope.presentation.panels import Panel, panels
from convscope.presentation.scaling import Scaling, scale, to_bytes
from convscope.presentation.style import ThemeName

_PALETTE = "magma"


@recipe_function("token_maps")
def token_maps(
    network: Network, picture: Any, address: str | None = None, *, theme: ThemeName = "light"
) -> Picture:
    """Show a layer's tokens where they lie in the picture: alike ones in like colors, and how strong each is.

    `address` is a layer of shape (tokens, numbers); the network's first output of tokens by default. Tokens without a
    place (a class's, registers) stand apart: the last panel is how much each place is like the first of them.

    >>> token_maps(network, "cat.jpg", "blocks.11").save("tokens.png")

    InputError for a layer whose tokens are no grid of the picture.
    """
    value = value_of_role(network, address, "tokens", "has no output of tokens", ": name a layer")
    tokens = answer_rows(network, picture, value).astype(np.float64)
    background = to_bytes(seen_by(network, picture))
    size = (background.shape[0], background.shape[1])
    grid = token_grid(size, len(tokens)) if tokens.ndim == 2 else None
    if grid is None:
        raise InputError(f"{value!r} gives {tokens.shape}: no tokens that are places of the picture")
    rows, columns = grid
    require_finite(network, picture, value, tokens)
    extra = len(tokens) - rows * columns
    places = tokens[extra:]
    share, colors = _in_colors(places)
    norms = np.linalg.norm(places, axis=1)
    maps = [("how strong each token is", norms)]
    words = [f"strength from {norms.min():.3g} to {norms.max():.3g}"]
    if extra:
        first = tokens[0] / (np.linalg.norm(tokens[0]) or 1.0)
        alike = places @ first / np.maximum(norms, 1e-12)
        maps.append(("how much it is like the class token", alike))
        words.append(f"likeness (cosine) from {alike.min():.2g} to {alike.max():.2g}")
    shown = [
        Panel(background, "what the network sees", smooth=True),
        Panel(_enlarged(colors.reshape(rows, columns, 3), size), "alike tokens, like colors", address=value),
    ]
    for name, values in maps:
        tile = scale(values.reshape(1, rows, columns), Scaling(palette=_PALETTE)).colors[0]
        shown.append(Panel(_enlarged(tile, size), name))
    apart = f", {extra:,} more stand{'s' if extra == 1 else ''} apart" if extra else ""
    caption = (
        f"{rows} × {columns} tokens of {value}, {tokens.shape[1]:,} numbers each{apart}. Colors: their first three "
        f"principal components, {100 * share:.0f} % of what differs; {'; '.join(words)}, each from dark to bright."
    )
    return replace(panels(shown, theme=theme), caption=caption)


def _in_colors(places: NDArray[np.float64]) -> tuple[float, NDArray[np.uint8]]:
    """Return what share of the differences three principal components hold, and those as colors, (places, 3)."""
    centered = places - places.mean(axis=0)
    left, strengths, _ = np.linalg.svd(centered, full_matrices=False)
    count = min(3, len(strengths))
    parts = left[:, :count] * strengths[:count]
    parts *= np.where(
        np.abs(parts.min(axis=0)) > parts.max(axis=0), -1.0, 1.0
    )  # a component has no sign of its own
    low, high = np.percentile(parts, (1, 99), axis=0)
    colors = np.full((len(places), 3), 0.5)
    colors[:, :count] = ((parts - low) / np.maximum(high - low, 1e-12)).clip(0, 1)
    total = float((strengths**2).sum()) or 1.0
    return float((strengths[:count] ** 2).sum()) / total, to_bytes(colors)


def _enlarged(colors: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Return a map of tokens as large as the picture, each a square."""
    rows = np.arange(size[0]) * colors.shape[0] // size[0]
    columns = np.arange(size[1]) * colors.shape[1] // size[1]
    enlarged: NDArray[np.uint8] = colors[rows][:, columns]
    return enlarged
