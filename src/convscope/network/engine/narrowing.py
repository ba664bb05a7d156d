"""Only the wanted channels of a last layer: the graph without what computes the others.

Of the convolution that makes a channel one filter runs instead of all. Behind a concatenation only the branch it comes
from does: for a channel of GoogLeNet's inception_4c/output that is one convolution of six.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from convscope.network.graph import CHANNELS_LAST, Graph, Operation
from convscope.network.operations import kind_of
from convscope.network.shapes import infer_shapes

Channels = tuple[int, ...]


def narrowed(
    graph: Graph, channels: Mapping[str, Sequence[int]], targets: Iterable[str]
) -> tuple[Graph, dict[str, str]]:
    """Return the graph with operations that make only these channels, and the value to ask for instead of each target.

    `channels` is value to channels. Other targets, and what other operations need of a value, are left as they are.
    """
    channels_of_value = {value: tuple(numbers) for value, numbers in channels.items()}
    rewrite = _Rewrite(
        graph, channels_of_value, [value for value in targets if value not in channels_of_value]
    )
    narrow_names = {value: rewrite.of(value, numbers) for value, numbers in channels_of_value.items()}
    parameters = graph.parameters.replaced(rewrite.parameters)
    whole = replace(graph, operations=(*graph.operations, *rewrite.operations), parameters=parameters)
    return whole, {value: narrow_names.get(value, value) for value in targets}


class _Rewrite:
    def __init__(self, graph: Graph, narrow: Mapping[str, Channels], others: Sequence[str]) -> None:
        self.graph = graph
        self.shapes = infer_shapes(graph, graph.inputs, narrow)
        self.operations: list[Operation] = []
        self.parameters: dict[str, Tensor] = {}
        # What has to be there whole: other targets, and what more than one operation reads.
        needed = {id(operation) for operation in graph.needed_for([*others, *narrow])}
        readers = {
            value: sum(id(operation) in needed for operation in operations)
            for value, operations in graph.consumers.items()
        }
        self.whole = {*others, *graph.inputs} | {
            value for value, count in readers.items() if count > (value not in narrow)
        }

    def of(self, value: str, channels: Channels) -> str:
        """Return the name of a value that has these channels of another, in their order."""
        producer = self.graph.producers.get(value)
        if value in self.whole or producer is None or not self._can_narrow(producer):
            return self._picked(value, channels)
        if producer.kind == "concat":
            return self._joined(producer, channels)
        inputs = producer.inputs
        kind = kind_of(producer.kind)
        if kind.pointwise or kind.per_channel:
            inputs = tuple(self.of(read, channels) for read in inputs)
        parameters = {role: self._rows(key, channels) for role, key in producer.parameters.items()}
        return self._add(replace(producer, inputs=inputs, parameters=parameters), value)

    def _can_narrow(self, operation: Operation) -> bool:
        attributes, kind = operation.attributes, operation.kind
        plain = (
            attributes.get("axis", 1) == 1 and not attributes.get("transpose") and len(operation.outputs) == 1
        )
        facts = kind_of(kind)
        if facts.filter_rows:
            return plain and len(operation.inputs) == 1 and attributes.get("groups", 1) == 1
        if kind in ("batch_norm", "scale", "bias"):
            shapes = [self.graph.parameters.shapes[key] for key in operation.parameters.values()]
            own = "mean" in operation.parameters if kind == "batch_norm" else bool(operation.parameters)
            return plain and own and len(operation.inputs) == 1 and all(len(shape) == 1 for shape in shapes)
        countable = kind == "concat" and None not in map(self._count, operation.inputs)
        by_itself = facts.pointwise and not operation.parameters
        return plain and (countable or by_itself or facts.per_channel)

    def _count(self, value: str) -> int | None:
        """Return how many channels a value has."""
        shape = self.shapes[value]
        return shape[self.graph.channel_axis] if shape else None

    def _joined(self, concat: Operation, channels: Channels) -> str:
        """Return the narrowed inputs that have any of the channels, joined and put in order."""
        start, parts, order = 0, [], []
        for read in concat.inputs:
            count = self._count(read) or 0
            own = [channel for channel in dict.fromkeys(channels) if start <= channel < start + count]
            if own:
                parts.append(self.of(read, tuple(channel - start for channel in own)))
                order += own
            start += count
        joined = (
            parts[0]
            if len(parts) == 1
            else self._add(replace(concat, inputs=tuple(parts)), concat.outputs[0])
        )
        return (
            joined
            if tuple(order) == channels
            else self._picked(joined, tuple(map(order.index, channels)), concat)
        )

    def _picked(self, value: str, channels: Channels, like: Operation | None = None) -> str:
        producer = like or self.graph.producers.get(value)
        last = producer.channels_last if producer else self.graph.channels_last
        name = f"channels {channels}"
        self.parameters[name] = torch.tensor(channels)
        attributes = {"axis": 1, **({CHANNELS_LAST: True} if last else {})}
        pick = Operation("gather", name, "Channels", (value,), (value,), {"index": name}, attributes)
        return self._add(pick, value)

    def _rows(self, key: str, channels: Channels) -> str:
        if self.graph.parameters.shapes[key] == (1,):
            return key  # Caffe's scale_factor, one for all
        name = f"{key} {channels}"
        self.parameters[name] = self.graph.parameters[key][list(channels)]
        return name

    def _add(self, operation: Operation, value: str) -> str:
        name = f"{value} ({len(self.operations)})"
        self.operations.append(replace(operation, outputs=(name,), in_place=False))
        return name
