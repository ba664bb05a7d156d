"""What feeds each unit of an atlas and what it feeds, as links: by the weights, through pooling and concatenation.

A unit that comes of a filter of the picture itself has that filter.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from convscope.looking.connections import Connection, color_filter, fed_by_it, feeding, origins
from convscope.network.network import Network

_MOST = 6


def neighbors(network: Network, layers: Collection[str], unit: tuple[str, int]) -> dict[str, Any]:
    """Return ``fedBy`` and ``feeds`` of a (layer, channel): rows of address, strength, and the class it is, if any.

    A unit is named as the atlas has it, in one of its `layers`: the pooled channel is the convolution's. Strength is
    the kernel's norm with the sign of its sum. ``filter``, RGB weights (height, width, 3), is there where it is one.
    """
    fed_by = feeding(network, *unit, most=_MOST)
    # A unit that channels feed has no filter of the picture: its layer's weights are read once.
    filter = None if fed_by else color_filter(network, *unit)
    return {
        "fedBy": [_row(network, layers, one) for one in fed_by],
        "feeds": [_row(network, layers, one) for one in fed_by_it(network, *unit, most=_MOST)],
    } | ({} if filter is None else {"filter": filter.tolist()})


def _row(network: Network, layers: Collection[str], one: Connection) -> tuple[str, float, str]:
    value, index = next(
        (place for place in origins(network, one.layer, one.channel) if place[0] in layers),
        (one.layer, one.channel),
    )
    label = network.class_label(one.channel).split(",")[0] if one.layer in network.class_values else ""
    return f"{value}:{index}", float(f"{one.strength:.4g}"), label
