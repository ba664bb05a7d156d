"""What a layer's filters look like: the numbers it learned, as pictures.

The first layer's filters see colors and are shown in color, as in Krizhevsky et al., *ImageNet classification with
deep convolutional neural networks* (2012), fig. 3; deeper ones a row a filter with its input channels across, as in
Caffe's filter visualization notebook. Filters of 1×1, and fully-connected ones, are strips of numbers.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from typing_extensions import Unpack

from convscope.errors import InputError, did_you_mean
from convscope.looking.several import several_filters
from convscope.looking.tile_options import TileKeywords, TileOptions
from convscope.network.graph import Operation
from convscope.network.network import Network
from convscope.network.operations import kind_of
from convscope.pictures.options import takes_options
from convscope.pictures.picture import Picture
from convscope.pictures.recording import recipe_function
from convscope.presentation.scaling import Per, Scaling
from convscope.presentation.sheet import sheet
from convscope.presentation.style import ThemeName

BIG = 384  # pixels: the side of a tile that is shown alone
READABLE = 48  # rows and columns of a sheet of deeper filters
MANY = 256
_STRIP, _STRIPS_WIDTH = 12, 1200


@dataclass(frozen=True, eq=False)
class Filters:
    """A layer's filters: ``weights`` (filters, channels, height, width), as stored; `numbers` has some of them.

    ``inputs`` names the value they read, ``first_input`` the channel of it that filter i's channel 0 reads (groups),
    ``color`` whether their three channels are RGB, in that order. Filters of volumes have so many ``slices`` for each
    channel, one behind the other on the same axis.
    """

    layer: str
    weights: Tensor
    inputs: str
    first_input: tuple[int, ...]
    color: bool
    slices: int = 1

    @property
    def size(self) -> str:
        """The size of each, in words."""
        _, planes, height, width = self.weights.shape
        deep = f"{self.slices}×" if self.slices > 1 else ""
        return f"{planes // self.slices}×{deep}{height}×{width}"

    def numbers(self, which: Any) -> NDArray[np.float64]:
        """Return the weights that an index picks, in double precision; a whole layer's are not copied for one row."""
        numbers: NDArray[np.float64] = self.weights[which].detach().cpu().double().numpy()
        return numbers


@dataclass(frozen=True, kw_only=True)
class FilterOptions(TileOptions):
    """How filters are shown; `filters` says what each option does."""

    scale: Per = "sheet"


class FilterKeywords(TileKeywords, total=False):
    """The fields of `FilterOptions` as keywords."""


