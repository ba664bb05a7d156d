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
    from convscope.attribution.ablation_cam import ablation_cam
    from convscope.attribution.compare import compare_methods
    from convscope.attribution.deconvnet import deconvnet
    from convscope.attribution.deep_lift import deep_lift
    from convscope.attribution.eigen_cam import eigen_cam
    from convscope.attribution.extremal_perturbation import extremal_perturbation
    from convscope.attribution.finer_cam import finer_cam
    from convscope.attribution.grad_cam import grad_cam
    from convscope.attribution.grad_cam_plus_plus import grad_cam_plus_plus
    from convscope.attribution.gradient_shap import gradient_shap
    from convscope.attribution.gradient_times_input import gradient_times_input
    from convscope.attribution.gradients import channel_gradients, layer_gradients
    from convscope.attribution.guided_backprop import guided_backprop
    from convscope.attribution.guided_grad_cam import guided_grad_cam
    from convscope.attribution.hires_cam import hires_cam
    from convscope.attribution.importance import importance
    from convscope.attribution.integrated_gradients import integrated_gradients
    from convscope.attribution.layer_cam import layer_cam
    from convscope.attribution.occlusion import occlusion
    from convscope.attribution.relevance import relevance
    from convscope.attribution.relevance_tree import relevance_tree
    from convscope.attribution.rise import rise
    from convscope.attribution.saliency import saliency
    from convscope.attribution.sanity_check import sanity_check
    from convscope.attribution.score_cam import score_cam
    from convscope.attribution.shapley import shapley
    from convscope.attribution.smoothgrad import smoothgrad
    from convscope.attribution.trust import trust
    from convscope.attribution.xgrad_cam import xgrad_cam
    from convscope.dreaming.deep_dream import deep_dream
    from convscope.errors import ConvscopeError, ConvscopeWarning
    from convscope.formats.caffe.layers import register_layer
    from convscope.formats.opening import open_network
    from convscope.looking.activations import activations
    from convscope.looking.boxes import boxes
    from convscope.looking.classify import predictions, probabilities
    from convscope.looking.filters import filters
    from convscope.looking.layer_table import layer_table
    from convscope.looking.output_picture import output_picture
    from convscope.looking.segmentation import segmentation
    from convscope.looking.showing import show_output
    from convscope.looking.token_maps import token_maps
    from convscope.looking.tuning_curves import tuning_curves
    from convscope.looking.values import values
    from convscope.measuring.example_sheet import examples
    from convscope.measuring.measure import measure
    from convscope.measuring.measurements import Measurements
    from convscope.network.fine_tuning import fine_tune, image_folder
    from convscope.network.input_spec import InputSpec
    from convscope.network.network import Network
    from convscope.network.surgery import replace_head
    from convscope.optimization.feature_sheet import feature_sheet
    from convscope.optimization.feature_visualization import feature_visualization
    from convscope.pictures.picture import Picture, Pictures
    from convscope.pictures.recipe import Recipe
    from convscope.report import Report, ReportOptions, make_report
    from convscope.rerunning import rerun
    from convscope.styling.style_transfer import style_transfer

# Loaded on first use, so that `convscope --help` need not wait for torch.
_HOMES = {
    "Address": "address",
    "ConvscopeError": "errors",
    "ConvscopeWarning": "errors",
    "InputSpec": "network.input_spec",
    "Measurements": "measuring.measurements",
    "Network": "network.network",
    "Picture": "pictures.picture",
    "Pictures": "pictures.picture",
    "Recipe": "pictures.recipe",
    "Report": "report",
    "ReportOptions": "report",
    "ablation_cam": "attribution.ablation_cam",
    "activations": "looking.activations",
    "boxes": "looking.boxes",
    "channel_gradients": "attribution.gradients",
    "compare_methods": "attribution.compare",
    "deconvnet": "attribution.deconvnet",
    "deep_dream": "dreaming.deep_dream",
    "deep_lift": "attribution.deep_lift",
    "eigen_cam": "attribution.eigen_cam",
    "examples": "measuring.example_sheet",
    "extremal_perturbation": "attribution.extremal_perturbation",
    "feature_sheet": "optimization.feature_sheet",
    "feature_visualization": "optimization.feature_visualization",
    "filters": "looking.filters",
    "fine_tune": "network.fine_tuning",
    "finer_cam": "attribution.finer_cam",
    "grad_cam": "attribution.grad_cam",
    "grad_cam_plus_plus": "attribution.grad_cam_plus_plus",
    "gradient_shap": "attribution.gradient_shap",
    "gradient_times_input": "attribution.gradient_times_input",
    "guided_backprop": "attribution.guided_backprop",
    "guided_grad_cam": "attribution.guided_grad_cam",
    "hires_cam": "attribution.hires_cam",
    "importance": "attribution.importance",
    "image_folder": "network.fine_tuning",
    "integrated_gradients": "attribution.integrated_gradients",
    "layer_cam": "attribution.layer_cam",
    "layer_gradients": "attribution.gradients",
    "layer_table": "looking.layer_table",
    "measure": "measuring.measure",
    "make_report": "report",
    "occlusion": "attribution.occlusion",
    "open_network": "formats.opening",
    "output_picture": "looking.output_picture",
    "predictions": "looking.classify",
    "probabilities": "looking.classify",
    "register_layer": "formats.caffe.layers",
    "relevance": "attribution.relevance",
    "relevance_tree": "attribution.relevance_tree",
    "replace_head": "network.surgery",
    "rerun": "rerunning",
    "rise": "attribution.rise",
    "saliency": "attribution.saliency",
    "sanity_check": "attribution.sanity_check",
    "score_cam": "attribution.score_cam",
    "segmentation": "looking.segmentation",
    "shapley": "attribution.shapley",
    "show_output": "looking.showing",
    "smoothgrad": "attribution.smoothgrad",
    "style_transfer": "styling.style_transfer",
    "token_maps": "looking.token_maps",
    "tuning_curves": "looking.tuning_curves",
    "trust": "attribution.trust",
    "values": "looking.values",
    "xgrad_cam": "attribution.xgrad_cam",
}

__all__ = [
    "Address",
    "ConvscopeError",
    "ConvscopeWarning",
    "InputSpec",
    "Measurements",
    "Network",
    "Picture",
    "Pictures",
    "Recipe",
    "Report",
    "ReportOptions",
    "ablation_cam",
    "activations",
    "boxes",
    "channel_gradients",
    "compare_methods",
    "deconvnet",
    "deep_dream",
    "deep_lift",
    "eigen_cam",
    "examples",
    "extremal_perturbation",
    "feature_sheet",
    "feature_visualization",
    "filters",
    "fine_tune",
    "finer_cam",
    "grad_cam",
    "grad_cam_plus_plus",
    "gradient_shap",
    "gradient_times_input",
    "guided_backprop",
    "guided_grad_cam",
    "hires_cam",
    "image_folder",
    "importance",
    "integrated_gradients",
    "layer_cam",
    "layer_gradients",
    "layer_table",
    "make_report",
    "measure",
    "occlusion",
    "open_network",
    "output_picture",
    "predictions",
    "probabilities",
    "register_layer",
    "relevance",
    "relevance_tree",
    "replace_head",
    "rerun",
    "rise",
    "saliency",
    "sanity_check",
    "score_cam",
    "segmentation",
    "shapley",
    "show_output",
    "smoothgrad",
    "style_transfer",
    "token_maps",
    "trust",
    "tuning_curves",
    "values",
    "xgrad_cam",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'convscope' has no attribute {name!r}")
    return getattr(import_module(f"convscope.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
