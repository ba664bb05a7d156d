"""Every technique as a function of a network that returns its numbers: what `device.py` compares on two devices.

Small and short, for what is compared is arithmetic. Pictures that grow step by step are compared after their first.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

import convscope
from convscope.attribution.registry import ATTENTION, METHODS, Method
from convscope.dreaming.presets import DREAM_PRESETS
from convscope.network.network import Network
from convscope.optimization.presets import PRESETS
from convscope.styling.presets import STYLE_PRESETS

Technique = Callable[[Network], np.ndarray]

UNIT = "mixed4a:42"
PICTURES = ["coffee", "chelsea", "astronaut"]
SHORT: Mapping[str, Mapping[str, Any]] = {
    "smoothgrad": {"samples": 2},
    "integrated_gradients": {"steps": 8, "max_steps": 8},
    "gradient_shap": {"samples": 2},
    "rise": {"samples": 8},
    "shapley": {"grid": 2, "samples": 2},
    "extremal_perturbation": {"steps": 2},
    "score_cam": {"layer": "conv1"},
    "occlusion": {"window": 20, "stride": 20},
}


def techniques() -> dict[str, Technique]:
    """Return them by name, for the built-in network."""
    return {**_plain(), **_evidence(), **_units(), **_made()}


def mean_difference(wanted: np.ndarray, found: np.ndarray) -> float:
    """Return how far apart numbers are on average, as a share of the largest.

    Not the largest difference: where a ReLU or a maximum stands on the edge, rounding moves a single pixel by more.
    """
    return float(np.abs(found - wanted).mean() / max(np.abs(wanted).max(), np.finfo(float).tiny))


def _plain() -> dict[str, Technique]:
    def every_layer(network: Network) -> np.ndarray:
        answers = network.activations(network.preprocess("coffee"), *network.layers).values()
        return np.concatenate(
            [answer.cpu().numpy().ravel() / answer.abs().max().item() for answer in answers]
        )

    return {
        "every layer": every_layer,
        "classes": lambda n: np.array([chance for _, chance in n.predict("chelsea")]),
        "gradient": lambda n: n.gradient(n.preprocess("coffee"), UNIT).cpu().numpy(),
        "units set": lambda n: np.array(
            [chance for _, chance in n.with_units({UNIT: 0.0}).predict("coffee")]
        ),
        "activations": lambda n: convscope.activations(n, "coffee", "mixed4a").array,
        "filters": lambda n: convscope.filters(n, "conv1").array,
        "values": lambda n: convscope.values(n, "coffee", "prob").array,
        "probabilities": lambda n: convscope.probabilities(n, "coffee").array,
    }


def _evidence() -> dict[str, Technique]:
    def values_of(method: Method) -> Technique:
        return lambda n: np.asarray(method.function(n, "coffee", **SHORT.get(method.name, {})).values)

    def trusted(network: Network) -> np.ndarray:
        table = convscope.trust(network, PICTURES, methods=["grad_cam", "relevance"])
        return np.array([mean.mean for row in table.rows for mean in row.means.values() if mean])

    methods = {name: values_of(method) for name, method in METHODS.items() if method.family != ATTENTION}
    return methods | {
        "relevance_tree": lambda n: convscope.relevance_tree(n, "coffee", steps=2).array,
        "layer_gradients": lambda n: convscope.layer_gradients(n, "coffee").picture().array,
        "channel_gradients": lambda n: (
            convscope.channel_gradients(n, "coffee", "conv2", channels=4).picture().array
        ),
        "compare_methods": lambda n: (
            convscope.compare_methods(n, "coffee", methods=["grad_cam", "saliency"]).array
        ),
        "compare_targets": lambda n: convscope.compare_targets(n, "coffee").picture().array,
        "sanity_check": lambda n: convscope.sanity_check(n, "coffee", maps=2).array,
        "trust": trusted,
    }


def _units() -> dict[str, Technique]:
    def measured(network: Network) -> np.ndarray:
        with tempfile.TemporaryDirectory() as folder:
            found = convscope.measure(network, PICTURES, ["mixed4a"], folder=folder)
            return np.array([example.value for example in found.strongest(UNIT)])

    return {
        "importance of a class": lambda n: convscope.importance(n, "pooling", "coffee").array,
        "importance over pictures": lambda n: convscope.importance(n, "mixed5b", PICTURES).array,
        "tuning_curves": lambda n: convscope.tuning_curves(n, "conv1:3").array,
        "measure": measured,
        "examples": lambda n: convscope.examples(n, UNIT, PICTURES).array,
    }


def _made() -> dict[str, Technique]:
    def seen(preset: str) -> Technique:
        return lambda n: convscope.feature_visualization(n, UNIT, preset=preset, size=64, steps=2)[0].array

    def dreamt(preset: str) -> Technique:
        return lambda n: convscope.deep_dream(n, "coffee", "mixed4a", preset=preset, size=192, steps=1).array

    def styled(preset: str) -> Technique:
        return lambda n: (
            convscope.style_transfer(n, "coffee", "chelsea", preset=preset, size=64, steps=2).array
        )

    return {
        "sheet": lambda n: convscope.feature_sheet(n, "conv1", channels=4, size=32, steps=2).array,
        **{f"see, {name}": seen(name) for name in PRESETS},
        **{f"dream, {name}": dreamt(name) for name in DREAM_PRESETS},
        "dream, guided": lambda n: convscope.deep_dream(n, "coffee", guide="chelsea", size=96, steps=1).array,
        **{f"style, {name}": styled(name) for name in STYLE_PRESETS},
        "style, tiled": lambda n: (
            convscope.style_transfer(n, "coffee", "chelsea", size=96, steps=2, tile=64).array
        ),
    }
