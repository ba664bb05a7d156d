"""TensorFlow's files: a frozen GraphDef (``.pb``), or a SavedModel's folder whose graph is frozen, as nodes."""

from __future__ import annotations

from pathlib import Path

from convscope.errors import NetworkFileError
from convscope.formats.protobuf.message import Message
from convscope.formats.protobuf.records import Source, open_source
from convscope.formats.protobuf.schema import load_schema
from convscope.formats.protobuf.wire import read_fields
from convscope.formats.recognition import HEAD, identify
from convscope.formats.tensorflow.node import Node, in_order, read_node

SAVED_MODEL = "saved_model.pb"
MAXIMUM_RECORDS = 5_000_000
_SAVED_MODEL_BEGINS = b"\x08\x01\x12"
_VARIABLES = {"Variable", "VariableV2", "VarHandleOp", "ReadVariableOp", "AutoReloadVariable"}
_CALLS = {"PartitionedCall", "StatefulPartitionedCall"}
_FREEZE_1 = (
    "Freeze it where TensorFlow is: tf.compat.v1.graph_util.convert_variables_to_constants(session, "
    "session.graph_def, [OUTPUT]), written with tf.io.write_graph(graph, FOLDER, 'frozen.pb', as_text=False)"
)
_FREEZE_2 = (
    "Freeze it where TensorFlow is: from tensorflow.python.framework.convert_to_constants import "
    "convert_variables_to_constants_v2 as freeze; f = tf.saved_model.load(FOLDER).signatures['serving_default']; "
    "tf.io.write_graph(freeze(f).graph, FOLDER, 'frozen.pb', as_text=False)"
)


def read_graph_def(path: Path) -> list[Node]:
    """Return the nodes of a frozen graph, each after all it reads.

    Raises NetworkFileError for a file of another kind, a damaged one, or a graph that is not frozen: with what to do.
    """
    path = path / SAVED_MODEL if path.is_dir() else path
    source = open_source(path, MAXIMUM_RECORDS)
    head = bytes(source.view[:HEAD])
    _expect_graph(head, source.file)
    graph = _saved_graph(source) if head.startswith(_SAVED_MODEL_BEGINS) else _read(source, "GraphDef")
    nodes = [read_node(message) for message in graph.node]
    if not nodes:
        raise NetworkFileError(f"{path} holds no nodes: it is no TensorFlow graph, or an empty one")
    _require_frozen(nodes, graph, path)
    return in_order(nodes)


def _expect_graph(head: bytes, file: str) -> None:
    found = identify(head) if head else "empty"
    if found.startswith("a network's description"):
        raise NetworkFileError(
            f"{file} is text, and convscope reads a graph's binary form: "
            "tf.io.write_graph(graph, FOLDER, 'frozen.pb', as_text=False)"
        )
    if not head or head[0] not in b"\x0a\x08\x12\x22":
        raise NetworkFileError(
            f"{file} is {found}, not a TensorFlow graph (GraphDef). Download or copy it again"
        )


def _read(source: Source, name: str) -> Message:
    message = Message(load_schema(__package__)[name])
    read_fields(source, message, 0, len(source.view))
    return message


def _saved_graph(source: Source) -> Message:
    model = _read(source, "SavedModel")
    if not model.meta_graphs:
        raise NetworkFileError(f"{source.file} is a SavedModel without a graph")
    graph: Message = model.meta_graphs[0].graph_def
    return graph


def _require_frozen(nodes: list[Node], graph: Message, path: Path) -> None:
    for node in nodes:
        if node.op in _VARIABLES or node.op in _CALLS:
            kept = (
                "its weights are kept apart, in variables" if node.op in _VARIABLES else "it calls functions"
            )
            newer = node.op in _CALLS or bool(graph.library.function)
            raise NetworkFileError(
                f"{path} is not frozen: {kept} (node {node.name!r}, a {node.op}). {_FREEZE_2 if newer else _FREEZE_1}"
            )
