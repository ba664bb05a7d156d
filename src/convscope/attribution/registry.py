"""The attribution methods by name: what each shows, its family and its options. To add one: its file, and a line here.

The command line reads this table for its help, so nothing here imports torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

from convscope.errors import by_name

if TYPE_CHECKING:
    from convscope.attribution.attribution import Attribution

GRADIENTS = "gradients"
ACTIVATION_MAPS = "class activation maps"
PERTURBATION = "perturbation"
RELEVANCE = "relevance"
ATTENTION = "attention"


@dataclass(frozen=True)
class Method:
    """An attribution method: its ``name`` is its function's, and that of the file it stands in.

    Its ``options`` are its function's keywords, each with what it is by default, in words; none where that depends.
    """

    name: str
    family: str
    sentence: str
    options: Mapping[str, str] = field(default_factory=dict, hash=False)

    @cached_property
    def function(self) -> Callable[..., Attribution]:
        """The function from (network, picture, target) and its options to an Attribution."""
        function: Callable[..., Attribution] = getattr(self._module, self.name)
        return function

    @property
    def caution(self) -> str:
        """What is known of such maps."""
        return str(self._module.CAUTION)

    @cached_property
    def _module(self) -> ModuleType:
        return import_module(f"convscope.attribution.{self.name}")


_ALL = (
    Method(
        "saliency", GRADIENTS, "the size of the gradient: what the answer depends on", {"sign": "absolute"}
    ),
    Method(
        "smoothgrad",
        GRADIENTS,
        "the same, averaged over noisy copies: less noise",
        {"samples": "32", "noise": "0.15", "of": "mean", "seed": "0"},
    ),
    Method("gradient_times_input", GRADIENTS, "what speaks for and against it, to first order"),
    Method(
        "integrated_gradients",
        GRADIENTS,
        "the same, on the way from a black picture: the shares add up",
        {"baseline": "black", "steps": "32", "max_steps": "1024"},
    ),
    Method(
        "deep_lift",
        GRADIENTS,
        "nearly the same in a single run: slopes between the two pictures",
        {"baseline": "black"},
    ),
    Method(
        "gradient_shap",
        GRADIENTS,
        "the same, on average over several pictures of nothing",
        {"samples": "32", "noise": "0", "baseline": "black, gray, white and blur in turn", "seed": "0"},
    ),
    Method("guided_backprop", GRADIENTS, "crisp lines, to be taken with care"),
    Method("deconvnet", GRADIENTS, "what a network turned round draws, to be taken with care"),
    Method(
        "grad_cam",
        ACTIVATION_MAPS,
        "where the evidence lies, coarse and reliable: a layer, by gradients",
        {"layer": ""},
    ),
    Method(
        "hires_cam", ACTIVATION_MAPS, "the same, faithful before fully-connected layers too", {"layer": ""}
    ),
    Method("grad_cam_plus_plus", ACTIVATION_MAPS, "all of several objects; less specific", {"layer": ""}),
    Method("xgrad_cam", ACTIVATION_MAPS, "gradients averaged where a channel answers", {"layer": ""}),
    Method("layer_cam", ACTIVATION_MAPS, "for earlier layers, and finer", {"layer": ""}),
    Method("ablation_cam", ACTIVATION_MAPS, "by leaving channels out, without gradients", {"layer": ""}),
    Method("score_cam", ACTIVATION_MAPS, "channels as masks of the picture; slow", {"layer": ""}),
    Method("eigen_cam", ACTIVATION_MAPS, "what stands out to a layer, whatever the class", {"layer": ""}),
    Method(
        "finer_cam", ACTIVATION_MAPS, "what tells a class from those like it", {"layer": "", "classes": "3"}
    ),
    Method(
        "guided_grad_cam", ACTIVATION_MAPS, "guided lines, where Grad-CAM is lit; with care", {"layer": ""}
    ),
    Method(
        "occlusion",
        PERTURBATION,
        "what is lost where the picture is covered: closest to the network itself",
        {"window": "a fifth of the picture", "stride": "a third of the window", "baseline": "gray"},
    ),
    Method(
        "rise",
        PERTURBATION,
        "the same by random masks, with an interval",
        {"samples": "2048", "baseline": "zero", "seed": "0"},
    ),
    Method(
        "shapley",
        PERTURBATION,
        "each part's fair share; all add up",
        {"grid": "6", "samples": "16", "baseline": "gray", "seed": "0"},
    ),
    Method(
        "extremal_perturbation",
        PERTURBATION,
        "which part, of a given area, is enough for the answer",
        {"area": "0.1", "steps": "200", "baseline": "blur"},
    ),
    Method(
        "relevance",
        RELEVANCE,
        "the answer, shared out layer by layer to the pixels (LRP)",
        {"rule": "epsilon-plus", "through": ""},
    ),
    Method(
        "attention_rollout",
        ATTENTION,
        "which places a transformer's answer is mixed from, whatever the class",
    ),
)
METHODS: Mapping[str, Method] = {method.name: method for method in _ALL}


def method_named(name: str) -> Method:
    """Return a method; InputError with the closest names for one that is not there."""
    return by_name(METHODS, name.replace("-", "_"), "method")
