"""What the page shows of one unit: where it answers most, what it sees there, what feeds it, what it changes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from convscope.address import Address
from convscope.attribution.registry import method_named
from convscope.attribution.target import target_of
from convscope.errors import InputError
from convscope.looking.answers import answer
from convscope.looking.connections import Connection, color_filter, fed_by_it, feeding
from convscope.measuring.measurements import Measurements
from convscope.measuring.strongest import QUANTILES, Strongest
from convscope.network.network import Network
from convscope.pictures.photograph import Photograph

MOST_CLASSES = 5
BINS = 30


def unit_facts(
    network: Network, address: Address, photograph: Photograph | None, strongest: Strongest | None = None
) -> dict[str, Any]:
    """Return as JSON data what is known of a unit, and with a picture what it answers there.

    `box` is (top, left, bottom, right) of what the strongest position sees, in the network's input.
    """
    assert address.channel is not None
    layer, channel = address.layer, int(address.channel)
    fed_by = feeding(network, layer, channel)
    # A unit that channels feed has no filter of the picture: its layer's weights are read once.
    filter = None if fed_by else color_filter(network, layer, channel)
    facts: dict[str, Any] = {
        "address": str(address),
        "kind": network.layers[layer].kind,
        "fedBy": [_connection(one) for one in fed_by],
        "feeds": [_connection(one) for one in fed_by_it(network, layer, channel)],
        "filter": None if filter is None else filter.tolist(),
        "photographs": _quantile_facts(strongest, address),
    }
    if photograph is not None:
        facts |= _answer_facts(network, address, photograph)
    return facts


def _answer_facts(network: Network, address: Address, photograph: Photograph) -> dict[str, Any]:
    layer, channel = address.layer, int(address.channel or 0)
    values = answer(network, photograph, layer)[channel]
    highest = np.unravel_index(int(values.argmax()), values.shape)
    place = tuple(int(index) for index in highest) if values.ndim == 2 else None
    field = network.layers[layer].receptive_field
    return {
        "highest": float(values.max()),
        "lowest": float(values.min()),
        "mean": float(values.mean()),
        "position": place,
        "box": list(field.box(*place)) if field is not None and place is not None else None,
    }


def unit_effects(network: Network, unit: Address, photograph: Photograph) -> list[dict[str, Any]]:
    """Return the classes whose scores change most when a unit answers 0, and by how much it had raised each.

    The network has classes, and the unit is none of them. It runs twice, once where its own scores are recorded: so
    this is asked for apart from the rest.
    """
    before, after = (_scores(one, photograph) for one in (network, network.with_units({str(unit): 0.0})))
    change = before - after
    if not np.isfinite(change).all():
        raise InputError(
            "the classes' scores are NaN or infinite for this picture: no unit's effect can be told"
        )
    order = np.argsort(-np.abs(change), kind="stable")[:MOST_CLASSES]
    return [
        {"label": network.class_label(int(i)), "index": int(i), "change": float(change[i])} for i in order
    ]


def _scores(network: Network, photograph: Photograph) -> NDArray[np.float64]:
    answers = answer(network, photograph, network.class_scores).astype(np.float64)
    scores: NDArray[np.float64] = answers.reshape(len(answers), -1).mean(1)
    return scores


def _connection(one: Connection) -> dict[str, Any]:
    return {
        "unit": f"{one.layer}:{one.channel}",
        "strength": one.strength,
        "kernel": np.round(one.kernel, 6).tolist(),
    }


def _quantile_facts(strongest: Strongest | None, address: Address) -> dict[str, Any] | None:
    """Return what real pictures were measured to give: quantiles of the highest answer; None where nobody measured."""
    quantiles = strongest.of(address) if strongest else None
    if strongest is None or quantiles is None:
        return None
    return {
        "pictures": strongest.pictures,
        "quantiles": list(QUANTILES),
        "highest": [float(value) for value in quantiles[1]],
    }


def histogram_facts(measurements: Measurements, address: Address) -> dict[str, Any] | None:
    """Return how many pictures a unit answers how strongly to, and the share that it answers at all, above zero."""
    if address.layer not in measurements.layers:
        return None
    histogram, values = measurements.histogram(address, bins=BINS), measurements.values(address, "max")
    return {
        "counts": histogram.counts.tolist(),
        "from": float(histogram.edges[0]),
        "to": float(histogram.edges[-1]),
        "fires": float((values > 0).mean()),
    }


def backward_map(
    network: Network, photograph: Photograph, address: str, view: str
) -> tuple[NDArray[np.float32], str]:
    """Return a method's map (height, width) of a unit for a picture, and the caption of it."""
    method = method_named(view)
    target = target_of(network, photograph, address)
    attribution = method.function(network, photograph, target)
    return attribution.map.astype(
        np.float32
    ), f"{method.name.replace('_', ' ')} of {target.words}: {attribution.how}"
