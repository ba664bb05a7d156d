"""From an ONNX model's messages to a graph: constants folded, nodes read, shapes worked out as they go."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from convscope.errors import InputError, InputGuess, NetworkFileError, UnsupportedLayer, warn
from convscope.files import FileState
from convscope.formats.folding_budget import FoldingBudget
from convscope.formats.given_shapes import GivenShape
from convscope.formats.graph_builder import GraphBuilder
from convscope.formats.only_size import only_of_this_size
from convscope.formats.onnx.attributes import AttributeReference
from convscope.formats.onnx.calls import Call, Inner, calls_of
from convscope.formats.onnx.constants import Constant, constant_of, read_tensor
from convscope.formats.onnx.element_types import NAMES, STRING, SWITCHES
from convscope.formats.onnx.folding import fold, plan_number
from convscope.formats.onnx.inlining import branch_of, inlined_function
from convscope.formats.onnx.inputs import guessed_size, guesses, input_shapes, input_types, unread_values
from convscope.formats.onnx.model import opset_of
from convscope.formats.onnx.node import Node
from convscope.formats.onnx.operators import reader_of
from convscope.formats.onnx.operators.registry import MICROSOFT, Reader
from convscope.formats.onnx.unread import require_all_read
from convscope.formats.onnx.whole_sums import Scale, with_whole_sums
from convscope.formats.operation_plan import OperationPlan
from convscope.formats.protobuf.message import Message
from convscope.formats.settings import Settings
from convscope.formats.short_numbers import SHORT
from convscope.network.cut import CutLayer, require_uncut
from convscope.network.graph import Graph, Operation
from convscope.network.parameters import Shape

MOST_WRITTEN_OUT = 50_000
"""So many nodes functions, branches and loops may come to: of loops in loops a few bytes make any number."""
_SMALL = 4096  # whole numbers up to here are kept with the operation, more as a parameter
_FEW = 64  # so many of any kind are kept too: sizes are worked out with them

Fixed = Mapping[str, Tensor | float | str]
"""Values for inputs, as `convscope.network.fixed_inputs` reads them."""

_EXACT = frozenset(
    {
        *(
            "Cast",
            "CastLike",
            "Identity",
            "Reshape",
            "Transpose",
            "Flatten",
            "Squeeze",
            "Unsqueeze",
            "Concat",
            "Slice",
        ),
        *("Split", "Gather", "Expand", "Pad", "Relu", "MaxPool", "GlobalMaxPool", "Max", "Min", "Neg", "Abs"),
    }
)
"""What gives of rounded numbers rounded ones: in float32 nothing is different. A Cast rounds, here too."""


def build_graph(
    model: Message, file: Path, input_shape: GivenShape | None = None, fixed: Fixed | None = None
) -> Graph:
    """Return the graph of a model; value names are the file's own.

    `input_shape` is the first input's where the file leaves its size open, or that of those it names; `fixed` are
    values for inputs, of which those of whole numbers (a sampling rate, a switch) settle sizes and branches. Where a
    node cannot be computed the network is cut, with a warning. Raises UnsupportedLayer where nothing is left,
    NetworkFileError for a file that contradicts itself.
    """
    building = _Building(model, file, input_shape)
    building.settle(fixed or {})
    try:
        for call in calls_of(model.graph.node, file):
            building.add(call)
    except NetworkFileError as error:
        guess = guessed_size(model, building.builder.inputs, building.constants, input_shape)
        if not guess or not isinstance(error.__cause__, InputError):
            raise
        raise NetworkFileError(f"{error}; {guess}") from error
    return building.graph()


class _Building:
    """What is known so far, node by node."""

    def __init__(self, model: Message, file: Path, input_shape: GivenShape | None) -> None:
        self.model, self.file, self.opset = model, file, opset_of(model)
        self.functions = {
            (each.domain or "", each.name or "", each.overload or ""): each for each in model.functions
        }
        tensors = {each.name or "": each for each in model.graph.initializer if each.data_type != STRING}
        self.constants = {name: read_tensor(tensor, file) for name, tensor in tensors.items()}
        self.budget = FoldingBudget()
        self.beside: set[FileState] = set()
        for name, constant in self.constants.items():
            self._count_stored(name, constant)
        self.builder = GraphBuilder(str(file), cut=unread_values(model, self.constants))
        self.cut = self.builder.cut
        self.scales: dict[str, Scale] = {}
        """Those of the stored tensors that the file dequantizes, by the dequantized ones' names."""
        self.sequences: dict[str, tuple[str, ...]] = {}
        """The tensors of each sequence."""
        self.types = input_types(model) | {name: one.type for name, one in self.constants.items()}
        for name, shape in input_shapes(model, file, self.constants, self.cut, input_shape).items():
            self.builder.add_input(name, shape)
        for guess in guesses(model, self.builder.inputs, self.constants, input_shape):
            warn(guess, InputGuess)
        self.settled: dict[str, Shape] = {}
        self.only_of_this_size = False
        self.inner: set[str] = set()
        self.written_out = 0
        self.lacking: dict[str, CutLayer] = {}
        """Further outputs of nodes that are not computed: cut, once somebody wants them."""

    def settle(self, fixed: Fixed) -> None:
        """Take the values of inputs of whole numbers for stored ones: what is worked out with them is known."""
        for name, value in fixed.items():
            shape = self.builder.inputs.get(name)
            if shape is None or isinstance(value, str) or self.types[name] not in SWITCHES:
                continue
            numbers = np.asarray(value)
            if numbers.size == prod(shape) or numbers.ndim == 0:
                whole = np.broadcast_to(numbers.reshape(shape) if numbers.ndim else numbers, shape)
                self._keep([name], [constant_of(whole.astype(NAMES[self.types[name]]))])
                self.settled[name] = shape

    def add(self, call: Call) -> None:
        """Fold, read or cut one node."""
        self._need(call.inputs)
        for value in call.inputs:
            if value and value not in self._known():
                raise NetworkFileError(
                    f"{self.file}: node {call.name!r} reads {value!r}, which no node before it makes"
                )
        values = [value for value in call.outputs if value]
        for value in values:
            if value in self._known():
                raise NetworkFileError(
                    f"{self.file}: node {call.name!r} makes {value!r}, which is there already"
                )
        if self.builder.cut_behind(call.inputs, values, call.name, call.type_name):
            return
        try:
            with self.builder.reading(f"node {call.name!r} ({call.type_name})"):
                self._add(call)
        except UnsupportedLayer as error:
            reason = str(error).removeprefix(f"{self.file}: ")
            self.builder.cut_at(values, CutLayer(call.name, call.type_name, reason))
        except InputError as error:
            place = "" if call.type_name in str(error) else f"node {call.name!r} ({call.type_name}): "
            raise NetworkFileError(f"{place}{error}") from error

    def _count_stored(self, name: str, constant: Constant) -> None:
        """Count numbers that are there; in another file they may lie over each other, and are made of what is there."""
        if constant.beside is None:
            self.budget.add_stored(constant.size)
            return
        if constant.beside not in self.beside:
            self.beside.add(constant.beside)
            self.budget.add_stored(2 * constant.beside.size)  # of four bits each
        self.budget.spend(name, constant.shape)

    def _known(self) -> ChainMap[str, Any]:
        """Return every name that there is so far."""
        return ChainMap(self.builder.shapes, self.constants, self.cut, self.sequences)

    def _need(self, values: Iterable[str]) -> None:
        self.cut.update({value: self.lacking.pop(value) for value in values if value in self.lacking})

    def _add(self, call: Call) -> None:
        node = self._node(call)
        if references := [
            name for name, value in call.attributes.items() if isinstance(value, AttributeReference)
        ]:
            raise node.refusal(
                f"its {references[0]} is what a function around it is given, and that is no plain number"
            )
        if (function := self.functions.get((call.domain, call.type_name, call.overload))) is not None:
            self._inline(inlined_function(function, call, self.file))
            return
        if call.domain in ("", MICROSOFT) and (inner := branch_of(node, self.file)) is not None:
            require_all_read(node)
            sizes = self._made_of_sizes(node.inputs[:2])
            start, before = (
                len(self.builder.operations),
                {*self.builder.shapes} - {*self.constants} if sizes else (),
            )
            self._inline(inner)
            if sizes:
                self._check(sizes, start, before)
            return
        if call.type_name == "Constant" and call.domain == "":
            constant = _constant_of(node)
            if constant.beside is not None:
                self._count_stored(node.name, constant)
            self._keep(node.outputs, [constant])
            return
        if call.type_name in ("Shape", "Size") and call.domain == "" and self._is_shape(node.inputs):
            self._keep(node.outputs, [_rank(node)])
            require_all_read(node)
            return
        reader = reader_of(call.domain, node)
        self.types.update(zip(node.outputs, node.output_types, strict=False))
        inputs = [value for value in node.inputs if value]
        if call.type_name == "ConstantOfShape" and node.constant(0) is not None:
            self._keep(node.outputs, [self._filled(node)])
        elif inputs and all(value in self.constants for value in inputs):
            self._keep(node.outputs, fold(node, _plans(reader, node), self.constants, self.budget))
            if call.type_name == "DequantizeLinear":
                axis = int(call.attributes.get("axis", 1))
                self.scales[node.outputs[0]] = Scale(self.constants[node.inputs[1]], axis)
        else:
            self._read(reader, node)

    def _read(self, reader: Reader, node: Node) -> None:
        """Append a node; a setting that is made of the picture's size alone is as it is for the file's own size."""
        try:
            self._append(node, _plans(reader, node))
        except UnsupportedLayer:
            settings = self._made_of_sizes(node.inputs[1:])
            if not settings:
                raise
            start, before = len(self.builder.operations), {*self.builder.shapes} - {*self.constants}
            stored = {value: constant_of(self.builder.sizes[value].numpy()) for value in settings}
            node = replace(node, constants=ChainMap(self.constants, stored))
            self._append(node, _plans(reader, node))
            self._check(settings, start, before)

    def _made_of_sizes(self, values: Iterable[str]) -> list[str]:
        """Return those of a node's inputs that are numbers made of the picture's size alone."""
        sizes, constants = self.builder.sizes, self.constants
        return [value for value in values if value in sizes and value not in constants]

    def _check(self, sizes: Sequence[str], start: int, before: Collection[str]) -> None:
        """Let the operations from `start` on run only where numbers made of the picture's size are as they are now.

        What they read of `before` goes through a check; where they read nothing of it, the network keeps its size.
        """
        operations, numbers = self.builder.operations, [self.builder.sizes[value] for value in sizes]
        expected = tuple(number for one in numbers for number in one.reshape(-1).tolist())
        inside = operations[start:]
        del operations[start:]
        reads = dict.fromkeys(read for one in inside for read in one.inputs if read in before)
        checked = {read: f"{read}.assert_numbers of {', '.join(sizes)}" for read in reads}
        for read, name in checked.items():
            self.inner.add(name)
            if name not in self.builder.shapes:
                kind, attributes = "assert_numbers", {"expected": expected}
                self.builder.add(
                    Operation(kind, name, "size", (read, *sizes), (name,), attributes=attributes)
                )
        operations += [
            replace(one, inputs=tuple(checked.get(read, read) for read in one.inputs)) for one in inside
        ]
        self.only_of_this_size |= not checked

    def _is_shape(self, inputs: Sequence[str]) -> bool:
        """Whether what a node reads is a shape: how many axes there are stays when the picture's size changes."""
        producers = {
            value for each in self.builder.operations if each.kind == "shape_of" for value in each.outputs
        }
        return len(inputs) == 1 and inputs[0] in producers and inputs[0] in self.builder.sizes

    def _keep(self, names: Sequence[str], constants: Sequence[Constant]) -> None:
        for name, constant in zip(names, constants, strict=False):
            self.constants[name], self.types[name] = constant, constant.type

    def _node(self, call: Call) -> Node:
        return Node(
            name=call.name,
            type_name=call.type_name,
            inputs=call.inputs,
            outputs=call.outputs,
            attributes=Settings(call.attributes),
            opset=self.opset.get(call.domain, 1),
            constants=self.constants,
            shapes=self.builder.shapes,
            types=self.types,
            sizes=self.builder.sizes,
            sequences=self.sequences,
        )

    def _inline(self, calls: Sequence[Inner]) -> None:
        """Add the nodes that stand inside one, and the numbers and sequences that are there."""
        self.written_out += len(calls)
        if self.written_out > MOST_WRITTEN_OUT:
            raise NetworkFileError(
                f"{self.file}: its functions and loops come to more than {MOST_WRITTEN_OUT:,} nodes; "
                "no network has so many"
            )
        for inner in calls:
            if isinstance(inner, Call):
                self.inner.update(inner.hidden)
                self.add(inner)
            else:
                name, held = inner
                if isinstance(held, Constant):
                    self._keep([name], [held])
                else:
                    self.sequences[name] = held

    def _append(self, node: Node, plans: Sequence[OperationPlan]) -> None:
        values: list[str] = []
        for index, plan in enumerate(plans):
            last = index == len(plans) - 1
            result_names = node.outputs if last else (plan.label,)
            outputs = tuple(
                result_names[at]
                if at < len(result_names) and result_names[at]
                else self._hidden(node, plan.kind, index, at)
                for at in range(plan.outputs)
            )
            inputs = tuple(
                values[plan_number(v, len(values))] if v[:1] in ("", "#") else v for v in plan.inputs
            )
            for value in inputs:
                self._require_value(value)
            parameters = {key: node.constants[key] for key in plan.parameters.values()}
            self.builder.stored.update({key: _Parameter(constant) for key, constant in parameters.items()})
            before = inputs[:1] == tuple(values[-1:]) and bool(values) and values[-1] in self.inner
            self.builder.add(
                Operation(
                    kind=plan.kind,
                    name=node.name if last else f"{node.name}.{plan.kind}",
                    type_name=node.type_name,
                    inputs=inputs,
                    outputs=outputs,
                    parameters=plan.parameters,
                    attributes=plan.attributes,
                    in_place=before,
                )
            )
            values.append(outputs[0])
        if node.type_name not in _EXACT:
            self.builder.short |= {NAMES[kind] for kind in node.output_types[:1]} & SHORT
        for value in node.outputs[plans[-1].outputs :]:
            if not value or value in values:
                continue
            reason = f"its output {value!r} is not computed here"
            self.lacking[value] = CutLayer(node.name, node.type_name, str(node.refusal(reason)))

    def _hidden(self, node: Node, kind: str, index: int, at: int) -> str:
        first = next(filter(None, node.outputs))
        name = f"{first}@{node.name}.{kind}" + (f".{at}" if at else "")
        if name in self.builder.shapes:
            name += f"#{index}"
        self.inner.add(name)
        return name

    def _require_value(self, name: str) -> None:
        """Make a constant that an operation reads as a value into one."""
        if name in self.builder.shapes or name not in self.constants:
            return
        constant = self.constants[name]
        if constant.size <= (_SMALL if constant.whole else _FEW):
            values = tuple(constant.array.reshape(-1).astype(np.float64).tolist())
            plain = {"values": values, "shape": constant.shape}
            self.builder.add(Operation("tensor", name, "Constant", (), (name,), attributes=plain))
        else:
            self.builder.stored[name] = _Parameter(constant)
            self.builder.add(Operation("constant", name, "Constant", (), (name,), parameters={"value": name}))

    def _filled(self, node: Node) -> Constant:
        shape = node.integers("shape", 0) or ()
        value = node.attributes.get("value")
        number = np.zeros(1, np.float32) if value is None else value.array.reshape(-1)[:1]
        if min(shape, default=0) < 0:
            raise InputError(f"node {node.name!r} fills {shape}")
        self.budget.spend(node.name, shape)
        kind = node.output_types[0]
        return Constant(shape, kind, lambda: np.broadcast_to(number.reshape(()), shape))

    def graph(self) -> Graph:
        """Return the graph of everything added."""
        shapes, names = self.builder.shapes, [value.name or "" for value in self.model.graph.output]
        outputs = [value for name in names for value in self.sequences.get(name, (name,))]
        self._need(outputs)
        if missing := [value for value in outputs if value not in self._known()]:
            raise NetworkFileError(f"{self.file}: no node makes the output {missing[0]!r}")
        require_uncut(self.cut, len(self.builder.operations))
        if not any(operation.inputs for operation in self.builder.operations):
            raise NetworkFileError(f"{self.file} holds numbers only: nothing in it depends on an input")
        for value in outputs:
            self._require_value(value)
        if self.scales:
            self._round_whole_sums()
        if self.only_of_this_size:
            self.builder.operations = only_of_this_size(self.builder.operations, self.builder.inputs)
        constants = {*self.builder.sizes, *self.constants, *self.inner}.intersection(shapes)
        ends = self.builder.ends({*self.constants, *self.inner}) if self.cut else []
        graph = self.builder.graph(
            self.model.graph.name or "",
            outputs=[value for value in (*outputs, *ends) if value in shapes],
            constants=constants,
        )
        inputs = {**graph.inputs, **self.settled}  # theirs still, where nothing reads them now
        return replace(graph, inputs=inputs, ends=frozenset(graph.outputs).difference(outputs))

    def _round_whole_sums(self) -> None:
        """Let sums of products of codes be rounded as the whole numbers that they are."""
        found = list(with_whole_sums(self.builder.operations, self.scales, self.constants))
        self.builder.operations = [operation for operation, _ in found]
        for operation, step in found:
            if step is not None:
                self.builder.stored[operation.parameters["step"]] = _Parameter(step)


class _Parameter:
    """A constant as a parameter: single precision."""

    def __init__(self, constant: Constant) -> None:
        self.shape, self.load = constant.shape, constant.load


def _rank(node: Node) -> Constant:
    """Return the Shape or the Size of a shape: how many axes there are."""
    rank = np.array((node.shape(0) or ())[:1], np.int64)
    if node.type_name == "Size":
        return constant_of(rank.reshape(()))
    return constant_of(rank[slice(*(node.attributes.get(name) for name in ("start", "end")))])


def _plans(reader: Reader, node: Node) -> Sequence[OperationPlan]:
    """Return what a node becomes; UnsupportedLayer for an attribute that its reader passed over."""
    found = reader(node)
    require_all_read(node)
    return [found] if isinstance(found, OperationPlan) else found


def _constant_of(node: Node) -> Constant:
    """Return the numbers of a Constant node."""
    for name in ("value", "value_float", "value_floats", "value_int", "value_ints"):
        if name in node.attributes:
            value: Any = node.attributes[name]
            if isinstance(value, Constant):
                return value
            return constant_of(np.asarray(value, np.float32 if "float" in name else np.int64))
    raise node.refusal("it holds neither a tensor nor numbers")
