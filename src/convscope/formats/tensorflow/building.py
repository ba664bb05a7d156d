"""From nodes to a Graph: a node is a value of its own name, channels last as TensorFlow has them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import prod
from types import MappingProxyType
from typing import Any

import numpy as np

from convscope.errors import InputError, NetworkFileError, UnsupportedLayer
from convscope.formats.decisions import Decisions, note_read, noted_in
from convscope.formats.folding_budget import FoldingBudget
from convscope.formats.graph_builder import GraphBuilder
from convscope.formats.only_size import checked_operations, only_of_this_size
from convscope.formats.operation_plan import OperationPlan
from convscope.formats.sizes import Axis, Size, SizeFraction, product
from convscope.formats.tensorflow.constants import FOLDERS, decides, folded, is_live
from convscope.formats.tensorflow.functions import CHOSEN
from convscope.formats.tensorflow.node import Node, OutputReference
from convscope.formats.tensorflow.ops import translate
from convscope.formats.tensorflow.ops.waves import require_real
from convscope.formats.tensorflow.parameters import LAYOUTS, Array, LaidOut
from convscope.formats.tensorflow.tensors import FLOATING, to_array
from convscope.formats.tensorflow.unrolling import Unrolling
from convscope.network.cut import CutLayer
from convscope.network.graph import CHANNELS_LAST, Graph, Operation
from convscope.network.parameters import Shape

_IGNORED = frozenset({"NoOp", "Assert", "Placeholder", "PlaceholderV2", "ScalarSummary", "HistogramSummary"})
_SHORT = {"DT_HALF": "float16", "DT_BFLOAT16": "bfloat16"}
_FEW = 4096  # how many numbers may be written into the graph itself


def build_graph(
    nodes: Sequence[Node],
    inputs: Mapping[str, Shape],
    name: str = "",
    *,
    values: Mapping[str, Array] = MappingProxyType({}),
    channels_last: bool = True,
) -> Graph:
    """Return the graph of these nodes, in their order, for inputs of these shapes, with other inputs' `values`.

    What no picture changes is worked out beforehand: it stays a value, but is no layer. Where convscope does not know
    an op the graph is cut.
    """
    building = _Building(GraphBuilder())
    for value, numbers in values.items():
        building.constants[value] = _Constant(np.asarray(numbers), numbers.dtype.kind == "f", value)
        building.operations[value] = None
    for value, shape in inputs.items():
        building.builder.add_input(value, shape)
    for node in nodes:
        building.add(node)
    building.builder.require_some(sum(one is not None for one in building.operations.values()))
    return building.graph(name, channels_last)


@dataclass
class _Constant:
    """Numbers that no picture changes; `floating` where they are weights rather than sizes and axes.

    `origin` is the first name they had: weights are read through an Identity.
    """

    numbers: Array
    floating: bool
    origin: str


@dataclass
class _Building:
    builder: GraphBuilder
    constants: dict[str, _Constant] = field(default_factory=dict)
    operations: dict[str, Operation | None] = field(default_factory=dict)
    parameters: dict[str, LaidOut] = field(default_factory=dict)
    several: set[str] = field(default_factory=set)
    not_taken: set[str] = field(default_factory=set)
    measured: list[str] = field(default_factory=list)
    budget: FoldingBudget = field(default_factory=FoldingBudget)
    decisions: Decisions = field(default_factory=Decisions)

    def __post_init__(self) -> None:
        self.unrolling = Unrolling(self)

    def add(self, node: Node) -> None:
        """Make a node a constant, an operation or nothing; a loop all its rounds."""
        node = self.unrolling.meant(node)
        self._add(node)
        if node.name in self.builder.cut:
            self.builder.before_cut.update(map(self._name, node.inputs))

    def _add(self, node: Node) -> None:
        ready = node.name in self.builder.inputs or node.name in self.constants
        if ready or node.op in _IGNORED:
            return
        if self.builder.cut_behind((read.node for read in node.inputs), [node.name], node.name, node.op):
            return
        if self._unrolled(node):
            return
        try:
            require_real(node)
            value = self._constant_of(node)
        except UnsupportedLayer as error:
            self.builder.cut_at([node.name], CutLayer(node.name, node.op, str(error)))
            return
        if value is not None:
            self.constants[node.name] = value
            self.operations[node.name] = None  # its place; what makes it depends on who reads it
            return
        if node.op == CHOSEN and (truth := self.numbers(node.inputs[0])) is not None and truth.size == 1:
            self.not_taken.add(self._name(node.inputs[2 if truth.item() else 1]))
        if node.op != "Const":  # else it is text
            self._translate(node)

    def _unrolled(self, node: Node) -> bool:
        """Write a loop out, and keep lists; what it leaves is cut where that cannot be. Say whether the node is one."""
        before = dict(self.operations)
        try:
            with self.builder.reading(f"node {node.name!r}, a {node.op},"):
                return self.unrolling.take(node)
        except UnsupportedLayer as error:
            self.operations = before
            self.builder.cut_at([node.name], CutLayer(node.name, node.op, str(error)))
            return True

    def numbers(self, read: OutputReference) -> Array | None:
        """Return what is known of a value whatever the picture."""
        constant = self.constants.get(read.node)
        return None if constant is None else constant.numbers

    def keep(self, name: str, numbers: Array) -> None:
        """Let a value be these numbers."""
        self.constants[name] = _Constant(numbers, numbers.dtype.kind == "f", name)
        self.operations[name] = None

    def is_cut(self, read: OutputReference) -> bool:
        """Whether a value is not computed."""
        return read.node in self.builder.cut

    def shape_of(self, read: OutputReference) -> Shape:
        """Return a value's shape."""
        numbers = self.numbers(read)
        shape = self.builder.shapes.get(self._name(read)) if numbers is None else numbers.shape
        if shape is None:
            raise UnsupportedLayer(f"the shape of {read.node!r} depends on the picture")
        return shape

    def _constant_of(self, node: Node) -> _Constant | None:
        """Return what a node makes of numbers that are known, or of sizes."""
        if node.op == "Const":
            tensor = node.attributes["value"].tensor if "value" in node.attributes else None
            array = None if tensor is None else to_array(tensor, node.name)
            if tensor is None or array is None:
                return None
            if array.size and not min(array.strides, default=1):  # one number, said to be many
                self.budget.spend(node.name, array.shape)
            else:
                self.budget.add_stored(array.size)
            return _Constant(array, tensor.dtype in FLOATING, node.name)
        if node.op in ("Shape", "Rank", "Size") and (
            shape := self.builder.shapes.get(read := self._name(node.inputs[0]))
        ):
            if node.op == "Rank":
                return _Constant(np.array(len(shape)), False, node.name)
            sizes = self._sizes(read, shape)
            numbers = sizes if node.op == "Shape" else np.array(product(sizes), object)
            return _Constant(numbers, False, node.name)
        if node.op == "PlaceholderWithDefault" or node.op in FOLDERS:
            constants = [self.constants[read.node] for read in node.inputs if read.node in self.constants]
            arrays = [constant.numbers for constant in constants]
            if constants and len(constants) == len(node.inputs) and not is_live(node, arrays):
                array = arrays[0] if node.op not in FOLDERS else self._folded(node, arrays)
                origin = constants[0].origin if array is arrays[0] else node.name
                return _Constant(array, array.dtype.kind == "f", origin)
        return None

    def _folded(self, node: Node, arrays: Sequence[Array]) -> Array:
        """Return what a node makes of known numbers; what it decides by sizes is noted, to be checked at others."""
        if not decides(node, arrays):
            return folded(node, arrays, self.budget)
        with self._noting(len(self.operations)):
            return folded(node, arrays, self.budget)

    @contextmanager
    def _noting(self, place: int) -> Iterator[None]:
        """Note what is decided by sizes for the operation at a place, to be checked at others before it."""
        self.decisions.steps = range(place)
        with noted_in(self.decisions):
            yield

    def _sizes(self, value: str, shape: Shape) -> Array:
        """Return a value's shape as numbers that know that they are its."""
        if value not in self.measured:
            self.measured.append(value)
        sizes = np.empty(len(shape), object)
        sizes[:] = [Size(size, Axis(self.measured.index(value), axis)) for axis, size in enumerate(shape)]
        return sizes

    def _name(self, read: OutputReference) -> str:
        """Return the value's name: the node's own, ``name:1`` where it makes several."""
        return f"{read.node}:{read.output}" if read.node in self.several else read.node

    def _translate(self, node: Node) -> None:
        noting = self._noting(len(self.operations))
        try:
            with self.builder.reading(f"node {node.name!r}, a {node.op},"), noting:
                step = translate(_Read(self, node))
        except UnsupportedLayer as error:
            self.builder.cut_at([node.name], CutLayer(node.name, node.op, str(error)))
            return
        outputs: tuple[str, ...] = (node.name,)
        if step.outputs > 1:
            self.several.add(node.name)
            outputs = tuple(f"{node.name}:{index}" for index in range(step.outputs))
        with self._noting(len(self.operations)):
            operation = self._operation(node, step, outputs)
        try:
            self.builder.infer(operation)
        except InputError as error:
            self.several.discard(node.name)
            self.builder.cut_misfit([node.name], CutLayer(node.name, node.op, str(error)), error)
            return
        self.operations[node.name] = operation
        self.builder.short |= {_SHORT[kind] for kind in (node.text("T"),) if kind in _SHORT}

    def _operation(self, node: Node, step: OperationPlan, outputs: tuple[str, ...]) -> Operation:
        channels_last = {CHANNELS_LAST: True} if step.attributes.get(CHANNELS_LAST) else {}
        attributes = {key: value for key, value in step.attributes.items() if key != CHANNELS_LAST}
        kind, inputs = step.kind, tuple(step.inputs)
        coder = _Coder(self, inputs, bool(channels_last))
        coded = {key: coder.code(value) for key, value in attributes.items()}
        if coder.used:
            coded = {"kind": kind, "attributes": coded, "read": len(inputs)}
            kind, inputs = "dynamic_shape", tuple(coder.inputs)
        return Operation(
            kind, node.name, node.op, inputs, outputs, step.parameters, {**coded, **channels_last}
        )

    def parameter(self, name: str, layout: str) -> str:
        """Return the name of the parameter that a constant becomes in a layout; one that has two has two."""
        array, key = self.constants[name].numbers, self.constants[name].origin
        if key in self.parameters and self.parameters[key].layout != layout:
            key = f"{key} ({layout})"
        if key not in self.parameters:
            self.parameters[key] = self.builder.stored[key] = LaidOut(array, layout)
        return key

    def use_constant(self, name: str) -> None:
        """Let an operation read a constant as a value."""
        self.builder.shapes[name] = tuple(self.constants[name].numbers.shape)

    def graph(self, name: str, channels_last: bool) -> Graph:
        """Return what was added."""
        written: list[Operation] = []
        for value, operation in self.operations.items():
            with self._noting(len(written)):
                written.append(operation or self._constant_operation(value))
        decisions, by_size = self.decisions.made, self.unrolling.by_size
        if (
            self.unrolling.inside or self.not_taken
        ):  # operations may be left out, and a decision counts those before it
            decisions, by_size = [], by_size or bool(decisions)
        self.builder.operations, _ = checked_operations(written, decisions, dict(enumerate(self.measured)))
        self._drop_unread()
        if by_size:
            self.builder.operations = only_of_this_size(self.builder.operations, self.builder.inputs)
        self.builder.aliases.update({node: f"{node}:0" for node in self.several})
        graph = self.builder.graph(
            name, outputs=self._ends(), channels_last=channels_last, constants=self.constants
        )
        if not graph.outputs:
            raise NetworkFileError(
                "the graph has no operation that a picture goes through: it is not a network"
            )
        return graph

    def _ends(self) -> list[str]:
        """Return what is made and never read; of a graph that is cut behind a size, whose size alone is read."""
        ends, operations = self.builder.ends(self.constants), self.builder.operations
        if ends or not self.builder.cut:
            return ends
        real = [one for one in operations if not self.constants.keys() & {*one.outputs}]
        read = {value for one in real for value in one.inputs}
        return [value for one in real for value in one.outputs if value not in read]

    def _drop_unread(self) -> None:
        """Leave out what a loop's last round makes for a round that never comes, and branches that are not taken."""
        builder, inside = self.builder, self.unrolling.inside
        while unread := self.not_taken.intersection(builder.ends(self.constants)):
            gone = [one for one in builder.operations if unread.intersection(one.outputs)]
            self.not_taken.difference_update(*(one.outputs for one in gone))
            self.not_taken.update(*(one.inputs for one in gone))
            builder.operations = [one for one in builder.operations if one not in gone]
        while inside and (unread := set(builder.ends(self.constants))):
            operations = [
                one
                for one in builder.operations
                if one.name not in inside or not unread.issuperset(one.outputs)
            ]
            if len(operations) == len(builder.operations) or not operations:
                return
            builder.operations = operations

    def _constant_operation(self, name: str) -> Operation:
        constant = self.constants[name]
        shape, numbers = tuple(constant.numbers.shape), constant.numbers
        if numbers.dtype == object:
            coder = _Coder(self, (), channels_last=False)
            values = coder.code(list(numbers.ravel()))
            inner = {"kind": "tensor", "attributes": {"values": values, "shape": shape}, "read": 0}
            return Operation("dynamic_shape", name, "Const", tuple(coder.inputs), (name,), {}, inner)
        few = 1 if constant.floating else _FEW
        if constant.origin not in self.parameters and prod(shape) <= few:
            attributes = {"values": tuple(numbers.ravel().tolist()), "shape": shape}
            return Operation("tensor", name, "Const", (), (name,), {}, attributes)
        key = constant.origin if constant.origin in self.parameters else self.parameter(name, "plain")
        back = LAYOUTS[self.parameters[key].layout].back(shape)
        return Operation("initializer", name, "Const", (), (name,), {"value": key}, back)


