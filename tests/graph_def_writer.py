"""GraphDefs, written by Google's protobuf and nothing of convscope's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from protobuf_oracle import message_class

_TYPES = {
    "f4": "DT_FLOAT",
    "f8": "DT_DOUBLE",
    "f2": "DT_HALF",
    "i4": "DT_INT32",
    "i8": "DT_INT64",
    "b1": "DT_BOOL",
}
_TYPES |= {"u1": "DT_UINT8", "i1": "DT_INT8", "u2": "DT_UINT16", "i2": "DT_INT16"}
# Ops without the attribute T, which says what type of numbers nearly every op has.
_UNTYPED = {
    "Const",
    "Placeholder",
    "DecodeJpeg",
    "NoOp",
    "Cast",
    "PlaceholderWithDefault",
    "Assert",
    "VariableV2",
}
_UNTYPED |= {"FakeQuantWithMinMaxVars", "VarHandleOp", "Range"}


class GraphWriter:
    """Collects nodes; each method gives the node's name, to be another's input."""

    def __init__(self, seed: int = 0, producer: int = 27) -> None:
        self.message = message_class("GraphDef", "tensorflow")()
        self.message.versions.producer = producer
        self.random = np.random.default_rng(seed)

    def node(self, op: str, name: str, *inputs: str, **attributes: Any) -> str:
        """Add a node; a text of capitals that begins with DT_ is a data type, a tuple a shape, a list a list."""
        made = self.message.node.add(name=name, op=op, input=inputs)
        typed = {} if op in _UNTYPED else {"T": "DT_FLOAT"}
        for key, value in (typed | attributes).items():
            if value is not None:
                entry = made.attr.add(key=key)
                _set(entry.value, value)
        return name

    def const(self, name: str, value: Any, *, listed: bool = False) -> str:
        """Add numbers: as bytes, or each in a field of its own."""
        array = np.asarray(value)
        if array.dtype == np.float64 or (array.dtype.kind == "i" and not isinstance(value, np.ndarray)):
            array = array.astype(np.float32 if array.dtype.kind == "f" else np.int32)
        made = self.message.node.add(name=name, op="Const")
        made.attr.add(key="dtype").value.type = _type(array)
        tensor = made.attr.add(key="value")
        tensor.value.tensor.dtype = _type(array)
        tensor.value.tensor.tensor_shape.SetInParent()
        for size in array.shape:
            tensor.value.tensor.tensor_shape.dim.add(size=size)
        if listed:
            field = {"f": "float_val", "i": "int_val", "b": "bool_val"}[array.dtype.kind]
            getattr(tensor.value.tensor, field).extend(array.ravel().tolist())
        else:
            tensor.value.tensor.tensor_content = array.tobytes()
        return name

    def codes(self, name: str, array: NDArray[Any], kind: str) -> str:
        """Add codes, whole numbers of a type such as "QUINT8" that stand for a range."""
        self.const(name, array)
        made = self.message.node[-1]
        for entry in made.attr:
            _set(entry.value, f"DT_{kind}") if entry.key == "dtype" else None
            if entry.key == "value":
                entry.value.tensor.dtype = made.attr[0].value.type
        return name

    def weights(self, name: str, *shape: int, scale: float | None = None, shift: float = 0.0) -> str:
        """Add random numbers that keep a layer's answers of about the size of its input."""
        spread = scale if scale is not None else float(np.sqrt(2 / max(1, np.prod(shape[:-1]))))
        return self.const(name, (self.random.normal(0, spread, shape) + shift).astype(np.float32))

    def placeholder(self, name: str = "input", shape: tuple[int, ...] | None = (1, 32, 32, 3)) -> str:
        """Add an input; without a shape nothing is said about it."""
        return self.node("Placeholder", name, dtype="DT_FLOAT", shape=shape)

    def bytes(self) -> bytes:
        """Return the file."""
        return bytes(self.message.SerializeToString())

    def save(self, path: Path) -> Path:
        """Write the file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.bytes())
        return path


def _type(array: NDArray[Any]) -> int:
    enumeration = message_class("TensorProto", "tensorflow").DESCRIPTOR.fields_by_name["dtype"].enum_type
    return int(enumeration.values_by_name[_TYPES[array.dtype.str[1:]]].number)


def _set(value: Any, given: Any) -> None:
    if isinstance(given, bool):
        value.b = given
    elif isinstance(given, int):
        value.i = given
    elif isinstance(given, float):
        value.f = given
    elif isinstance(given, str) and given.startswith("DT_"):
        value.type = value.DESCRIPTOR.fields_by_name["type"].enum_type.values_by_name[given].number
    elif isinstance(given, str):
        value.s = given.encode()
    elif isinstance(given, tuple):
        value.shape.SetInParent()
        for size in given:
            value.shape.dim.add(size=size)
    else:
        value.list.SetInParent()
        value.list.i.extend(given)
