"""What the builders of all formats share: values with shapes, parameters, and operations until they are a graph."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from convscope.errors import ConvscopeError, InputError, NetworkFileError, warn
from convscope.formats.short_numbers import note_of_short
from convscope.network.cut import CutLayer, cut_with, note_of_cut, require_uncut
from convscope.network.graph import Graph, Operation
from convscope.network.operations.checks import dimensions
from convscope.network.parameters import Parameters, Shape
from convscope.network.shapes import infer_operation

MOST_OPERATIONS = 30_000
"""No network has more; models inside models, functions and loops make any number of a few bytes."""
BARE_ERRORS = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RuntimeError)
"""What Python raises where a file says of a layer what nobody would write."""


class LazyTensor(Protocol):
    """A parameter where it lies: its shape is known at once, its numbers are read when they are asked for.

    A tensor is taken as it is; an array becomes one of single precision with memory of its own.
    """

    @property
    def shape(self) -> Shape:
        """The shape the graph has it in."""

    def load(self) -> Any:
        """Return the numbers in that shape."""


@dataclass
class GraphBuilder:
    """A graph in the making: a format names the values and says what each layer becomes. `file` is named in errors."""

    file: str = ""
    inputs: dict[str, Shape] = field(default_factory=dict)
    shapes: dict[str, Shape | None] = field(default_factory=dict)
    operations: list[Operation] = field(default_factory=list)
    stored: dict[str, LazyTensor] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    sizes: dict[str, Tensor] = field(default_factory=dict)
    """The values that are worked out from shapes alone."""
    cut: dict[str, CutLayer] = field(default_factory=dict)
    """The values of layers that cannot be computed, and why."""
    before_cut: set[str] = field(default_factory=set)
    """What layers that are cut read: of the outputs, those that the source has not."""
    misfit: InputError | None = None
    """What was wrong with the first layer whose sizes do not fit."""
    notes: list[str] = field(default_factory=list)
    """What to say of the network when it is done."""
    short: set[str] = field(default_factory=set)
    """The types of few digits in which the network's own framework computes some of its steps (`short_numbers`)."""

    def add_input(self, name: str, shape: Shape) -> None:
        """Let a value be an input."""
        self.inputs[name] = self.shapes[name] = shape

    def add(self, operation: Operation) -> None:
        """Append an operation and work out the shapes of what it makes; InputError names the layer."""
        self._require_few()
        self.infer(operation)
        self.operations.append(operation)

    def cut_behind(self, inputs: Iterable[str], outputs: Iterable[str], name: str, type_name: str) -> bool:
        """Cut a layer that reads a cut value; say whether it does."""
        layer = cut_with(self.cut, inputs, name, type_name)
        if layer is not None:
            self.cut_at(outputs, layer)
        return layer is not None

    def cut_at(self, values: Iterable[str], layer: CutLayer) -> None:
        """Let values be cut: what reads them is not computed either."""
        self._require_few()
        self.cut.update(dict.fromkeys(values, layer))

    def _require_few(self) -> None:
        if len(self.operations) + len(self.cut) >= MOST_OPERATIONS:
            raise NetworkFileError(
                f"{self.file or 'this'} comes to more than {MOST_OPERATIONS:,} operations; no network has so many"
            )

    def cut_misfit(self, values: Iterable[str], layer: CutLayer, error: InputError) -> None:
        """Cut a layer whose sizes do not fit: what needs it is not there, the rest is."""
        self.misfit = self.misfit or error
        self.cut_at(values, layer)

    def require_some(self, remaining: int) -> None:
        """Raise what is wrong where so many operations remain, and that is none."""
        if self.misfit and not remaining:
            raise self.misfit
        require_uncut(self.cut, remaining)

    def infer(self, operation: Operation) -> None:
        """Work out the shapes of what an operation makes."""
        needed = {key: self.stored[key].shape for key in operation.parameters.values()}
        self.shapes.update(infer_operation(operation, self.shapes, needed, self.sizes))

    @contextmanager
    def reading(self, node: str) -> Iterator[None]:
        """Turn what goes wrong while a node is read into one line that names the file and the node.

        >>> with builder.reading("layer 'conv1', a Conv2D,"):
        ...     plans = translate(layer)
        """
        try:
            yield
        except ConvscopeError as error:
            if not self.file or Path(self.file).name in str(error):
                raise
            raise type(error)(f"{self.file}: {error}") from error
        except BARE_ERRORS as error:
            reason = str(error).splitlines()[0] if str(error) else "no reason given"
            place = f"{self.file}: " if self.file else ""
            raise NetworkFileError(
                f"{place}{node} is described wrongly ({type(error).__name__}: {reason}): the file is damaged, or of "
                "a version that convscope does not know"
            ) from error

    def ends(self, constants: Collection[str] = ()) -> list[str]:
        """Return what is made and never read, other than the constants."""
        read = self._read()
        values = (value for operation in self.operations for value in operation.outputs)
        return [value for value in values if value not in read and value not in constants]

    def _read(self) -> set[str]:
        return {value for operation in self.operations for value in operation.inputs}

    def graph(
        self,
        name: str,
        *,
        outputs: Sequence[str] | None = None,
        channels_last: bool = False,
        constants: Collection[str] = (),
    ) -> Graph:
        """Return the graph of everything added, and warn of what was cut; UnsupportedLayer where nothing remains.

        Without `outputs` they are what is made and never read. Inputs that no operation reads are left out.
        """
        self.require_some(len(self.operations))
        precision = [f"{name or self.file}: {note_of_short(self.short)}"] if self.short else []
        if notes := [*precision, *self.notes, *([note_of_cut(self.cut)] if self.cut else [])]:
            warn("; ".join(notes))
        read = self._read()
        outputs = self.ends(constants) if outputs is None else outputs
        return Graph(
            name=name,
            inputs={key: shape for key, shape in self.inputs.items() if key in read} or dict(self.inputs),
            operations=tuple(self.operations),
            outputs=tuple(dict.fromkeys(outputs)),
            parameters=load_parameters(self.stored),
            aliases=self.aliases,
            channels_last=channels_last,
            constants=frozenset(constants),
            cut=self.cut,
            ends=frozenset(self.before_cut.intersection(outputs)),
        )


def load_parameters(stored: dict[str, LazyTensor]) -> Parameters:
    """Return the parameters, none read yet."""

    def load(name: str) -> Tensor:
        try:
            numbers = stored[name].load()
            if isinstance(numbers, Tensor):
                return numbers
            return torch.from_numpy(np.require(numbers, np.float32, ["C", "W", "O"]))
        except MemoryError as error:
            raise InputError(f"there is no memory for {name!r}, {dimensions(stored[name].shape)}") from error

    return Parameters({name: one.shape for name, one in stored.items()}, load)
