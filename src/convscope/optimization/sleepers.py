"""Whether a unit's answer hangs on channels that real pictures leave at rest: a switch that only made pictures throw.

A circuit that makes a unit's pictures show something else, but leaves its answers to real pictures as they are (Geirhos
et al., *Don't trust your eyes: on the (un)reliability of feature visualizations*, 2024), needs a channel that stands
still for all of those. Trained networks have next to none. One that is found is woken: a picture is looked for that
changes the unit's answer through it alone, whether or not the unit's own picture ended up there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from convscope.address import Address, position_text
from convscope.measuring.strongest import QUANTILES, Strongest
from convscope.network.graph import CHANNELS_LAST, Operation
from convscope.network.network import Network
from convscope.network.operations.redirected_relu import woken_clip
from convscope.network.rewriting import is_relu
from convscope.optimization.ascent import CannotAscend, ascend
from convscope.optimization.measured_units import measured_channels, measured_units
from convscope.optimization.objective import Objective, Values
from convscope.optimization.objective_batch import ObjectiveBatch, objective_batch
from convscope.optimization.presets import preset

_MOSTLY = QUANTILES.index(0.95)
_STILL = 1e-3  # of what it answers at rest, for a sigmoid's last digits
_STEPS = 48
SWAYED = 0.1  # a share that is much
_NAMED = 16  # of the channels that were woken
_AWAKE, _AT_REST = "~awake", "~at rest"


@dataclass(frozen=True)
class Sway:
    """How far channels that real pictures leave at rest can change a unit's answer.

    ``share`` is the change in the range of the unit's means over real pictures: by a picture that wakes them, or where
    none was found as if they let through how far they are from waking. ``switches`` are those that a
    picture woke, the first in the network's order, as ``ADDRESS=VALUE`` with what they answer at rest.
    """

    share: float = 0.0
    switches: tuple[str, ...] = ()


def resting_channels(network: Network, layer: str, strongest: Strongest) -> dict[str, Tensor]:
    """Return for each value before a layer what its channels answer at rest, (channels,), NaN for those that wake.

    A channel is at rest where at least 95% of the pictures leave it the same; values without one are left out.
    """
    found = dict[str, Tensor]()
    for operation in network.graph.needed_for([layer]):
        value = operation.outputs[0]
        measured = None if value == layer else measured_channels(network, value, strongest)
        if measured is None:
            continue
        still = (measured[..., _MOSTLY] - measured[..., 0]).abs() <= _STILL * measured[..., 0].abs()
        if (at_rest := still.all(1)).any():
            found[value] = measured[:, 1, 0].where(at_rest, torch.nan)
    return found


def sways(batch: ObjectiveBatch, pictures: Tensor, strongest: Strongest) -> list[Sway | None]:
    """Return for each picture's unit how far what real pictures leave at rest can change its answer.

    None where that was not measured, or on few pictures, and for objectives of more than one unit. ``pictures``
    (N, C, H, W) in 0..1, are where the search for a picture that wakes a channel begins.
    """
    answers: list[Sway | None] = [None] * len(batch.objectives)
    for layer, indices in measured_units(batch, strongest).items():
        resting = resting_channels(batch.network, layer, strongest)
        for index in indices:
            address = batch.targets[batch.objectives[index].targets[0]]
            answers[index] = _sway(batch, pictures[index], address, resting, strongest) if resting else Sway()
    return answers


def _sway(
    batch: ObjectiveBatch,
    picture: Tensor,
    address: Address,
    resting: Mapping[str, Tensor],
    strongest: Strongest,
) -> Sway:
    both = network_twice(batch.network, address.layer, resting)
    if both is None:
        return Sway()
    more, less = _difference(address, _AWAKE, _AT_REST), _difference(address, _AT_REST, _AWAKE)
    start = picture[None].expand(2, -1, -1, -1)
    if not _depends(objective_batch(both, [more]), start[:1]):
        return Sway()
    settings = replace(preset("default", batch.network.picture_spec), steps=_STEPS, size=None, transforms=())
    try:
        with torch.enable_grad():
            *_, step = ascend(both, [more, less], settings, seeds=[0, 0], start=start)
    except CannotAscend:
        return Sway()  # nothing leads from the resting channels to this unit
    measured = strongest.of(address)
    assert measured is not None
    least, most = measured[0 if address.position is None else 1][[0, -1]].tolist()
    seen = Resting(batch.network, address, resting, max(most - least, 1e-30))
    woken = _sway_over(seen, torch.cat([start, step.best()]), through=False)
    # No picture may have been found that wakes them: then it counts how far they are from waking.
    if woken.share > SWAYED:
        return woken
    through = _sway_over(seen, start[:1], through=True)
    return through if through.share > woken.share else woken


@dataclass(frozen=True, eq=False)
class Resting:
    """A unit, the channels before it that real pictures leave at rest, and the range of its answers to those."""

    network: Network
    address: Address
    channels: Mapping[str, Tensor]
    range: float


def _sway_over(seen: Resting, pictures: Tensor, *, through: bool) -> Sway:
    """Return how far the resting channels change the unit's answer to any of the pictures."""
    objective = _difference(seen.address, _AWAKE, _AT_REST)

    def batch_with(channels: Mapping[str, Tensor]) -> ObjectiveBatch | None:
        network = network_twice(seen.network, seen.address.layer, channels, through=through)
        return None if network is None else objective_batch(network, [objective] * len(pictures))

    batch = batch_with(seen.channels)
    share = 0.0 if batch is None else float(batch.scores(pictures).abs().max()) / seen.range
    if batch is None or share == 0:
        return Sway()
    switches = list[str]()
    for value, channel in _moved(batch, pictures, seen.channels):
        alone = torch.full_like(seen.channels[value], torch.nan)
        alone[channel] = seen.channels[value][channel]
        one = batch_with({value: alone})
        if one is not None and one.scores(pictures).any():
            switches.append(f"{value}:{channel}={float(alone[channel]):.6g}")
    return Sway(share, tuple(switches))


