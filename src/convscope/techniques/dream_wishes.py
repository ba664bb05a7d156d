"""What a person wants dreamed, by layers, channels, classes or a guiding picture, as a dream's terms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

from torch import Tensor

from convscope.errors import InputError, UnknownLayer
from convscope.network.network import Network
from convscope.optimization.channel_choice import chosen_channels
from convscope.optimization.dream_objectives import Term, class_term, dream_terms, guided_term
from convscope.optimization.dream_presets import DreamPreset
from convscope.optimization.objectives import class_score, layer
from convscope.optimization.subject import subject_of
from convscope.techniques.main_line import stages

DreamLayers: TypeAlias = str | Sequence[str] | Mapping[str, float] | None
"""One address, several, or several with weights; None: what the preset was made for."""


def terms_of(
    network: Network,
    layers: DreamLayers,
    preset: DreamPreset,
    start: Tensor,
    *,
    guide: Tensor | None = None,
    channels: str | Sequence[int] | None = None,
) -> tuple[Term, ...]:
    """Return a dream's terms. `start` and `guide` are pictures (1, 3, H, W) in 0..1.

    With a guide each position becomes more like the one of the guide it resembles most, in all channels. `channels`
    are chosen by what they answer to `start`.
    """
    weights = _weights(network, layers, preset)
    if guide is not None:
        if channels is not None:
            raise InputError(
                "a guide is followed in all channels of a layer: leave out either channels or guide"
            )
        return tuple(
            replace(guided_term(name, _answer(network, name, guide)), weight=weight)
            for name, weight in weights.items()
        )
    classes = {name: weight for name, weight in weights.items() if _is_class(network, name)}
    others = {name: weight for name, weight in weights.items() if name not in classes}
    chosen = {}
    if channels is not None:
        for name in others:
            chosen[name] = chosen_channels(channels, _answer(network, name, start), name)
    terms = dream_terms(others, preset.measure, chosen) if others else ()
    return terms + tuple(_class_term(network, name, weight, preset) for name, weight in classes.items())


def _weights(network: Network, layers: DreamLayers, preset: DreamPreset) -> Mapping[str, float]:
    """Return addresses with their weights: those asked for, the preset's, or the network's middle."""
    if isinstance(layers, str):
        return {layers: 1.0}
    if isinstance(layers, Mapping):
        return layers
    if layers:
        return dict.fromkeys(layers, 1.0)
    if preset.layers and all(address.partition(":")[0] in network.layers for address in preset.layers):
        return preset.layers
    return {middle(network) if preset.label is None else _labeled(network, preset.label): 1.0}


def _labeled(network: Network, label: str) -> str:
    """Return the address of the class that a preset was made for."""
    address = f"{network.class_output}:{label}"
    try:
        network.resolve(address)
    except UnknownLayer as error:
        raise InputError(
            f"this preset dreams of a {label}, a class that {network.name} does not know: say which class, "
            f"as {network.class_output}:0"
        ) from error
    return address


def _is_class(network: Network, address: str) -> bool:
    found = network.resolve(address)
    return found.channel is not None and found.position is None and found.layer == network.class_output


def _class_term(network: Network, address: str, weight: float, preset: DreamPreset) -> Term:
    index = int(network.resolve(address).channel or 0)
    found = class_score(network, index, "probability" if preset.probability else "logit")
    return class_term(found.targets[0], found.description, weight)


def _answer(network: Network, address: str, picture: Tensor) -> Tensor:
    subject = subject_of(network, [layer(address)])
    return subject.values(picture)[address].detach()


def middle(network: Network) -> str:
    """Return a layer worth dreaming of: the last of the stage whose maps have a sixteenth of the input's side."""
    found = stages(network)
    if not found or network.input_spec is None:
        raise InputError(
            f"{network.name} has no layers with maps of a picture, so there is nothing to dream of"
        )
    side = max(network.input_spec.size)
    return min(found, key=lambda stage: abs(max(stage.size) * 16 - side)).shown[-1]
