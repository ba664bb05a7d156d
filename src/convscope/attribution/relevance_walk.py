"""Relevance from a target back to the picture, operation by operation, on the network's own graph.

Batch normalization and the like is worked into the convolution before it. An operation that no rule is for is named,
never guessed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from convscope.address import Address
from convscope.attribution.relevance_layers import (
    DENSE,
    answering,
    chains_of,
    is_linear,
    linear_layer,
    run_operation,
    values_read,
)
from convscope.attribution.relevance_products import is_less_zero, mixed_signals, signals, without_part
from convscope.attribution.relevance_rules import Composite, Rule, stabilized
from convscope.attribution.relevance_ways import way_of
from convscope.attribution.target import AttributionTarget
from convscope.errors import InputError
from convscope.network.axes import to_channels_first, to_channels_last
from convscope.network.graph import Graph, Operation
from convscope.network.operations.checks import axis_index
from convscope.network.operations.vector_jacobian import vector_jacobian

_KEYS_IN_VALUES = ("multi_head_attention", "mix_by_score")


@dataclass(frozen=True, eq=False)
class Walk:
    """Where relevance goes: ``values`` are what every layer answered, in the network's own order of axes."""

    target: AttributionTarget
    composite: Composite
    values: Mapping[str, Tensor]
    low: Tensor | None = None
    high: Tensor | None = None

    @property
    def graph(self) -> Graph:
        """The network's graph."""
        return self.target.network.graph

    def back(self, start: Mapping[str, Tensor], until: Sequence[str] = ()) -> dict[str, Tensor]:
        """Return the relevance of every value on the way from `start` (value to relevance) back to the inputs.

        Nothing goes further back from the values in `until`.
        """
        relevances = dict(start)
        for chain in reversed(self._chains):
            within = [operation.outputs[0] for operation in chain]
            inside = next((value for value in reversed(within) if value in relevances), None)
            if inside is None and not any(value in relevances for value in chain[-1].outputs):
                continue
            if len(chain) > 1 and inside is not None:  # what lies within has the relevance of what comes out
                relevances |= dict.fromkeys(within, relevances[inside])
            if set(until).intersection(within):
                continue
            for value, relevance in self._through(chain, relevances):
                relevances[value] = relevances[value] + relevance if value in relevances else relevance
        return relevances

    @cached_property
    def _chains(self) -> tuple[tuple[Operation, ...], ...]:
        return chains_of(self.graph, self.target.layers, self.values)

    def _through(
        self, chain: tuple[Operation, ...], relevances: Mapping[str, Tensor]
    ) -> Iterator[tuple[str, Tensor]]:
        """Yield what an operation read, and the relevance of that."""
        operation, last = chain[0], chain[-1]
        if not operation.inputs:
            return
        relevance = relevances[last.outputs[0]] if len(last.outputs) == 1 else None
        way = "passed" if is_less_zero(self.graph, operation) else way_of(operation)
        if way == "passed":  # what else it tells, as a mean, has none
            relevance = relevances.get(operation.outputs[0])
        if way == "filters" and relevance is not None and len(operation.inputs) == 1:
            yield operation.inputs[0], self._linear(chain, relevance)
        elif way == "passed" and relevance is not None and self._has_one_part(operation):
            read = self.values.get(operation.inputs[0], relevance)  # what only ReLUs read is not kept
            yield operation.inputs[0], relevance.reshape(read.shape)
        elif way == "multiplied" and relevance is not None:
            yield from self._product(operation, relevance)
        elif way == "divided" and relevance is not None and self._is_divided(operation):
            dividend, (turn, back) = operation.inputs[0], _turns(operation)
            yield dividend, back(turn(relevance).sum_to_size(turn(self.values[dividend]).shape))
        elif way == "half" and relevance is not None:
            axis = _axis_of(self.values[operation.inputs[0]], relevance)
            yield operation.inputs[0], torch.cat([relevance, torch.zeros_like(relevance)], axis)
        elif (
            operation.kind == "concat" and relevance is not None and (cut := self._cut(operation, relevance))
        ):
            yield from zip(operation.inputs, cut, strict=True)
        elif way in ("shared", "gated", "mixed", "routed"):
            yield from self._by_gradient(operation, relevances)
        else:
            raise InputError(
                f"there is no rule for relevance through {last.name or last.outputs[0]!r} ({last.type_name}): "
                "explain a layer before it, or use another method, as grad_cam or occlusion"
            )

    def _cut(self, concat: Operation, relevance: Tensor) -> tuple[Tensor, ...]:
        """Return the parts of what was joined, without a copy; none where one was stretched to the others' batch."""
        turn, back = _turns(concat)
        whole, inputs = turn(relevance), [turn(self.values[value]) for value in concat.inputs]
        axis = axis_index(concat.keywords.get("axis", 1), whole)
        if sum(one.numel() for one in inputs) != whole.numel():
            return ()
        parts = torch.split(whole, [one.shape[axis] for one in inputs], axis)
        return tuple(back(part) for part in parts)

    def _has_one_part(self, operation: Operation) -> bool:
        """Say whether all that an operation reads after its first input is taken as it is."""
        return self._constants.issuperset(operation.inputs[1:])

    def _is_divided(self, operation: Operation) -> bool:
        """Say whether the picture is in what is divided, not in the divisor alone."""
        first = not operation.attributes.get("swapped") and operation.inputs[0] not in self._constants
        return first or self._constants.issuperset(operation.inputs)

    @cached_property
    def _constants(self) -> set[str]:
        return without_part(self.graph)

    def products(self, relevances: Mapping[str, Tensor]) -> tuple[list[str], ...]:
        """Return the products that relevance went through: those in which gates got none, those of equal parts.

        And the quotients of two values, in which the divisor got none.
        """
        gated, equal, divided = list[str](), list[str](), list[str]()
        for operation in self.graph.needed_for(self.target.layers):
            count = sum(value not in self._constants for value in operation.inputs)
            way, name = way_of(operation), operation.outputs[0]
            if name not in relevances:
                continue
            if way == "half":
                gated.append(name)
            elif count > 1:
                if way in ("multiplied", "mixed"):
                    (gated if len(self._signals(operation)) < count else equal).append(name)
                elif way == "gated":
                    gated.append(name)
                elif way == "divided":
                    divided.append(name)
        return gated, equal, divided

    def _signals(self, operation: Operation) -> list[int]:
        """Return which inputs of a product share its relevance."""
        if way_of(operation) == "mixed":
            return mixed_signals(self.graph, operation, self._constants)
        turn, _ = _turns(operation)
        shapes = [turn(self.values[value]).shape for value in operation.inputs]
        return signals(self.graph, operation, self._constants, shapes)

    def _product(self, operation: Operation, relevance: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Yield the relevance of a product's signals; what was stretched gets that of all its copies."""
        turn, back = _turns(operation)
        which = self._signals(operation)
        part = turn(relevance) / len(which)
        for index in which:
            value = operation.inputs[index]
            yield value, back(part.sum_to_size(turn(self.values[value]).shape))

    def _linear(self, chain: tuple[Operation, ...], relevance: Tensor) -> Tensor:
        operation, input = chain[0], self.values[chain[0].inputs[0]]
        first = operation.channels_last
        read, above = (to_channels_first(one) if first else one for one in (input, relevance))
        rule = self._rule(operation)
        linear, above = answering(linear_layer(self.target.network, chain, read), above)
        if rule is self.composite.first:
            linear = replace(linear, low=self.low, high=self.high)
        share = rule(linear, read, above)
        return to_channels_last(share) if first else share

    def _rule(self, operation: Operation) -> Rule:
        composite = self.composite
        if composite.first and operation.inputs[0] not in self._behind_weights:
            return composite.first
        return composite.dense if operation.kind in DENSE else composite.convolution

    @cached_property
    def _behind_weights(self) -> set[str]:
        behind = set[str]()
        for operation in self.graph.operations:
            if is_linear(operation) or not behind.isdisjoint(operation.inputs):
                behind.update(operation.outputs)
        return behind

    def _by_gradient(
        self, operation: Operation, relevances: Mapping[str, Tensor]
    ) -> Iterator[tuple[str, Tensor]]:
        """Yield the relevance of what an average, a sum, a rearrangement or a product of matrices read."""
        turn, back = _turns(operation)
        inputs = [turn(self.values[value]).detach() for value in operation.inputs]
        floats = [index for index, one in enumerate(inputs) if one.is_floating_point()]
        way = way_of(operation)
        if way == "mixed":
            floats = self._signals(operation)
            if operation.kind in _KEYS_IN_VALUES and len(inputs) == 2:
                inputs.append(inputs[1])  # what says how much is mixed is taken as it is
        floats, shared = floats[1:] if way == "gated" else floats, way != "routed"
        with torch.enable_grad():
            for index in floats:
                inputs[index] = inputs[index].detach().requires_grad_()
            outputs = run_operation(self.graph, operation, inputs)
            arriving = [
                turn(relevances[value]) if value in relevances else None for value in operation.outputs
            ]
            pairs = [
                (output, one)
                for output, one in zip(outputs, arriving, strict=True)
                if one is not None and output.requires_grad
            ]
            if not pairs:  # a constant of the input's size, as a class token: its relevance stays there
                return
            if shared:
                pairs = [(output, one / stabilized(output.detach())) for output, one in pairs]
            gradients = vector_jacobian(
                [output for output, _ in pairs],
                [inputs[index] for index in floats],
                [one for _, one in pairs],
            )
        for index, gradient in zip(floats, gradients, strict=True):
            if gradient is not None:
                share = inputs[index].detach() * gradient if shared else gradient
                share = share / len(floats) if way == "mixed" else share
                yield operation.inputs[index], back(share)


def _axis_of(whole: Tensor, half: Tensor) -> int:
    """Return the axis along which a value is twice as long as its half."""
    return next(axis for axis, size in enumerate(half.shape) if whole.shape[axis] != size)


def _turns(operation: Operation) -> tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]:
    """Return what puts an operation's values channels first, and what puts them back."""
    return (to_channels_first, to_channels_last) if operation.channels_last else (_same, _same)


def _same(tensor: Tensor) -> Tensor:
    return tensor


def walk_of(target: AttributionTarget, composite: Composite, box: tuple[Tensor, Tensor] | None) -> Walk:
    """Return the walk for a target: runs the network once, and keeps what every layer on the way answered."""
    network = target.network
    names = [*network.graph.inputs, *values_read(network.graph, target.layers)]
    with torch.no_grad():
        values = network.activations(target.input, *map(Address, dict.fromkeys(names)))
    low, high = box or (None, None)
    return Walk(target, composite, values, low, high)
