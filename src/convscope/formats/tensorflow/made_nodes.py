"""Nodes that no file has, in place of what was cut off: inputs, and numbers that are known."""

from __future__ import annotations

from typing import Any

import numpy as np

from convscope.formats.protobuf.message import Message
from convscope.formats.protobuf.schema import load_schema
from convscope.formats.tensorflow.node import Node
from convscope.formats.tensorflow.tensors import Array
from convscope.network.parameters import Shape


def placeholder(name: str, kind: str, shape: Shape | None = None) -> Node:
    """Return an input of a type of TensorFlow's; without a shape nothing is said about it."""
    attributes = {"dtype": _message("AttrValue", type=kind)}
    if shape is not None:
        attributes["shape"] = _message("AttrValue", shape=_shape(shape))
    return Node(name, "Placeholder", (), attributes)


def constant_node(name: str, numbers: Array) -> Node:
    """Return a constant of whole numbers."""
    content = memoryview(np.ascontiguousarray(numbers, "<i4").tobytes())
    tensor = _message(
        "TensorProto", dtype="DT_INT32", tensor_shape=_shape(numbers.shape), tensor_content=content
    )
    value = _message("AttrValue", tensor=tensor)
    return Node(name, "Const", (), {"dtype": _message("AttrValue", type="DT_INT32"), "value": value})


def _shape(sizes: Shape) -> Message:
    return _message("TensorShapeProto", dim=[_message("Dim", size=size) for size in sizes])


def _message(name: str, **fields: Any) -> Message:
    return Message(load_schema(__package__)[name], **fields)
