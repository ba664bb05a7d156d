"""A model being written: nodes and numbers are added, names are kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from convscope.errors import InputError
from convscope.formats.onnx.model import onnx_message
from convscope.formats.protobuf.message import Message
from convscope.network.graph import Graph, Operation
from convscope.network.parameters import Shape

FLOAT, INT64, BOOL = 1, 7, 9
_ATTRIBUTES: dict[type, tuple[str, int]] = {float: ("f", 1), int: ("i", 2), bool: ("i", 2), str: ("s", 3)}


class Writer:
    """The graph of a model so far; a value whose channels are last has its channels-first form beside it."""

    def __init__(self, graph: Graph, shapes: Mapping[str, Shape | None]) -> None:
        self.graph, self.shapes = graph, shapes
        self.message = onnx_message("GraphProto", name=graph.name or "network")
        self._taken = set(graph.values) | set(graph.parameters)
        self._numbers: dict[tuple[str, tuple[int, ...], bytes], str] = {}
        self._parameters: dict[str, str] = {}
        self._first: dict[str, str] = {}

    def fresh(self, hint: str) -> str:
        """Return a name that nothing has yet."""
        name, count = hint, 0
        while name in self._taken:
            name, count = f"{hint}.{count}", count + 1
        self._taken.add(name)
        return name

    def node(self, op_type: str, inputs: Sequence[str], outputs: Sequence[str], **attributes: Any) -> None:
        """Add a node."""
        node = self.message.add(
            "node", name=self.fresh(f"node:{outputs[0]}"), op_type=op_type, input=inputs, output=outputs
        )
        for name, value in attributes.items():
            _add_attribute(node, name, value)

    def numbers(self, values: ArrayLike, hint: str = "numbers") -> str:
        """Return the name of an initializer with these numbers: float32, or int64 for whole ones."""
        array = np.asarray(values)
        array = np.ascontiguousarray(array, "<i8" if array.dtype.kind in "iu" else "<f4").reshape(array.shape)
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._numbers:
            self._numbers[key] = self.fresh(hint)
            self._initializer(self._numbers[key], array)
        return self._numbers[key]

    def parameter(self, key: str) -> str:
        """Return the name of a parameter: its own, unless a value has that name too."""
        if key not in self._parameters:
            shared = key in self.graph.inputs or key in self.graph.producers
            self._parameters[key] = self.fresh(f"{key}@parameter") if shared else key
            tensor = self.graph.parameters[key].detach().cpu().contiguous()
            self._initializer(self._parameters[key], tensor.numpy())
        return self._parameters[key]

    def _initializer(self, name: str, array: np.ndarray[Any, Any]) -> None:
        kind = INT64 if array.dtype.kind == "i" else FLOAT
        array = np.require(array, "<i8" if kind == INT64 else "<f4", "C")
        self.message.add(
            "initializer",
            name=name,
            dims=array.shape,
            data_type=kind,
            raw_data=array.reshape(-1).data.cast("B") if array.size else b"",
        )

    def channels_first(self, value: str) -> str:
        """Return the name of a value's channels-first form, which a node makes when there is none yet."""
        rank = len(self.shapes[value] or ())
        if rank <= 2:
            return value
        if value not in self._first:
            self._first[value] = self.fresh(f"{value}@channels_first")
            order = (0, rank - 1, *range(1, rank - 1))
            self.node("Transpose", [value], [self._first[value]], perm=order)
        return self._first[value]

    def channels_last(self, value: str) -> str:
        """Return a name for the channels-first form of a value that is to be made; `finish_last` turns it around."""
        if len(self.shapes[value] or ()) <= 2:
            return value
        self._first[value] = self.fresh(f"{value}@channels_first")
        return self._first[value]

    def finish_last(self, value: str) -> None:
        """Turn a value that was made channels first into its own order."""
        rank = len(self.shapes[value] or ())
        if rank > 2:
            self.node("Transpose", [self._first[value]], [value], perm=(0, *range(2, rank), 1))


