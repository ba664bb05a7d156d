"""A fully-connected layer's answer: its values in order, and the histogram of the positive ones.

Two plots of Caffe's filter visualization notebook, which shows fc6 and fc7 so: most units of a rectified layer are
silent, few answer strongly.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, TypedDict, get_args

import numpy as np
from typing_extensions import Unpack

from convscope.address import Address
from convscope.errors import InputError, require_one_of
from convscope.looking.activations import Order
from convscope.looking.answers import answer, is_vector, require_finite
from convscope.looking.main_line import main_line
from convscope.looking.several import several
from convscope.network.network import Network
from convscope.pictures.options import takes_options
from convscope.pictures.photograph import InputLike
from convscope.pictures.picture import Picture
from convscope.pictures.recording import recipe_function
from convscope.presentation.style import ThemeName
from convscope.presentation.value_plots import Counted, values_and_histogram
from convscope.presentation.wording import title_of

_MOST_LISTED = 10_000


def _plotted_layers(network: Network) -> list[str]:
    """Return the layers on the way that have one number a channel; the last one where none has."""
    line = main_line(network)
    return [name for name in line if is_vector(network.shape_channels_first(name))] or line[-1:]


def value_facts(network: Network, picture: InputLike, address: str, top: int = 10) -> dict[str, Any]:
    """Return the numbers that `values` plots, for other programs: how many, all of a few thousand, the highest named.

    ``values`` are in the layer's order, channels first; None where they are more than 10,000. ``top`` has addresses,
    and of a layer of classes their labels.
    """
    unit = network.resolve(address)
    numbers = answer(network, picture, unit.layer)
    first = 0 if unit.channel is None else int(unit.channel)
    if unit.channel is not None:
        numbers = numbers[first : first + 1]
    flat = numbers.ravel()
    grid = numbers.shape if flat.size > len(numbers) else (len(numbers),)
    places = [np.unravel_index(index, grid) for index in np.argsort(-flat, kind="stable")[:top]]
    return {
        "count": flat.size,
        "positive": int((flat > 0).sum()),
        "top": [
            _named_value(
                network, Address(unit.layer, first + int(place[0]), tuple(map(int, place[1:])) or None)
            )
            | {"value": float(numbers.reshape(grid)[place])}
            for place in places
        ],
        "values": [float(value) for value in flat] if flat.size <= _MOST_LISTED else None,
    }


def _named_value(network: Network, address: Address) -> dict[str, Any]:
    label = address.layer in network.class_values and address.position is None
    return {"address": str(address)} | (
        {"label": network.class_label(int(address.channel or 0))} if label else {}
    )


@dataclass(frozen=True)
class ValueOptions:
    """How values are plotted; `values` says what each option does."""

    order: Order = "index"
    bins: int = 100
    theme: ThemeName = "light"
    bare: bool = False


class ValueKeywords(TypedDict, total=False):
    """The fields of `ValueOptions` as keywords."""

    order: Order
    bins: int
    theme: ThemeName
    bare: bool


@several(_plotted_layers)
@recipe_function("values")
@takes_options(ValueOptions, ValueKeywords)
def values(network: Network, picture: InputLike, address: str, **options: Unpack[ValueKeywords]) -> Picture:
    """Show a layer's values in order and, below, the histogram of the positive ones.

    `address` is any layer, or several; without one, those on the way that have no maps. Those with one number a
    channel (fully connected, pooled to 1×1) read best; the highest are named, of a layer of classes by their labels.
    `order` "strongest" puts the highest first; the histogram has `bins` bars. `bare` leaves out the title, which
    names address, network and photograph.

    >>> convscope.values(network, "coffee", "head").save("head.png")

    UnknownLayer, or InputError for a layer that answers with NaN.
    """
    how, unit = ValueOptions(**options), network.resolve(address)
    if unit.position is not None:
        raise InputError(f"{address}: a neuron has one value; give its layer or its channel")
    numbers = answer(network, picture, unit.layer)
    noun = "unit" if numbers.size == len(numbers) else "value"
    if unit.channel is not None:
        numbers = numbers[int(unit.channel)]
        noun = "position" if numbers.size > 1 else "unit"
    require_finite(network, picture, unit.layer, numbers)
    if not 1 <= how.bins <= 10_000:
        raise InputError(f"bins is between 1 and 10000, not {how.bins}")
    require_one_of("order", how.order, get_args(Order))
    title = "" if how.bare else title_of(f"{unit}", network, picture)
    counted = Counted(noun)
    if unit.channel is None and unit.layer in network.class_values and network.labels:
        counted = Counted("class", [network.class_label(index) for index in range(numbers.size)])
    plot = values_and_histogram(
        numbers, order=how.order, title=title, bins=how.bins, theme=how.theme, counted=counted
    )
    return replace(plot, caption=f"{unit}: {plot.caption}")
