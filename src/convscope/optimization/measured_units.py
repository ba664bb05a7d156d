"""What of a batch of objectives and of a network was measured on real pictures, enough of them to compare with."""

from __future__ import annotations

from torch import Tensor

from convscope.measuring.strongest import Strongest
from convscope.network.network import Network
from convscope.optimization.objective_batch import ObjectiveBatch

FEWEST = 30  # pictures; fewer do not show what real ones reach, nor what they leave at rest


def measured_units(batch: ObjectiveBatch, strongest: Strongest) -> dict[str, list[int]]:
    """Return layer to the numbers of the objectives that are a single unit of it that was measured.

    None where that was on few pictures.
    """
    units: dict[str, list[int]] = {}
    if strongest.pictures < FEWEST:
        return units
    for index, objective in enumerate(batch.objectives):
        address = batch.targets[objective.targets[0]]
        if len(objective.targets) == 1 and strongest.of(address) is not None:
            units.setdefault(address.layer, []).append(index)
    return units


def measured_channels(network: Network, value: str, strongest: Strongest) -> Tensor | None:
    """Return a value's numbers in `Strongest.layers`; None where it was not measured, or has other channels now."""
    measured, shape = strongest.layers.get(value), network.shape_channels_first(value)
    if measured is None or shape is None or len(shape) < 2 or shape[1] != len(measured):
        return None
    return measured
