"""See what a convolutional network has learned.

>>> import convscope
>>> network = convscope.open_network("bvlc_googlenet/")
>>> network.predict("cat.jpg")
>>> convscope.filters(network, "conv1/7x7_s2").save("filters.png")
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from convscope.address import Address
    from convscope.errors import ConvscopeError, ConvscopeWarning
    from convscope.network.input_spec import InputSpec
    from convscope.network.network import Network
    from convscope.network.surgery import replace_head
    from convscope.picture import Picture
    from convscope.recipe import Recipe
    from convscope.report import make_report
    from convscope.sources.caffe.layers import register_layer
    from convscope.sources.opening import open_network
    from convscope.techniques.activations import activations
    from convscope.techniques.classify import predictions, probabilities
    from convscope.techniques.feature_visualization import feature_sheet, feature_visualization
    from convscope.techniques.filters import filters
    from convscope.techniques.fine_tuning import fine_tune, image_folder
    from convscope.techniques.layer_table import layer_table
    from convscope.techniques.rerunning import rerun
    from convscope.techniques.values import values

# Loaded on first use, so that `convscope --help` need not wait for torch.
_HOMES = {
    "Address": "address",
    "ConvscopeError": "errors",
    "ConvscopeWarning": "errors",
    "InputSpec": "network.input_spec",
    "Network": "network.network",
    "Picture": "picture",
    "Recipe": "recipe",
    "activations": "techniques.activations",
    "feature_sheet": "techniques.feature_visualization",
    "feature_visualization": "techniques.feature_visualization",
    "filters": "techniques.filters",
    "fine_tune": "techniques.fine_tuning",
    "image_folder": "techniques.fine_tuning",
    "layer_table": "techniques.layer_table",
    "make_report": "report",
    "open_network": "sources.opening",
    "predictions": "techniques.classify",
    "probabilities": "techniques.classify",
    "register_layer": "sources.caffe.layers",
    "replace_head": "network.surgery",
    "rerun": "techniques.rerunning",
    "values": "techniques.values",
}

__all__ = [
    "Address",
    "ConvscopeError",
    "ConvscopeWarning",
    "InputSpec",
    "Network",
    "Picture",
    "Recipe",
    "activations",
    "feature_sheet",
    "feature_visualization",
    "filters",
    "fine_tune",
    "image_folder",
    "layer_table",
    "make_report",
    "open_network",
    "predictions",
    "probabilities",
    "register_layer",
    "replace_head",
    "rerun",
    "values",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'convscope' has no attribute {name!r}")
    return getattr(import_module(f"convscope.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
