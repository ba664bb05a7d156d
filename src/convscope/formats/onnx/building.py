"""From an ONNX model's messages to a graph: constants folded, nodes translated, shapes worked out as they go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from convscope.errors import InputError, NetworkFileError, UnsupportedLayer
from convscope.formats.onnx.attributes import attributes_of
from convscope.formats.onnx.constants import BOOL, FLOATING, Constant, constant_of, read_tensor
from convscope.formats.onnx.inputs import input_shapes
from convscope.formats.onnx.model import opset_of
from convscope.formats.onnx.node import Node, Step
from convscope.formats.onnx.translation import TRANSLATORS
from convscope.formats.protobuf.message import Message
from convscope.network.engine.memory import machine_memory
from convscope.network.graph import Graph, Operation
from convscope.network.operations import OPERATIONS, kind_of
from convscope.network.parameters import Parameters, Shape
from convscope.network.shapes import infer_operation

_SMALL = 4096  # whole numbers up to here are kept with the operation, more as a parameter
_FEW = 64  # so many of any kind are kept too: sizes are worked out with them
_AT_ONCE = 65536  # constants up to here are worked out when a network is opened, larger ones when used
_CORE = ("", "ai.onnx")
_WHOLE = {"Shape", "Size", "ArgMax", "ArgMin", "QuantizeLinear", "Not", "And", "Or", "Xor", "Equal"}
_WHOLE |= {"Greater", "GreaterOrEqual", "Less", "LessOrEqual"}


def build_graph(model: Message, file: Path, input_shape: Shape | None = None) -> Graph:
    """Return the graph of a model; value names are the file's own.

    `input_shape` is the first input's where the file leaves its size open. Raises UnsupportedLayer for an operator
    that convscope does not compute, NetworkFileError for a file that contradicts itself.
    """
    _require_known(model, file)
    builder = _Builder(model, file, input_shape)
    for message in model.graph.node:
        builder.add(message)
    return builder.graph()


def _require_known(model: Message, file: Path) -> None:
    known = {*TRANSLATORS, "Constant"}
    unknown = {
        node.op_type or "a node without a type"
        if (node.domain or "") in _CORE
        else f"{node.domain}.{node.op_type}": node
        for node in model.graph.node
        if node.op_type not in known or (node.domain or "") not in _CORE
    }
    if unknown:
        first = next(iter(unknown.values()))
        raise UnsupportedLayer(
            f"{file}: convscope does not compute {', '.join(unknown)} (node {first.name or first.output[0:1]!r}); "
            "cut the network before it (onnx.utils.extract_model) and open that"
        )


class _Builder:
    """What is known so far, node by node."""

    def __init__(self, model: Message, file: Path, input_shape: Shape | None) -> None:
        self.model, self.file, self.opset = model, file, opset_of(model, str(file))
        tensors = {tensor.name or "": tensor for tensor in model.graph.initializer}
        self.constants = {name: read_tensor(tensor, file) for name, tensor in tensors.items()}
        self.inputs = input_shapes(model, file, self.constants, input_shape)
        self.shapes: dict[str, Shape | None] = dict(self.inputs)
        self.sizes: dict[str, Tensor] = {}
        self.whole = {name for name, constant in self.constants.items() if constant.whole}
        self.used: dict[str, Constant] = {}
        self.operations: list[Operation] = []

    def add(self, message: Message) -> None:
        """Fold or translate one node."""
        name, place = message.name or "".join(message.output[:1]), f"{self.file}: "
        for value in message.input:
            if value and value not in self.constants and value not in self.shapes:
                raise NetworkFileError(f"{place}node {name!r} reads {value!r}, which no node before it makes")
        for value in message.output:
            if value in self.constants or value in self.shapes:
                raise NetworkFileError(f"{place}node {name!r} makes {value!r}, which is there already")
        try:
            self._add(message, name)
        except (NetworkFileError, UnsupportedLayer) as error:
            raise type(error)(str(error) if self.file.name in str(error) else f"{place}{error}") from error
        except InputError as error:
            raise NetworkFileError(f"{place}{error}") from error
        except (
            KeyError,
            TypeError,
            ValueError,
            IndexError,
            OverflowError,
            ArithmeticError,
            RuntimeError,
        ) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise NetworkFileError(
                f"{place}node {name!r} ({message.op_type}) is described wrongly: {reason}"
            ) from error

    def _add(self, message: Message, name: str) -> None:
        attributes = attributes_of(message, self.file)
        node = Node(
            name=name,
            type_name=message.op_type or "",
            inputs=tuple(message.input),
            outputs=tuple(message.output),
            attributes=attributes,
            opset=self.opset,
            constants=self.constants,
            shapes=self.shapes,
            whole=self.whole,
        )
        if _makes_whole(node):
            self.whole.update(node.outputs)
        if (constants := self._folded(node)) is not None:
            self.constants.update(zip(node.outputs, constants, strict=False))
            return
        found = TRANSLATORS[node.type_name](node)
        self._append(node, [found] if isinstance(found, Step) else found)

    def _append(self, node: Node, steps: Sequence[Step]) -> None:
        before = ""
        for index, step in enumerate(steps):
            last = index == len(steps) - 1
            outputs: tuple[str, ...] = (f"{node.outputs[0]}@{node.name}.{step.kind}",)
            if last:
                outputs = node.outputs if step.kind == "slice" else node.outputs[:1]
            inputs = tuple(before if value == "" else value for value in step.inputs)
            for value in inputs:
                self._require_value(value)
            self.used.update({key: self.constants[key] for key in step.parameters.values()})
            self._run(
                Operation(
                    kind=step.kind,
                    name=node.name if last else f"{node.name}.{step.kind}",
                    type_name=node.type_name,
                    inputs=inputs,
                    outputs=outputs,
                    parameters=step.parameters,
                    attributes=step.attributes,
                    in_place=index > 0,
                )
            )
            before = outputs[0]

    def _require_value(self, name: str) -> None:
        """Make a constant that an operation reads as a value into one."""
        if name in self.shapes or name not in self.constants:
            return
        constant = self.constants[name]
        if constant.size <= (_SMALL if constant.whole else _FEW):
            values = tuple(constant.array.reshape(-1).astype(np.float64).tolist())
            plain = {"values": values, "shape": constant.shape}
            self._run(Operation("numbers", name, "Constant", (), (name,), attributes=plain))
        else:
            self.used[name] = constant
            self._run(Operation("constant", name, "Constant", (), (name,), parameters={"value": name}))

    def _run(self, operation: Operation) -> None:
        parameters = {key: self.used[key].shape for key in operation.parameters.values()}
        self.shapes.update(infer_operation(operation, self.shapes, parameters, self.sizes))
        self.operations.append(operation)

    def _folded(self, node: Node) -> Sequence[Constant] | None:
        """Return a node's outputs where all its inputs are constants; None where it has to run."""
        if node.type_name == "Constant":
            return [_stated(node)]
        given = [value for value in node.inputs if value]
        if not given or not all(value in self.constants for value in given):
            return None
        if node.type_name == "ConstantOfShape":
            return [_filled(node)]
        found = TRANSLATORS[node.type_name](node)
        return fold(node, [found] if isinstance(found, Step) else found, self.constants, self.whole)

    def graph(self) -> Graph:
        """Return the graph of everything added."""
        outputs = tuple(value.name or "" for value in self.model.graph.output)
        if missing := [
            value for value in outputs if value not in self.shapes and value not in self.constants
        ]:
            raise NetworkFileError(f"{self.file}: no node makes the output {missing[0]!r}")
        read = {value for operation in self.operations for value in operation.inputs}
        inputs = {name: shape for name, shape in self.inputs.items() if name in read} or self.inputs
        if not self.operations:
            raise NetworkFileError(f"{self.file} holds numbers only: nothing in it depends on an input")
        shapes = {name: constant.shape for name, constant in self.used.items()}
        return Graph(
            name=self.model.graph.name or "",
            inputs=inputs,
            operations=tuple(self.operations),
            outputs=tuple(value for value in outputs if value in self.shapes),
            parameters=Parameters(shapes, lambda name: self.used[name].tensor()),
            constants=frozenset(self.shapes).intersection({*self.sizes, *self.constants}),
        )


