"""What is wished of a style transfer: a preset with single settings changed, for one network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from convscope.errors import require_known, require_one_of
from convscope.network.network import Network
from convscope.optimization.optimizers import LBFGS, Adam, Optimizer
from convscope.styling.layers import chosen_layers
from convscope.styling.presets import StylePreset
from convscope.styling.settings import StyleSettings, require_weight

_CHANGES = (
    *("content_layers", "style_layers", "content_weight", "style_weight", "smoothness_weight"),
    *("iterations", "rate", "optimizer", "style_scale", "coarsest", "pooling", "edges"),
    "precision",
)
_OPTIMIZERS: Mapping[str, Optimizer] = {"adam": Adam((0.9, 0.99)), "lbfgs": LBFGS(20)}


def settings_for(network: Network, preset: StylePreset, changes: Mapping[str, Any]) -> StyleSettings:
    """Return a preset's settings with single ones changed, and with this network's own layers."""
    settings, rest = preset.settings, dict[str, Any](changes)
    require_known("a style transfer", rest, _CHANGES)
    for what, own in (("content", settings.content_layers), ("style", settings.style_layers)):
        asked = _weights(rest.get(f"{what}_layers") or {})
        share = sum(own.values()) / (sum(asked.values()) or 1.0)
        rest[f"{what}_layers"] = {
            str(network.resolve(address)): share * weight for address, weight in asked.items()
        } or chosen_layers(network, own, what, before_relu=preset.before_relu)
    if "optimizer" in rest:
        rest = _optimizer(rest.pop("optimizer"), preset) | rest
    if (coarsest := rest.pop("coarsest", None)) is not None:
        rest["scales"] = replace(settings.scales, smallest=coarsest, most=None)
    if "iterations" in rest:
        rest["first_iterations"] = None
    return replace(settings, **rest)


def _optimizer(name: str, preset: StylePreset) -> dict[str, Any]:
    """Return the settings of another optimizer, in the preset's values; none where it is the preset's own."""
    require_one_of("optimizer", name, _OPTIMIZERS)
    settings, kind = preset.settings, _OPTIMIZERS[name]
    if isinstance(settings.optimizer, type(kind)):
        return {}
    rate = 1.0 if name == "lbfgs" else preset.adam_rate or 0.02 * (settings.white - settings.black)
    return {"optimizer": kind, "rate": rate}


def _weights(layers: str | Sequence[str] | Mapping[str, float]) -> Mapping[str, float]:
    """Return addresses with their weights among each other, equal where none are given."""
    names = [layers] if isinstance(layers, str) else layers
    found = layers if isinstance(layers, Mapping) else dict.fromkeys(names, 1.0)
    for name, weight in found.items():
        require_weight(f"the weight of {name}", weight)
    return found
