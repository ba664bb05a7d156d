"""What a person wants dreamed, by layers, channels, classes or a guiding picture, as a dream's terms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

import torch
from torch import Tensor

from convscope.address import Address
from convscope.dreaming.objectives import DreamTerm, class_term, dream_terms, guided_term
from convscope.dreaming.presets import DreamPreset
from convscope.errors import InputError, UnknownLayer
from convscope.looking.stages import computing_layers, stages
from convscope.network.network import Network
from convscope.optimization.channel_choice import chosen_channels
from convscope.optimization.objective_batch import objective_batch
from convscope.optimization.objectives import class_score, layer
from convscope.pictures.picture_tensor import at_most

LOOKED_AT = 1024  # pixels of the longer side of a picture that is only looked at, for what to dream of
DreamLayers: TypeAlias = str | Address | Sequence[str] | Mapping[str, float] | None
"""One address, several, or several with weights; None: what the preset was made for."""


def terms_of(
    network: Network,
    weights: Mapping[str, float],
    preset: DreamPreset,
    start: Tensor,
    *,
    guide: Tensor | None = None,
    channels: str | Sequence[int] | None = None,
) -> tuple[DreamTerm, ...]:
    """Return a dream's terms. `start` and `guide` are pictures (1, 3, H, W) in 0..1.

    With a guide each position becomes more like the one of the guide it resembles most, in all channels. `channels`
    are chosen by what they answer to `start`, which is looked at with at most 1,024 pixels a side; so is a guide.
    """
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
    channels_of = {} if channels is None else _chosen(network, others, start, channels)
    terms = dream_terms(others, preset.measure, channels_of) if others else ()
    return terms + tuple(_class_term(network, name, weight, preset) for name, weight in classes.items())


def _chosen(
    network: Network, addresses: Mapping[str, float], start: Tensor, channels: str | Sequence[int]
) -> dict[str, tuple[int, ...]]:
    """Return the channels that count, of each layer; an address of one channel or class stays as it is."""
    layers = [name for name in addresses if network.resolve(name).channel is None]
    if not layers:
        raise InputError(
            f"there is no layer to choose channels {channels!r} of: dream of a layer, or leave out the channels"
        )
    return {name: chosen_channels(channels, _answer(network, name, start), name) for name in layers}


def chosen_addresses(
    network: Network, layers: DreamLayers, preset: DreamPreset, *, guided: bool
) -> Mapping[str, float]:
    """Return addresses with their weights: those asked for, the preset's, or the network's middle."""
    if isinstance(layers, (str, Address)):
        layers = (str(layers),)
    if layers:
        return layers if isinstance(layers, Mapping) else dict.fromkeys(layers, 1.0)
    return _own_layers(network, preset, guided)


def _own_layers(network: Network, preset: DreamPreset, guided: bool) -> Mapping[str, float]:
    own = preset.guided_layers if guided and preset.guided_layers else preset.layers
    if own and all(address.partition(":")[0] in network.layers for address in own):
        return own
    return {middle(network) if preset.label is None else _labeled(network, preset.label): 1.0}


def with_channels(
    network: Network, weights: Mapping[str, float], start: Tensor, seed: int
) -> dict[str, float]:
    """Return addresses with a channel each: where there is none, one is drawn of those that answer `start`."""
    return {_with_channel(network, name, start, seed): weight for name, weight in weights.items()}


def _with_channel(network: Network, name: str, start: Tensor, seed: int) -> str:
    address = network.resolve(name)
    if address.channel is not None:
        return name
    answer = _answer(network, name, start)[0].flatten(1)
    awake = answer.any(1).nonzero().flatten().tolist() or range(len(answer))
    choice = torch.randint(len(awake), (), generator=torch.Generator().manual_seed(seed))
    return str(replace(address, channel=awake[int(choice)]))


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
    resolved = network.resolve(address)
    return (
        resolved.channel is not None
        and resolved.position is None
        and resolved.layer in network.class_values[:1]
    )


def _class_term(network: Network, address: str, weight: float, preset: DreamPreset) -> DreamTerm:
    index = int(network.resolve(address).channel or 0)
    objective = class_score(network, index, "probability" if preset.probability else "logit")
    return class_term(objective.targets[0], objective.description, weight)


def _answer(network: Network, address: str, picture: Tensor) -> Tensor:
    picture = at_most(picture, LOOKED_AT)
    batch = objective_batch(network, [layer(address)])
    return batch.values(picture)[address].detach()


def middle(network: Network) -> str:
    """Return a layer that dreams with what is in the picture: the middle of the stage two thirds of the way in.

    Later layers paint the things they know best over any picture (`builtin` its mushrooms), earlier ones textures.
    """
    layers_by_stage = [computing_layers(network, stage.layers) for stage in stages(network)]
    count = sum(map(len, layers_by_stage))
    if not count:
        raise InputError(
            f"{network.name} has no layers with maps of a picture, so there is nothing to dream of"
        )
    deep = [layers for layers in layers_by_stage for _ in layers][count * 2 // 3]
    return deep[(len(deep) - 1) // 2]