def fold(
    node: Node, steps: Sequence[Step], constants: Mapping[str, Constant], whole: set[str]
) -> Sequence[Constant]:
    """Return what steps make of constants: at once where they are small, else when they are used."""

    def outputs(exact: bool) -> tuple[Tensor, ...]:
        made: tuple[Tensor, ...] = ()
        for step in steps:
            load = _exact if exact or kind_of(step.kind).reads_sizes else _without_memory
            inputs = [load(constants[value]) if value else made[0] for value in step.inputs]
            if kind_of(step.kind).reads_sizes and not exact:
                inputs[:1] = [tensor.to("meta") for tensor in inputs[:1]]
            roles = {role: load(constants[key]) for role, key in step.parameters.items()}
            result = OPERATIONS[step.kind](*inputs, **roles, **step.attributes)
            made = result if isinstance(result, tuple) else (result,)
        return made

    def numbers(index: int) -> Any:
        found = outputs(True)[index].numpy()
        return found.astype(np.int64) if node.outputs[index] in whole and _fits(found) else found

    shapes = [tuple(tensor.shape) for tensor in outputs(False)]
    if sum(constants[value].size for value in node.inputs if value) <= _AT_ONCE:
        if any(np.prod(shape, dtype=float) * 4 > machine_memory() for shape in shapes):
            raise NetworkFileError(f"node {node.name!r} makes more numbers than this machine holds")
        return [constant_of(numbers(index)) for index in range(len(shapes))]
    names = node.outputs[: len(shapes)]
    return [
        Constant(shape, name in whole, lambda index=index: numbers(index))  # type: ignore[misc]
        for index, (name, shape) in enumerate(zip(names, shapes, strict=False))
    ]


