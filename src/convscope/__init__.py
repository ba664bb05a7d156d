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
    from convscope.techniques.deconvnet import deconvnet
    from convscope.techniques.deep_dream import deep_dream
    from convscope.techniques.feature_visualization import feature_sheet, feature_visualization
    from convscope.techniques.filters import filters
    from convscope.techniques.fine_tuning import fine_tune, image_folder
    from convscope.techniques.gradient_times_input import gradient_times_input
    from convscope.techniques.gradients import channel_gradients, layer_gradients
    from convscope.techniques.guided_backprop import guided_backprop
    from convscope.techniques.integrated_gradients import integrated_gradients
    from convscope.techniques.layer_table import layer_table
    from convscope.techniques.rerunning import rerun
    from convscope.techniques.saliency import saliency
    from convscope.techniques.sanity_check import sanity_check
    from convscope.techniques.smoothgrad import smoothgrad
    from convscope.techniques.style_transfer import style_transfer
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
    "channel_gradients": "techniques.gradients",
    "deconvnet": "techniques.deconvnet",
    "deep_dream": "techniques.deep_dream",
    "feature_sheet": "techniques.feature_visualization",
    "feature_visualization": "techniques.feature_visualization",
    "filters": "techniques.filters",
    "fine_tune": "techniques.fine_tuning",
    "gradient_times_input": "techniques.gradient_times_input",
    "guided_backprop": "techniques.guided_backprop",
    "image_folder": "techniques.fine_tuning",
    "integrated_gradients": "techniques.integrated_gradients",
    "layer_gradients": "techniques.gradients",
    "layer_table": "techniques.layer_table",
    "make_report": "report",
    "open_network": "sources.opening",
    "predictions": "techniques.classify",
    "probabilities": "techniques.classify",
    "register_layer": "sources.caffe.layers",
    "replace_head": "network.surgery",
    "rerun": "techniques.rerunning",
    "saliency": "techniques.saliency",
    "sanity_check": "techniques.sanity_check",
    "smoothgrad": "techniques.smoothgrad",
    "style_transfer": "techniques.style_transfer",
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
    "channel_gradients",
    "deconvnet",
    "deep_dream",
    "feature_sheet",
    "feature_visualization",
    "filters",
    "fine_tune",
    "gradient_times_input",
    "guided_backprop",
    "image_folder",
    "integrated_gradients",
    "layer_gradients",
    "layer_table",
    "make_report",
    "open_network",
    "predictions",
    "probabilities",
    "register_layer",
    "replace_head",
    "rerun",
    "saliency",
    "sanity_check",
    "smoothgrad",
    "style_transfer",
    "values",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'convscope' has no attribute {name!r}")
    return getattr(import_module(f"convscope.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
