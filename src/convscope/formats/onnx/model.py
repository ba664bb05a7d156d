"""An ONNX file, read: the messages as the file has them, weights left in it until they are looked at."""

from __future__ import annotations

from pathlib import Path

from convscope.errors import NetworkFileError
from convscope.formats.protobuf.message import Message
from convscope.formats.protobuf.records import open_source
from convscope.formats.protobuf.schema import load_schema
from convscope.formats.protobuf.wire import read_fields
from convscope.formats.recognition import HEAD, expect_onnx


def onnx_message(type_name: str, **values: object) -> Message:
    """Return a new message of one of ONNX's types.

    >>> onnx_message("OperatorSetIdProto", version=17).version
    17
    """
    return Message(load_schema(__package__)[type_name], **values)


def read_model(path: Path) -> Message:
    """Read a ``ModelProto``; NetworkFileError where the file is something else, or its graph is missing."""
    source = open_source(path)
    expect_onnx(bytes(source.view[:HEAD]), source.file)
    model = onnx_message("ModelProto")
    read_fields(source, model, 0, len(source.view))
    if not model.graph.node:
        raise NetworkFileError(f"{path} holds no network: its graph has no nodes. Is it whole, and ONNX?")
    if model.graph.sparse_initializer:
        raise NetworkFileError(
            f"{path} keeps sparse weights, which convscope does not read: export them dense"
        )
    return model


def opset_of(model: Message) -> dict[str, int]:
    """Return the version of each domain's operators that the model is written in; "" is ONNX's own."""
    opsets: dict[str, int] = {}
    for entry in model.opset_import:
        opsets[_domain(entry)] = max(opsets.get(_domain(entry), 1), int(entry.version or 1))
    for function in model.functions:  # of domains that only they use
        for entry in function.opset_import:
            opsets.setdefault(_domain(entry), int(entry.version or 1))
    return {"": 1, **opsets}


def _domain(entry: Message) -> str:
    return "" if entry.domain in (None, "", "ai.onnx") else str(entry.domain)