class Part:
    """One operation being written: its inputs and outputs by the names they have in the model."""

    def __init__(self, writer: Writer, operation: Operation) -> None:
        self.writer, self.operation = writer, operation
        last = operation.channels_last
        self.inputs = tuple(map(writer.channels_first, operation.inputs)) if last else operation.inputs
        self.outputs = tuple(map(writer.channels_last, operation.outputs)) if last else operation.outputs
        self.attributes = operation.keywords
        self.values: Mapping[str, str] = {}
        """Parameters that are values, by role."""

    def with_values(self) -> Part:
        """Return the operation that a `dynamic` one runs: its last inputs are its parameters."""
        roles = self.attributes["roles"]
        plain = {name: value for name, value in self.attributes.items() if name not in ("kind", "roles")}
        inner = Part(self.writer, replace(self.operation, kind=self.attributes["kind"], attributes=plain))
        count = len(self.inputs) - len(roles)
        inner.values = dict(zip(roles, self.inputs[count:], strict=True))
        inner.inputs = self.inputs[:count]
        return inner

    def finish(self) -> None:
        """Turn the outputs around where the operation's values have their channels last."""
        if self.operation.channels_last:
            for value in self.operation.outputs:
                self.writer.finish_last(value)

    def write(self, op_type: str, *inputs: str, **attributes: Any) -> None:
        """Write the node that makes the (first) output."""
        self.writer.node(op_type, inputs, self.outputs[:1], **attributes)

    def step(self, op_type: str, *inputs: str, **attributes: Any) -> str:
        """Write a node on the way and return the name of what it makes."""
        name = self.writer.fresh(f"{self.outputs[0]}@{op_type}")
        self.writer.node(op_type, inputs, [name], **attributes)
        return name

    def numbers(self, values: ArrayLike) -> str:
        """Return the name of plain numbers."""
        return self.writer.numbers(values)

    def scaled(self, value: str, factor: float) -> str:
        """Return the name of a value times a factor."""
        return value if factor == 1 else self.step("Mul", value, self.numbers(float(factor)))

    def parameter(self, role: str) -> str:
        """Return the name of a parameter by its role, "" where the operation has none."""
        if role in self.values:
            return self.values[role]
        key = self.operation.parameters.get(role)
        return "" if key is None else self.writer.parameter(key)

    def tensor(self, role: str) -> np.ndarray[Any, Any] | None:
        """Return a parameter's numbers, None where the operation has none."""
        if role in self.values:
            raise self.refusal(f"its {role} is worked out while the network runs")
        key = self.operation.parameters.get(role)
        return None if key is None else self.writer.graph.parameters[key].detach().cpu().numpy()

    def parameter_shape(self, role: str) -> Shape:
        """Return a parameter's shape, which it must have."""
        if role in self.values:
            return self.writer.shapes[self.values[role]] or ()
        return self.writer.graph.parameters.shapes[self.operation.parameters[role]]

    def shape(self, index: int = 0) -> Shape:
        """Return the shape of an input, channels first."""
        shape = self.writer.shapes[self.operation.inputs[index]]
        if shape is None:
            raise self.refusal("the shape of what it reads depends on the numbers")
        return (
            (shape[0], shape[-1], *shape[1:-1]) if self.operation.channels_last and len(shape) > 2 else shape
        )

    def whole(self, value: str) -> str:
        """Return a value's numbers as the whole ones that ONNX wants for sizes and indices."""
        return self.step("Cast", value, to=INT64)

    def refusal(self, reason: str) -> InputError:
        """Return the error for what ONNX has no operator for."""
        name, kind = self.operation.name, self.operation.type_name
        return InputError(f"layer {name!r} ({kind}) cannot be written as ONNX: {reason}")


def _add_attribute(node: Message, name: str, value: Any) -> None:
    if isinstance(value, (list, tuple)):
        if all(isinstance(item, str) for item in value) and value:
            node.add("attribute", name=name, type=8, strings=[item.encode() for item in value])
            return
        floats = any(isinstance(item, float) for item in value)
        field, kind = ("floats", 6) if floats else ("ints", 7)
        node.add("attribute", name=name, type=kind, **{field: list(value)})
        return
    field, kind = _ATTRIBUTES[type(value)]
    stored = value.encode() if isinstance(value, str) else value if field == "f" else int(value)
    node.add("attribute", name=name, type=kind, **{field: stored})