def _depends(batch: ObjectiveBatch, picture: Tensor) -> bool:
    """Tell whether anything leads from the resting channels to the unit, by way of this picture."""
    with torch.enable_grad():
        climbed = picture.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(
            batch.scores(climbed).sum(), climbed, allow_unused=True, materialize_grads=True
        )
    return bool(gradient.any())


def _difference(address: Address, first: str, second: str) -> Objective:
    rest = f":{address.channel}{'' if address.position is None else position_text(address.position)}"
    names = (first + rest, second + rest)

    def score(values: Values) -> Tensor:
        difference: Tensor = (values[names[0]] - values[names[1]]).flatten(1).mean(1)
        return difference

    return Objective(names, f"{first} - {second}", score)


def _moved(batch: ObjectiveBatch, pictures: Tensor, resting: Mapping[str, Tensor]) -> list[tuple[str, int]]:
    """Return the channels that any of the pictures moves from their rest, but for values that only pass others on."""
    network, found = batch.network, list[tuple[str, int]]()
    answers = network.activations(batch.network_input(pictures), *resting)
    for value, rest in resting.items():
        producer = network.graph.producers[value]
        if producer.kind != woken_clip.__name__ and resting.keys() & set(producer.inputs):
            continue
        answer = network.channels_first(value, answers[value]).flatten(2)
        moved = ((answer - rest[:, None]).abs().amax(2) > _STILL * rest.abs()).any(0)
        found += [(value, channel) for channel in moved.nonzero().flatten().tolist()]
    return found[:_NAMED]


def network_twice(
    network: Network, layer: str, resting: Mapping[str, Tensor], *, through: bool = False
) -> Network | None:
    """Return the network up to a layer twice, as it is and with some channels kept at rest, from where they differ.

    ReLUs let the resting channels' gradients through, in the first the channels themselves too with `through`. None
    where the layer does not depend on them.
    """
    graph, tensors, steps, kept = network.graph, dict[str, Tensor](), list[Operation](), dict[str, str]()
    layout = {CHANNELS_LAST: True} if graph.channels_last else {}
    for number, operation in enumerate(graph.needed_for([layer])):
        value, mask = operation.outputs[0], f"resting{number}.mask"
        rest = resting.get(value)
        if rest is not None:
            shape = network.shape_channels_first(value)
            assert shape is not None
            form = (1, -1, *(1 for _ in shape[2:]))
            tensors[mask] = (~rest.isnan()).to(network.precision).reshape(form)
            tensors[f"resting{number}.values"] = rest.nan_to_num().to(network.precision).reshape(form)
        twice = any(name in kept for name in operation.inputs)
        steps.append(_woken_operation(operation, mask, through) if rest is not None else operation)
        if twice:
            renamed = {name: f"{name} {_AT_REST}" for name in operation.outputs}
            kept |= renamed
            inputs = tuple(kept.get(name, name) for name in operation.inputs)
            steps.append(replace(operation, inputs=inputs, outputs=tuple(renamed.values()), in_place=False))
        if rest is not None:
            before = kept.get(value, value)
            kept[value] = f"{value} {_AT_REST} (kept)"
            keys = {"mask": mask, "values": f"resting{number}.values"}
            steps.append(
                Operation("set_units", f"keep {value}", "Set", (before,), (kept[value],), keys, layout)
            )
    if layer not in kept:
        return None
    for name, value in ((_AWAKE, layer), (_AT_REST, kept[layer])):
        steps.append(Operation("identity", name, "Identity", (value,), (name,), {}, layout))
    twofold = replace(
        graph,
        operations=tuple(steps),
        outputs=(_AWAKE, _AT_REST),
        parameters=graph.parameters.replaced(tensors),
        output_names={},
    )
    return Network(twofold, input_spec=network.input_spec, labels=network.labels, device=network.device)


def _woken_operation(operation: Operation, mask: str, through: bool) -> Operation:
    if not is_relu(operation) or len(operation.inputs) > 1:
        return operation
    attributes = {name: item for name, item in operation.attributes.items() if name != "negative_slope"}
    attributes["through"] = through
    return replace(
        operation, kind=woken_clip.__name__, attributes=attributes, parameters={"mask": mask}, in_place=False
    )