def _exact(constant: Constant) -> Tensor:
    kind = np.float64 if constant.whole else np.float32
    return torch.from_numpy(np.array(constant.load(), kind, order="C"))


def _without_memory(constant: Constant) -> Tensor:
    return torch.empty(constant.shape, device="meta")


def _fits(values: Any) -> bool:
    return bool(np.all(np.isfinite(values)) and np.all(np.abs(values) < 2**62))


def _stated(node: Node) -> Constant:
    """Return the numbers of a Constant node."""
    for name in ("value", "value_float", "value_floats", "value_int", "value_ints"):
        if name in node.attributes:
            value = node.attributes[name]
            if isinstance(value, Constant):
                return value
            return constant_of(np.asarray(value, np.float32 if "float" in name else np.int64))
    raise node.refusal("it holds neither a tensor nor numbers")


def _filled(node: Node) -> Constant:
    shape = node.integers("shape", 0) or ()
    value = node.attributes.get("value")
    number = np.zeros(1, np.float32) if value is None else value.array.reshape(-1)[:1]
    if min(shape, default=0) < 0 or float(np.prod(shape, dtype=float)) * 4 > machine_memory():
        raise InputError(f"node {node.name!r} fills {shape}, more than this machine holds")
    return Constant(shape, number.dtype.kind in "iub", lambda: np.broadcast_to(number.reshape(()), shape))


def _makes_whole(node: Node) -> bool:
    """Whether the file's type of what the node makes is one of whole numbers or of truth."""
    if node.type_name == "Cast":
        return int(node.attributes.get("to", 1)) not in FLOATING or node.attributes.get("to") == BOOL
    if node.type_name in ("DequantizeLinear", "ConstantOfShape", "Constant"):
        value = node.attributes.get("value")
        return node.type_name != "DequantizeLinear" and isinstance(value, Constant) and value.whole
    of = 1 if node.type_name == "Where" else 0
    return node.type_name in _WHOLE or (node.has(of) and node.inputs[of] in node.whole)