@dataclass
class _Read:
    """What one node reads: `translation.Operands`."""

    building: _Building
    node: Node

    def __len__(self) -> int:
        return len(self.node.inputs)

    def known(self, place: int) -> Array | None:
        constant = self.building.constants.get(self._read(place).node)
        return None if constant is None else constant.numbers

    def value(self, place: int) -> str:
        name = self.building._name(self._read(place))
        if name in self.building.constants:
            self.building.use_constant(name)
        elif name not in self.building.builder.shapes:
            raise UnsupportedLayer(
                f"node {self.node.name!r} reads {name!r}, which is no number but text, or not made by anything"
            )
        return name

    def shape(self, place: int) -> Shape:
        constant = self.known(place)
        known_shape = (
            self.building.builder.shapes.get(self.value(place)) if constant is None else constant.shape
        )
        if known_shape is None:
            raise UnsupportedLayer(
                f"node {self.node.name!r}: the shape of {self.value(place)!r} depends on the picture"
            )
        return known_shape

    def has_shape(self, place: int) -> bool:
        return (
            self.known(place) is not None or self.building.builder.shapes.get(self.value(place)) is not None
        )

    def sizes(self, place: int) -> Sequence[int]:
        name = self._read(place)
        if self.known(place) is not None:
            return self.shape(place)
        return tuple(self.building._sizes(self.building._name(name), self.shape(place)))

    def parameter(self, place: int, layout: str = "plain") -> str:
        return self.building.parameter(self._read(place).node, layout)

    def _read(self, place: int) -> OutputReference:
        if place >= len(self.node.inputs):
            raise NetworkFileError(
                f"node {self.node.name!r}: a {self.node.op} reads more than {len(self)} inputs"
            )
        return self.node.inputs[place]


@dataclass
class _Coder:
    """Writes numbers, some of them worked out from sizes, as the codes of the operation `dynamic_shape`."""

    building: _Building
    read: tuple[str, ...]
    channels_last: bool
    used: bool = False

    def __post_init__(self) -> None:
        self.inputs = list(self.read)

    def code(self, value: Any) -> Any:
        """Return a value as plain data."""
        if isinstance(value, Size):
            note_read(value.expression)
            return self._expression(value.expression)
        if isinstance(value, SizeFraction):
            return float(value)
        if isinstance(value, list | tuple):
            return tuple(self.code(item) for item in value)
        return value.item() if isinstance(value, np.generic) else value

    def _expression(self, expression: Any) -> Any:
        if not isinstance(expression, Axis):
            return tuple(map(self._expression, expression)) if isinstance(expression, tuple) else expression
        self.used = True
        name, axis = self.building.measured[expression.value], expression.axis
        if name not in self.inputs:
            self.inputs.append(name)
        count = len(self.building.builder.shapes[name] or ())
        if self.channels_last and count > 2 and axis:
            axis = (axis + 1) % count or 1
        return f"${self.inputs.index(name)}.{axis}"