@several_filters(lambda network: first_layer_with_filters(network))
@recipe_function("filters")
@takes_options(FilterOptions, FilterKeywords)
def filters(network: Network, address: str, **options: Unpack[FilterKeywords]) -> Picture:
    """Show what a layer learned to look for: in color for the first layer, a row a filter deeper down.

    `address` is a layer, or one filter of it (``conv2:42``: its input channels, each a tile); several give `Pictures`,
    and none the first layer that has filters. `channels` is how many filters are shown, or which ones (a readable
    number by default; the caption says "the first 48 of 256"). `scale` says whether the
    whole "sheet" or each "tile" goes from darkest to brightest; values beyond `percentile` are clipped. Negative
    weights are blue and positive ones red unless `palette` says otherwise; colors are RGB whatever order the network
    expects.

    >>> convscope.filters(network, "conv1").save("conv1.png")

    UnknownLayer, or InputError for a layer that has no filters.
    """
    how, unit = FilterOptions(**options), network.resolve(address)
    layer_filters = read_filters(network, unit.layer)
    scaling = Scaling(per=how.scale, percentile=how.percentile, palette=how.palette)
    if unit.channel is not None:
        return _one(layer_filters, int(unit.channel), scaling, how.tile_size, how.theme)
    chosen = _chosen(layer_filters, how.channels)
    names = [f"{layer_filters.layer}:{index}" for index in chosen]
    weights = layer_filters.numbers(chosen)
    count, reads, height, width = layer_filters.weights.shape
    if height == width == 1:
        picture = _strips(weights[:, :, 0, 0], names, scaling, how.theme)
        words = f"a row a filter, its {reads:,} weights across"
    elif layer_filters.color:
        picture = sheet(
            weights.transpose(0, 2, 3, 1), names, tile_size=how.tile_size, scaling=scaling, theme=how.theme
        )
        words = _color_words(network)
    elif reads == 1:
        picture = sheet(weights[:, 0], names, tile_size=how.tile_size, scaling=scaling, theme=how.theme)
        words = "each reads one channel"
    else:
        across = min(reads, max(1, READABLE // layer_filters.slices) * layer_filters.slices)
        tiles = weights[:, :across].reshape(-1, height, width)
        picture = sheet(
            tiles, names, columns=across, tile_size=how.tile_size, scaling=scaling, theme=how.theme
        )
        slices = layer_filters.slices
        channels = f"{_of(across // slices, reads // slices)} channels of {layer_filters.inputs} it reads"
        if slices > 1:
            channels = f"its {slices} slices" if reads == slices else f"{channels}, {slices} slices each"
        words = f"a row a filter, across {channels}"
    drawn_count = len(picture.tiles)  # a sheet ends where it is too long
    which = (
        f"{drawn_count:,} of the {count:,}" if isinstance(how.channels, Sequence) else _of(drawn_count, count)
    )
    what = f"{which[0].upper()}{which[1:]} filters of {layer_filters.layer}, {layer_filters.size}"
    return replace(picture, caption=f"{what}: {words}. {picture.caption}.")


def _chosen(layer_filters: Filters, channels: int | Sequence[int] | None) -> list[int]:
    """Return the numbers of the filters to show."""
    count, reads = layer_filters.weights.shape[:2]
    if isinstance(channels, Sequence):
        if not channels or not all(isinstance(index, int) and 0 <= index < count for index in channels):
            raise InputError(f"channels are numbers from 0 to {count - 1}, not {list(channels)}")
        return list(channels)
    if channels is not None and channels < 1:
        raise InputError(f"channels is how many filters to show, at least 1, or which ones; not {channels}")
    readable = READABLE if reads > 1 and not layer_filters.color else MANY
    return list(range(min(count, channels or readable)))


def _one(
    layer_filters: Filters, index: int, scaling: Scaling, tile_size: int | None, theme: ThemeName
) -> Picture:
    """Show one filter: a big tile in color, or a tile for each channel it reads."""
    weights = layer_filters.numbers(index)
    channels, height, width = weights.shape
    what = f"Filter {layer_filters.layer}:{index}, {layer_filters.size}"
    start = layer_filters.first_input[index]
    if layer_filters.color:
        tile = weights.transpose(1, 2, 0)[None]
        name = f"{layer_filters.layer}:{index}"
        picture = sheet(tile, [name], tile_size=tile_size or BIG, scaling=scaling, theme=theme)
        return replace(picture, caption=f"{what}, in color. {picture.caption}.")
    if height == width == 1:
        picture = _strips(weights[:, 0, 0][None], [f"{layer_filters.layer}:{index}"], scaling, theme)
        return replace(picture, caption=f"{what}: its weights across. {picture.caption}.")
    slices = layer_filters.slices
    count = min(channels, max(1, MANY // slices) * slices)
    names = [
        f"{layer_filters.inputs}:{start + plane // slices}{f' slice {plane % slices}' if slices > 1 else ''}"
        for plane in range(count)
    ]
    columns = {"columns": slices} if slices > 1 else {}
    picture = sheet(weights[:count], names, tile_size=tile_size, scaling=scaling, theme=theme, **columns)
    shown = (
        f"{_of(len(picture.tiles) // slices, channels // slices)} channels of {layer_filters.inputs} it reads"
    )
    words = f"a tile for {shown}"
    if slices > 1:
        words = f"its {slices} slices" if channels == slices else f"a row of slices for {shown}"
    return replace(picture, caption=f"{what}: {words}. {picture.caption}.")


def _strips(weights: NDArray[Any], names: list[str], scaling: Scaling, theme: ThemeName) -> Picture:
    """Show each row of numbers as a strip of colors."""
    across = max(1, _STRIPS_WIDTH // weights.shape[1])
    tall = -(-_STRIP // across)
    tiles = np.repeat(weights[:, None, :], tall, axis=1)
    return sheet(tiles, names, columns=1, tile_size=across * weights.shape[1], scaling=scaling, theme=theme)


def _of(shown: int, count: int) -> str:
    return f"all {count:,}" if shown == count else f"the first {shown:,} of {count:,}"


def _color_words(network: Network) -> str:
    order = network.input_spec.channel_order if network.input_spec else "RGB"
    order_words = "; the network expects BGR, shown here as RGB" if order == "BGR" else ""
    return f"in the colors they look for{order_words}"


def read_filters(network: Network, layer: str) -> Filters:
    """Return the filters that wrote a layer, in one layout whatever kind of step they belong to."""
    for operation in network.graph.written_by(layer):
        if kind_of(operation.kind).part == "filters" and "weight" in operation.parameters:
            break
    else:
        raise InputError(_no_filters(network, layer))
    weight = _common_layout(network, operation, network.parameters[operation.parameters["weight"]])
    slices = int(weight.shape[2]) if weight.dim() == 5 else 1
    weight = weight.flatten(1, 2) if weight.dim() == 5 else weight
    count, channels = len(weight), weight.shape[1] // slices
    groups = int(operation.attributes.get("groups", 1))
    color = channels == 3 and groups == 1 and _reads_colors(network, operation.inputs[0])
    if color and network.input_spec is not None and network.input_spec.channel_order == "BGR":
        weight = weight.flip(1)
    starts = tuple(index // (count // groups) * channels for index in range(count))
    return Filters(layer, weight, operation.inputs[0], starts, color, slices)


def _common_layout(network: Network, operation: Operation, weight: Tensor) -> Tensor:
    """Return weights as (filters, channels, height, width)."""
    if operation.kind == "dense":
        weight = weight.T if operation.attributes.get("transpose") else weight
        value = operation.inputs[0]
        before = network.shape_channels_first(value) if operation.channels_last else network.shapes[value]
        if before is None or len(before) != 4 or operation.attributes.get("axis", 1) != 1:
            return weight[:, :, None, None]
        weight = weight.reshape(len(weight), *before[1:])
        return weight if operation.channels_last else network.channels_first(value, weight)
    if operation.kind == "deconvolution":
        groups = int(operation.attributes.get("groups", 1))
        grouped = weight.reshape(groups, -1, *weight.shape[1:])
        weight = grouped.transpose(1, 2).reshape(-1, grouped.shape[1], *weight.shape[2:])
    if weight.dim() == 3:
        weight = weight[:, :, None]
    if weight.dim() not in (4, 5):
        raise InputError(
            f"the filters have shape {tuple(weight.shape)}; those of pictures have 4 axes, of volumes 5"
        )
    return weight


def _reads_colors(network: Network, value: str) -> bool:
    """Tell whether a value is the picture, perhaps scaled or shifted channel by channel on its way.

    Its axes may be in another order since, and it may have a border or another size: it has three channels all along.
    """
    spec, picture = network.input_spec, next(iter(network.graph.inputs))
    if spec is None or spec.channels != 3:
        return False
    while (producer := network.graph.producers.get(value)) is not None:
        if kind_of(producer.kind).part == "filters" or not producer.inputs:
            return False
        value = producer.inputs[0]
        shape = network.shapes.get(value)
        if shape is None or len(shape) != 4 or 3 not in (shape[1], shape[3]):
            return False
    return value == picture


def _no_filters(network: Network, layer: str) -> str:
    having = layers_with_filters(network)
    kind = network.graph.written_by(layer)
    what = f"is made by {kind[0].type_name}" if kind else "is an input"
    before = _filters_before(network, layer, having)
    close = f" The last before it are those of {before!r}." if before else did_you_mean(layer, having)
    return (
        f"{layer!r} {what}, which has no filters.{close} Layers that have: {', '.join(having[:6]) or 'none'}"
    )


def _filters_before(network: Network, layer: str, having: Collection[str]) -> str | None:
    """Return the layer with filters that a layer's numbers come from, along first inputs."""
    value = layer
    while (steps := network.graph.written_by(value)) and steps[0].inputs:
        value = steps[0].inputs[0]
        if value in having:
            return value
    return None


def first_layer_with_filters(network: Network) -> str:
    """Return the first layer that filters wrote; InputError where none did."""
    layers = layers_with_filters(network)
    if not layers:
        raise InputError(
            f"{network.name or 'the network'} has no layer with filters: layer_table shows what it has"
        )
    return layers[0]


def layers_with_filters(network: Network) -> list[str]:
    """Return the layers that filters wrote, in the order they run."""
    writers = {name: network.graph.written_by(name) for name in network.layers}
    return [
        name
        for name, operations in writers.items()
        if any(
            kind_of(operation.kind).part == "filters" and "weight" in operation.parameters
            for operation in operations
        )
    ]
