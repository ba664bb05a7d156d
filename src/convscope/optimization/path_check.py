"""Whether a picture rouses a unit as real pictures do: its answer again, with all before it held to what they reach.

A network can be built so that a unit's pictures show anything, though it answers real pictures as ever: Geirhos et al.,
*Don't trust your eyes: on the (un)reliability of feature visualizations* (2024). Such a circuit works through channels
that real pictures leave silent. Pictures that were made go beyond real ones everywhere, so likeness alone does not
tell; held back to what real pictures reach, an ordinary unit still answers, and such a circuit does not.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from torch import Tensor

from convscope.measuring.strongest import Strongest
from convscope.network.graph import CHANNELS_LAST, Operation
from convscope.network.network import Network
from convscope.optimization.measured_units import measured_channels, measured_units
from convscope.optimization.objective_batch import ObjectiveBatch, objective_batch


def held_answers(batch: ObjectiveBatch, pictures: Tensor, strongest: Strongest) -> list[float | None]:
    """Return what each picture reaches where no channel before its unit answers more than to any real picture.

    None where that was not measured, or on few pictures, and for objectives of more than one unit.
    """
    answers: list[float | None] = [None] * len(batch.objectives)
    for layer, indices in measured_units(batch, strongest).items():
        batch_held = objective_batch(
            held_network(batch.network, layer, strongest), [batch.objectives[index] for index in indices]
        )
        for index, number in zip(indices, batch_held.scores(pictures[indices]).tolist(), strict=True):
            answers[index] = number
    return answers


def held_network(network: Network, layer: str, strongest: Strongest) -> Network:
    """Return the network up to a layer, in which no channel before it goes beyond its maximum over real pictures."""
    graph, highest = network.graph, dict[str, Tensor]()

    def steps() -> Iterator[Operation]:
        for operation in graph.needed_for([layer]):
            value = operation.outputs[0]
            measured = None if value == layer else measured_channels(network, value, strongest)
            if measured is None:
                yield operation
                continue
            free, key = f"{value} (free)", f"{value} (highest)"
            highest[key] = measured[:, 1, -1].to(network.precision)
            attributes = {CHANNELS_LAST: True} if graph.channels_last else {}
            yield replace(operation, outputs=(free, *operation.outputs[1:]))
            yield Operation(
                "at_most", f"hold {value}", "Hold", (free,), (value,), {"maximum": key}, attributes
            )

    operations = tuple(steps())
    held = replace(
        graph, operations=operations, outputs=(layer,), parameters=graph.parameters.replaced(highest)
    )
    return Network(held, input_spec=network.input_spec, labels=network.labels, device=network.device)
