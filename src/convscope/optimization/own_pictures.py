"""A network's own picture of a unit, wherever a picture is asked for: it paints in what it wants to see itself."""

from __future__ import annotations

from typing import Any

from convscope.network.network import Network
from convscope.optimization.feature_visualization import feature_visualization

SIZE = 160  # pixels: enough for its textures


def is_unit(network: Network, source: Any) -> bool:
    """Tell the address of one of a network's units (``mixed4a:42``, ``prob:tabby``) from a picture."""
    return isinstance(source, str) and source.rpartition(":")[0] in network.layers


def picture_or_unit(network: Network, source: Any, *, seed: int = 0) -> Any:
    """Return a picture as it is given, or in a unit's place what that unit wants to see.

    >>> picture_or_unit(network, "mixed4a:42").save("its-own.png")
    """
    if not is_unit(network, source):
        return source
    return feature_visualization(network, source, size=SIZE, seed=seed)[0]
