"""A network's own picture of a unit, wherever a picture is asked for: it paints in what it wants to see itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from convscope.errors import PictureError, UnknownLayer
from convscope.network.network import Network
from convscope.optimization.feature_visualization import feature_visualization
from convscope.pictures.photograph import Photograph, open_photograph

SIZE = 160  # pixels: enough for its textures


def is_unit(network: Network, source: Any) -> bool:
    """Tell the address of one of a network's units (``mixed4a:42``, ``prob:tabby``) from a picture."""
    return isinstance(source, str) and source.rpartition(":")[0] in network.layers


def open_picture(network: Network, source: Any) -> Photograph:
    """Return the picture where a unit's address could stand; PictureError says why it is none of the two."""
    try:
        return open_photograph(source)
    except PictureError as error:
        if not isinstance(source, str) or Path(source).suffix or Path(source).exists():
            raise
        try:
            layer = network.resolve(source)
        except UnknownLayer as unknown:
            raise PictureError(f"{error} As a unit: {unknown}") from None
        raise PictureError(f"{error} {source} is a layer; one of its units is a style: {layer}:0") from None


def picture_or_unit(network: Network, source: Any, *, seed: int = 0) -> Any:
    """Return a picture, or in a unit's place what that unit wants to see.

    PictureError for what is neither.

    >>> picture_or_unit(network, "mixed4a:42").save("its-own.png")
    """
    if not is_unit(network, source):
        return open_picture(network, source) if isinstance(source, str) else source
    return feature_visualization(network, source, size=SIZE, seed=seed)[0]
