"""The attribution techniques by name, each with its usual settings: for whoever compares them or checks them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from convscope.errors import by_name
from convscope.techniques.deconvnet import deconvnet_evidence
from convscope.techniques.evidence import Evidence
from convscope.techniques.gradient_times_input import gradient_times_input_evidence
from convscope.techniques.guided_backprop import guided_evidence
from convscope.techniques.integrated_gradients import integrated_evidence
from convscope.techniques.question import Question
from convscope.techniques.saliency import saliency_evidence
from convscope.techniques.smoothgrad import smoothgrad_evidence

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
