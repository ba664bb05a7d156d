"""What lies behind a layer, run by itself: from answers that are given, as many at a time as one likes.

Ablating a unit, clamping it or asking what it contributes changes nothing before its layer: only the tail runs again.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import replace
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from convscope.address import Address
from convscope.errors import InputError
from convscope.network.axes import to_channels_first, to_channels_last
from convscope.network.engine.narrowing import narrowed
from convscope.network.engine.runner import Runner
from convscope.network.graph import Graph, Operation
from convscope.network.network import Network

_RUNNERS_KEPT = 8  # of a network, each for a layer, targets and sizes
_KEPT: WeakKeyDictionary[Network, dict[Hashable, Runner]] = WeakKeyDictionary()


class Tail:
    """The operations between a layer and some targets, for one input: what they read from elsewhere is kept.

    ``answer`` is what the layer answered to the input, ``others`` what the values in `also` did. All tensors are
    channels first. `channels` names, for a target, the only channels of it that are computed, in their order. `known`
    are values that need not be computed again.

    >>> tail = Tail(network, network.preprocess("cat.jpg"), "inception_5b/output", ["loss3/classifier"])
    >>> without = tail.run(tail.answer * (torch.arange(1024) != 42).reshape(1, -1, 1, 1))["loss3/classifier"]

    InputError where a target does not depend on the layer.
    """

    def __init__(
        self,
        network: Network,
        input: Tensor,
        layer: str,
        targets: Sequence[str],
        *,
        channels: Mapping[str, Sequence[int]] | None = None,
        known: Mapping[str, Tensor] | None = None,
    ) -> None:
        self.layer, self.targets = layer, tuple(dict.fromkeys(targets))
        self._last = network.graph.channels_last
        behind = operations_behind(network.graph, layer, self.targets)
        self.operations, values = _with_floats_beside(network, input, layer, behind, known or {})
        self.answer = network.channels_first(layer, values[layer])
        read = dict.fromkeys(value for operation in self.operations for value in operation.inputs)
        outputs_of_tail = {output for operation in self.operations for output in operation.outputs}
        beside = [value for value in read if value not in outputs_of_tail and value != layer]
        constants = constant_values(network.graph).intersection(
            beside
        )  # no batch's: made again, part of a shape or not
        self._beside = {value: values[value] for value in beside if value not in constants}
        self._beside_shapes = {value: tuple(tensor.shape) for value, tensor in self._beside.items()}
        shapes = {layer: tuple(values[layer].shape), **self._beside_shapes}
        graph = Graph(
            network.graph.name,
            shapes,
            (*(network.graph.needed_for(constants) if constants else ()), *self.operations),
            self.targets,
            network.graph.parameters,
            channels_last=self._last,
        )
        self.graph, self._outputs = narrowed(graph, channels or {}, self.targets)
        self._device, self._runners = network.device, {layer: Runner(self.graph, network.device)}
        asked = {target: tuple(indices) for target, indices in (channels or {}).items()}
        key = (layer, self.targets, tuple(asked.items()), tuple(shapes.items()))
        self._differentiable = _kept_runner(network, key, Runner(self.graph, network.device))

    @property
    def outputs(self) -> tuple[str, ...]:
        """The values of `graph` that hold the targets, or the channels of them that are computed."""
        return tuple(dict.fromkeys(self._outputs.values()))

    def run(self, answers: Tensor) -> dict[str, Tensor]:
        """Return what the targets answer where the layer answers these, (N, channels, ...); gradients flow to them."""
        return self.run_from(self.layer, answers)

    def run_from(self, value: str, answers: Tensor) -> dict[str, Tensor]:
        """Return the same from the answers of a value that every way behind the layer goes through."""
        beginning = to_channels_last(answers) if self._last else answers
        if value not in self._runners:
            others = tuple(one for one in self.graph.operations if value not in one.outputs)
            inputs = {value: tuple(beginning.shape), **self._beside_shapes}
            graph = replace(self.graph, inputs=inputs, operations=others)
            operations = graph.needed_for(self.outputs)  # not what reads the layer, which is not there
            self._runners[value] = Runner(replace(graph, operations=operations), self._device)
        beginnings = {value: beginning}
        for name, tensor in self._beside.items():
            beginnings[name] = tensor.expand(len(answers), *tensor.shape[1:]) if len(tensor) == 1 else tensor
        for_gradient = value == self.layer and answers.requires_grad
        runner = self._differentiable if for_gradient else self._runners[value]
        answers_after = runner.run(beginnings, self.outputs)
        return {
            target: to_channels_first(answers_after[output]) if self._last else answers_after[output]
            for target, output in self._outputs.items()
        }


def _kept_runner(network: Network, key: Hashable, runner: Runner) -> Runner:
    """Return the runner of an earlier tail of the same layer, targets and sizes, which is cut already; else this one.

    Only for gradients: what those run is not packed, so keeping it takes no memory.
    """
    kept = _KEPT.setdefault(network, {})
    if key not in kept:
        if len(kept) >= _RUNNERS_KEPT:
            del kept[next(iter(kept))]
        kept[key] = runner
    return kept[key]


def operations_behind(graph: Graph, layer: str, targets: Sequence[str]) -> tuple[Operation, ...]:
    """Return the operations on the ways from a layer to the targets, in the order they run."""
    reached, behind = {layer}, []
    for operation in graph.needed_for(targets):
        if layer not in operation.outputs and reached.intersection(operation.inputs):
            reached.update(operation.outputs)
            behind.append(operation)
    for target in targets:
        if target not in reached:
            raise InputError(f"{target!r} does not depend on {layer!r}: choose a layer before it")
    return tuple(behind)


def constant_values(graph: Graph, taken: Iterable[str] = ()) -> set[str]:
    """Return the values that no input of the graph goes into: they are the same however many pictures there are.

    Those in `taken` are taken for such, and so is what is made of them alone.
    """
    constants = set(taken)
    for operation in graph.operations:
        if constants.issuperset(operation.inputs):
            constants.update(operation.outputs)
    return constants


def _with_floats_beside(
    network: Network, input: Tensor, layer: str, behind: Sequence[Operation], known: Mapping[str, Tensor]
) -> tuple[tuple[Operation, ...], dict[str, Tensor]]:
    """Return the operations, and what they read that none of them makes: sizes are worked out again, as batches are."""
    graph, operations = network.graph, {id(operation) for operation in behind}
    values: dict[str, Tensor] = {}
    while True:
        chosen = tuple(operation for operation in graph.operations if id(operation) in operations)
        outputs_of_tail = {output for operation in chosen for output in operation.outputs}
        read = dict.fromkeys(
            value for operation in chosen for value in operation.inputs if value not in outputs_of_tail
        )
        missing = [value for value in (layer, *read) if value not in values and value not in known]
        with torch.no_grad():
            computed = network.activations(input, *map(Address, missing)) if missing else {}
        values |= {value: known[value] for value in (layer, *read) if value in known} | computed
        whole = {
            value for value in read if not values[value].is_floating_point() and value in graph.producers
        }
        if not whole:
            return chosen, values
        operations |= {id(graph.producers[value]) for value in whole}
