"""The plain-data graph that is the truth about a network: listed, drawn, walked, rewritten, saved and run.

Values have names, and a value's name is its address. Nothing is ever written in place: where the source's own
format does so, each write is a version of its own. The last one has the blob's name (``conv1``), an earlier
one says which layer wrote it (``conv1@conv1``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from convscope.network.cut import CutLayer
from convscope.network.parameters import Parameters, Shape

CHANNELS_LAST = "channels_last"
_FEW = 64  # values, each of which may be gone back from


@dataclass(frozen=True)
class Operation:
    """One step of a network.

    `kind` is the function of `convscope.network.operations` that computes it; `name` and `type_name` are the
    source's own words for it; `parameters` maps the function's keyword (``weight``) to a name in
    `Graph.parameters`; `attributes` are its other keywords, plain numbers, strings and tuples. `in_place` says
    that the source writes the first output over the first input. `definition` is the source's own description,
    kept for saving.

    One attribute belongs to no function: with ``channels_last`` the operation's values have their channels on the
    last axis, and whoever runs it gives its function their channels-first views (`convscope.network.axes`); its
    other attributes, an ``axis`` say, and its parameters are meant for those.
    """

    kind: str
    name: str
    type_name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    parameters: Mapping[str, str] = field(default_factory=dict)
    attributes: Mapping[str, Any] = field(default_factory=dict)
    in_place: bool = False
    definition: Any = None

    @property
    def channels_last(self) -> bool:
        """Whether the values it reads and makes have their channels on the last axis."""
        return bool(self.attributes.get(CHANNELS_LAST))

    @property
    def keywords(self) -> dict[str, Any]:
        """The attributes that its function takes."""
        return {name: value for name, value in self.attributes.items() if name != CHANNELS_LAST}


@dataclass(frozen=True)
class Graph:
    """A network as plain data: what goes in, the operations in the order they run, what comes out.

    `inputs` maps each input's name to the shape the source gives it. `aliases` are further names of a value
    (``conv1@relu1`` is ``conv1`` when relu1 wrote it last). With `channels_last` a value's channels are its last axis,
    else its second. `constants` are values that no input changes and that are no layers: TensorFlow counts its weights
    and the arithmetic with them among its tensors. `output_names` are what the source calls its outputs where those are
    not their values' names (the keys of a dictionary), name to value. `cut` are values that are not computed, and why:
    the network goes on beside them (`convscope.network.cut`). `ends` are outputs that the source has not: what was last
    before a cut.
    """

    name: str
    inputs: Mapping[str, Shape]
    operations: tuple[Operation, ...]
    outputs: tuple[str, ...]
    parameters: Parameters
    aliases: Mapping[str, str] = field(default_factory=dict)
    channels_last: bool = False
    constants: frozenset[str] = frozenset()
    cut: Mapping[str, CutLayer] = field(default_factory=dict)
    output_names: Mapping[str, str] = field(default_factory=dict)
    ends: frozenset[str] = frozenset()

    @property
    def channel_axis(self) -> int:
        """Which axis of a value its channels are on: 1, or -1 for the last."""
        return -1 if self.channels_last else 1

    @cached_property
    def producers(self) -> Mapping[str, Operation]:
        """Value name to the operation that makes it, in the order they run."""
        return {output: operation for operation in self.operations for output in operation.outputs}

    @cached_property
    def values(self) -> tuple[str, ...]:
        """Every value's name, inputs first, in the order they are made."""
        return (*self.inputs, *self.producers)

    @cached_property
    def consumers(self) -> Mapping[str, tuple[Operation, ...]]:
        """Value name to the operations that read it."""
        readers: dict[str, list[Operation]] = {value: [] for value in self.values}
        for operation in self.operations:
            for value in dict.fromkeys(operation.inputs):
                readers[value].append(operation)
        return {value: tuple(operations) for value, operations in readers.items()}

    def needed_for(self, targets: Iterable[str]) -> tuple[Operation, ...]:
        """Return the operations without which the targets cannot be computed, in the order they run."""
        values = set(targets)
        needed: list[Operation] = []
        for operation in reversed(self.operations):
            if values.intersection(operation.outputs):
                needed.append(operation)
                values.update(operation.inputs)
        return tuple(reversed(needed))

    def depths(self, values: Sequence[str]) -> list[int]:
        """Return how many operations lead to each value; of very many values, how many its longest way has.

        The latter is found for all of them at once.
        """
        if len(values) <= _FEW:
            return [len(self.needed_for([value])) for value in values]
        longest = dict[str, int]()
        for operation in self.operations:
            before = max((longest.get(value, 0) for value in operation.inputs), default=0)
            longest |= dict.fromkeys(operation.outputs, before + 1)
        return [longest.get(value, 0) for value in values]

    def written_by(self, value: str) -> tuple[Operation, ...]:
        """Return the operations that wrote this blob, first to last: a convolution, then its in-place ReLU."""
        steps: list[Operation] = []
        while (producer := self.producers.get(value)) is not None:
            steps.append(producer)
            if not (producer.in_place and producer.outputs[0] == value):
                break
            value = producer.inputs[0]
        return tuple(reversed(steps))

    @cached_property
    def blobs(self) -> tuple[str, ...]:
        """Every value that no later operation writes over: one a blob, in the order of their first writing.

        `constants` are left out.
        """
        first = {value: index for index, value in enumerate(self.values)}
        last = {value: value for value in self.values if value not in self.constants}
        for operation in self.operations:
            if operation.in_place:
                old, new = operation.inputs[0], operation.outputs[0]
                first[new] = first.pop(old, first[new])
                last.pop(old, None)
        return tuple(sorted(last, key=first.__getitem__))
