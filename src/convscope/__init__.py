"""See what a convolutional network has learned.

>>> import convscope
>>> network = convscope.open_network("bvlc_googlenet/")
>>> network.predict("cat.jpg")
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from convscope.address import Address
    from convscope.network.network import Network
    from convscope.sources.opening import open_network

# Loaded on first use, so that `convscope --help` need not wait for torch.
_HOMES = {
    "Address": "convscope.address",
    "Network": "convscope.network.network",
    "open_network": "convscope.sources.opening",
}

__all__ = ["Address", "Network", "open_network"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'convscope' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
