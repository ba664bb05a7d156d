"""The attribution techniques by name, each with its usual settings: for whoever compares them or checks them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from convscope.attribution.attribution import Evidence
from convscope.attribution.deconvnet import deconvnet_evidence
from convscope.attribution.gradient_times_input import gradient_times_input_evidence
from convscope.attribution.guided_backprop import guided_evidence
from convscope.attribution.integrated_gradients import integrated_evidence
from convscope.attribution.saliency import saliency_evidence
from convscope.attribution.smoothgrad import smoothgrad_evidence
from convscope.attribution.target import Question
from convscope.errors import by_name

METHODS: Mapping[str, Callable[[Question], Evidence]] = {
    "saliency": saliency_evidence,
    "gradient_times_input": gradient_times_input_evidence,
    "smoothgrad": smoothgrad_evidence,
    "integrated_gradients": integrated_evidence,
    "guided_backprop": guided_evidence,
    "deconvnet": deconvnet_evidence,
}


def method_named(name: str) -> Callable[[Question], Evidence]:
    """Return a technique; InputError with the closest names for one that is not there."""
    return by_name(METHODS, name, "method")
