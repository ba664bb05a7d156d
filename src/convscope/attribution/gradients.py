"""The gradient of layers and channels for the picture, in the picture's own colors: what in it excites them.

The pictures of "Visualizing the gradient" in Mital's *Creative Applications of Deep Learning with TensorFlow* (2016):
the strongest channel of a layer at each position, each channel of a layer by itself, and every pooling layer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace

import numpy as np
import torch
from numpy.typing import NDArray

from convscope.address import Address
from convscope.attribution.attribution import Attribution
from convscope.attribution.attributions import Attributions
from convscope.attribution.panels import PanelOptions, brightness, glowing
from convscope.attribution.saliency import saliency_of
from convscope.attribution.target import AttributionTarget, TargetTerm, in_rgb, target_of
from convscope.errors import InputError
from convscope.looking.answers import is_vector
from convscope.looking.main_line import main_line
from convscope.network.network import Network
from convscope.network.operations import kind_of
from convscope.pictures.photograph import InputLike
from convscope.pictures.recording import as_json, recipe_function, recipe_of
from convscope.presentation.panels import Panel, panels
from convscope.presentation.scaling import Scaling, scale
from convscope.presentation.sheet import sheet
from convscope.presentation.style import ThemeName
from convscope.presentation.title import with_title
from convscope.presentation.wording import title_of
from convscope.progress import progress_bar

PERCENTILE = 99.5
CHANNELS = 64
_PANELS = ("picture", "colors")
_ZERO = "Middle gray is zero: there the picture changes nothing"


@recipe_function("layer_gradients")
def layer_gradients(
    network: Network,
    picture: InputLike,
    addresses: Sequence[str] | None = None,
    *,
    percentile: float = PERCENTILE,
    columns: int | None = None,
    theme: ThemeName = "light",
    bare: bool = False,
    progress: bool = True,
) -> Attributions:
    """Show, for each of some layers, what in the picture excites it: glowing on the picture, and beside it in colors.

    Of a layer it is the gradient of the strongest channel at each position, all positions summed; of a channel, a
    neuron or a class, its own. `addresses` are the pooling layers by default: edges first, then parts, then the object.

    InputError of a network without pooling layers where no address is given.

    >>> convscope.layer_gradients(network, "chelsea").save("layers.png")
    >>> two = convscope.layer_gradients(network, "chelsea", ["conv2", "mixed3b:42"])
    >>> two[1].values.shape
    (80, 80, 3)
    """
    layers = list(addresses) if addresses else pooling_layers(network)
    if not layers:
        raise InputError(f"{network.name} has no pooling layer: give the addresses of some layers")
    targets = [target_of(network, picture, address) for address in layers]
    bar = progress_bar(iterable=targets, unit="layer")
    values = [target.pixels(target.gradient()) for target in bar]
    tiles = np.stack([in_rgb(each) for each in values])
    scaled = scale(tiles, Scaling(symmetric=True, percentile=percentile))
    names = [str(target) for target in targets]
    attributions = _each(
        targets, values, PanelOptions(panels=_PANELS, percentile=percentile, theme=theme, bare=bare), picture
    )
    row = [
        panel
        for one, colors, name, tile in zip(attributions, scaled.colors, names, tiles, strict=True)
        for panel in (
            Panel(glowing(one, brightness(one)), name, smooth=True),
            Panel(colors, f"its gradient, up to ±{np.percentile(abs(tile), percentile):.2g}", address=name),
        )
    ]
    dead = [name for name, flat in zip(names, scaled.flat, strict=True) if flat]
    whole = any(target.address.channel is None for target in targets)
    strongest = " (of a layer, of its strongest channel at each position)" if whole else ""
    words = [
        f"The gradient for the picture of {', '.join(map(_of, targets))}{strongest}",
        "On the picture, what changes it most glows: the gradient's size, a little blurred, each layer's own",
        f"Beside it, in the picture's colors: {_ZERO[0].lower()}{_ZERO[1:]}; {scaled.words}",
        *([f"Nothing reaches the picture from {', '.join(dead)}"] if dead else []),
    ]
    figure = panels(row, columns=columns or min(4, len(row)), theme=theme)
    title = "" if bare else title_of("gradients", network, targets[0].picture_name)
    return Attributions(
        attributions, replace(with_title(figure, title, theme), caption=". ".join(words) + ".")
    )


@recipe_function("channel_gradients")
def channel_gradients(
    network: Network,
    picture: InputLike,
    address: str,
    *,
    channels: int | Sequence[int] | None = None,
    percentile: float = PERCENTILE,
    columns: int | None = None,
    tile_size: int | None = None,
    theme: ThemeName = "light",
    bare: bool = False,
    progress: bool = True,
) -> Attributions:
    """Show, for each channel of a layer, what in the picture excites it: a tile a channel, the gradient in colors.

    Each channel of the layer `address` is averaged over its positions. `channels` is how many to show, or which
    ones; the first 64 by default.

    InputError for channels that are not there, UnknownLayer for such a layer.

    >>> convscope.channel_gradients(network, "chelsea", "conv2", channels=36).save("channels.png")
    """
    target = target_of(network, picture, address)
    layer = target.address.layer
    _, count, *_ = network.shape_channels_first(layer) or (0, 0)
    indices = _chosen(channels, count)
    values = each_channel(target, indices)
    tiles = np.stack([in_rgb(each) for each in values])
    names = [f"{layer}:{index}" for index in indices]
    scaling = Scaling(symmetric=True, percentile=percentile)
    figure = sheet(tiles, names, columns=columns, tile_size=tile_size, scaling=scaling, theme=theme)
    which = (
        f"{len(figure.tiles):,} of the {count:,} channels"
        if len(figure.tiles) < count
        else f"all {count:,} channels"
    )
    caption = f"The gradient for the picture of {which} of {layer}. {_ZERO}. {figure.caption}."
    targets = [replace(target, terms=(TargetTerm(Address(layer, index)),)) for index in indices]
    options = PanelOptions(panels=_PANELS, percentile=percentile, theme=theme, bare=bare)
    title = "" if bare else title_of(f"gradients of {layer}", network, target.picture_name)
    figure = with_title(figure, title, theme)
    return Attributions(_each(targets, values, options, picture), replace(figure, caption=caption))


def _each(
    targets: Sequence[AttributionTarget],
    values: Sequence[NDArray[np.float64]],
    options: PanelOptions,
    picture: InputLike,
) -> tuple[Attribution, ...]:
    """Return the saliency of each target, with the recipe that makes it alone."""
    arguments = {"sign": "absolute", **{name: as_json(value) for name, value in asdict(options).items()}}
    recipe = recipe_of("saliency", arguments, network=targets[0].network, picture=picture)
    return tuple(
        replace(
            saliency_of(target, each),
            options=options,
            recipe=replace(recipe, arguments={"target": str(target), **arguments}),
        )
        for target, each in zip(targets, values, strict=True)
    )


def _chosen(channels: int | Sequence[int] | None, count: int) -> list[int]:
    limit = channels if isinstance(channels, int) else CHANNELS
    indices = (
        list(range(min(limit, count))) if channels is None or isinstance(channels, int) else list(channels)
    )
    if not indices or not all(isinstance(index, int) and 0 <= index < count for index in indices):
        raise InputError(
            f"channels are how many to show, or a list of numbers from 0 to {count - 1}; not {channels}"
        )
    return indices


def each_channel(target: AttributionTarget, channels: Sequence[int]) -> list[NDArray[np.float64]]:
    """Return each channel's gradient as (height, width, channels): one forward pass, a backward pass for each."""
    network, layer = target.network, target.address.layer
    input = target.input.detach().requires_grad_()
    with torch.enable_grad():
        value = network.channels_first(layer, network.activations(input, Address(layer))[layer])
        means = value.flatten(2).mean((0, 2)) if value.dim() > 2 else value.mean(0)
        bar = progress_bar(iterable=channels, unit="channel")
        gradients = [torch.autograd.grad(means[index], input, retain_graph=True)[0] for index in bar]
    return [target.pixels(gradient) for gradient in gradients]


def pooling_layers(network: Network) -> list[str]:
    """Return the layers that pool neighborhoods (not a whole map) and that every path goes through, in order."""
    poolings = {
        output
        for op in network.graph.operations
        if kind_of(op.kind).part == "pooling"
        for output in op.outputs
    }
    return [
        name
        for name in main_line(network)
        if name in poolings and not is_vector(network.shape_channels_first(name))
    ]


def _of(target: AttributionTarget) -> str:
    return target.words if target.address.channel is not None else str(target)
