"""TensorFlow's files as nodes: a GraphDef, a SavedModel or a checkpoint's .meta, with functions and variables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from convscope.errors import NetworkFileError
from convscope.files import user_path
from convscope.formats.kinds import SAVED_MODELS, FileKind, kind_of_content
from convscope.formats.protobuf.message import Message
from convscope.formats.protobuf.parser import Parser, decoded
from convscope.formats.protobuf.records import ByteSource, open_source
from convscope.formats.protobuf.schema import load_schema
from convscope.formats.protobuf.wire import read_fields
from convscope.formats.recognition import HEAD, TEXT, identify
from convscope.formats.tensorflow.checkpoint import INDEX, VariableCheckpoint, read_checkpoint
from convscope.formats.tensorflow.functions import CALLS, inlined
from convscope.formats.tensorflow.loops import gather_loops
from convscope.formats.tensorflow.node import (
    PLACEHOLDERS,
    Node,
    OutputReference,
    in_order,
    read_node,
    reference,
)
from convscope.formats.tensorflow.picture_readers import DECODERS, behind
from convscope.formats.tensorflow.record_readers import READERS
from convscope.formats.tensorflow.variables import VARIABLES, filled

META = ".meta"
FEW_RECORDS, MAXIMUM_RECORDS = 500_000, 5_000_000  # what any file may have, and a large one
_BYTES_A_RECORD = 10  # a small file of a million empty nodes takes gigabytes
_STATES_SHAPES = 24  # the version of graphs from which a placeholder that states no axes has none
_LARGEST_TEXT = 256 * 2**20
_SAVED_MODEL_BEGINS = (b"\x08\x01\x12", b"saved_model_schema_version", b"meta_graphs")
_VARIABLES_BESIDE = "variables/variables"
_SIGNATURE = "serving_default"
_ENDS = "outputs of the signature"
_SAVING = frozenset({"SaveV2", "Save", "SaveSlices", "RestoreV2", "Restore", "Assign", "AssignVariableOp"})
_ENTRANCES = frozenset({*PLACEHOLDERS, *DECODERS, *READERS})
_FREEZE_1 = (
    "Freeze it where TensorFlow is: tf.compat.v1.graph_util.convert_variables_to_constants(session, "
    "session.graph_def, [OUTPUT]), written with tf.io.write_graph(graph, FOLDER, 'frozen.pb', as_text=False)"
)
_FREEZE_2 = (
    "Freeze it where TensorFlow is: from tensorflow.python.framework.convert_to_constants import "
    "convert_variables_to_constants_v2 as freeze; f = tf.saved_model.load(FOLDER).signatures['serving_default']; "
    "tf.io.write_graph(freeze(f).graph, FOLDER, 'frozen.pb', as_text=False)"
)


_SIGN = (
    "Save it again with one where TensorFlow is: f = tf.function(model).get_concrete_function(tf.TensorSpec([None, "
    "HEIGHT, WIDTH, 3])); tf.saved_model.save(model, FOLDER, signatures=f)"
)


@dataclass(frozen=True)
class GraphFile:
    """A graph as it was read: its nodes, each after all it reads, and the files that they come from."""

    nodes: Sequence[Node]
    files: tuple[Path, ...]


def read_graph_def(path: Path, weights: str | Path | None = None) -> GraphFile:
    """Read a graph and, where it has variables, their numbers: of the checkpoint beside it, or of `weights`.

    Raises NetworkFileError for a file of another kind, a damaged one, or a graph whose variables have no numbers: with
    what to do.
    """
    file = next((one for name in SAVED_MODELS if (one := path / name).is_file()), path)
    source = open_source(file, records_of(file.stat().st_size) if file.is_file() else None)
    head = bytes(source.view[:HEAD])
    _expect_graph(head, source.file)
    meta: Message | None = None
    if head.lstrip().startswith(_SAVED_MODEL_BEGINS):
        meta = _meta_graph(source)
    elif file.suffix == META or kind_of_content(file) is FileKind.META_GRAPH:
        meta = _read(source, "MetaGraphDef")
    graph: Message = meta.graph_def if meta is not None else _read(source, "GraphDef")
    outputs = _signature(meta) if meta is not None else ()
    nodes = [_with_open_shape(read_node(message), graph) for message in graph.node]
    if meta is not None and meta.signature_def and not outputs and not _reached(nodes):
        raise NetworkFileError(
            f"{path} is a SavedModel without a signature: its functions are in it, and nothing says which one a "
            f"picture goes into. {_SIGN}"
        )
    by_name = {node.name: node for node in nodes}
    first = set().union(*(behind(by_name[read.node], by_name) for read in outputs if read.node in by_name))
    nodes = sorted(nodes, key=lambda node: node.name not in first)  # they keep their own names
    *nodes, ends = inlined([*nodes, Node(_ENDS, "NoOp", outputs, {})], graph.library.function)
    if not nodes:
        raise NetworkFileError(f"{path} holds no nodes: it is no TensorFlow graph, or an empty one")
    checkpoint = _checkpoint(file, weights)
    nodes = _needed(filled(nodes, checkpoint), [read.node for read in ends.inputs])
    _require_frozen(nodes, graph, path)
    return GraphFile(
        _without_bundles(in_order(gather_loops(nodes))), (file, *(checkpoint.files if checkpoint else ()))
    )


def records_of(size: int) -> int:
    """Return how many records a graph's file of so many bytes may have."""
    return min(MAXIMUM_RECORDS, max(FEW_RECORDS, size // _BYTES_A_RECORD))


def _with_open_shape(node: Node, graph: Message) -> Node:
    """Return a node as later versions of TensorFlow write it: before, a placeholder of no axes was one of any shape."""
    old = node.op in PLACEHOLDERS and graph.versions.producer < _STATES_SHAPES
    if not old or node.shape() != ():
        return node
    return replace(node, attributes={key: node.attributes[key] for key in node.attributes if key != "shape"})


def _without_bundles(nodes: Sequence[Node]) -> list[Node]:
    """Return the nodes without the IdentityN, which pass several values on for a gradient of their own (swish)."""
    passed: dict[OutputReference, OutputReference] = {}
    single_nodes: list[Node] = []
    for node in nodes:
        inputs = tuple(passed.get(read, read) for read in node.inputs)
        if node.op == "IdentityN":
            passed.update({OutputReference(node.name, at): read for at, read in enumerate(inputs)})
        else:
            single_nodes.append(replace(node, inputs=inputs))
    return single_nodes


def _checkpoint(file: Path, weights: str | Path | None) -> VariableCheckpoint | None:
    """Return the checkpoint that was given, by any of its files, or the one beside a SavedModel or a ``.meta``."""
    if weights is None:
        prefixes = (str(file.parent / _VARIABLES_BESIDE), str(file.with_suffix("")))
        prefix = prefixes[file.suffix == META]
        return read_checkpoint(prefix) if Path(prefix + INDEX).is_file() else None
    text = str(user_path(weights))
    prefix = text.removesuffix(INDEX).partition(".data-")[0]
    if not Path(prefix + INDEX).is_file():
        raise NetworkFileError(f"{weights}: a checkpoint is NAME.index and NAME.data-..., not there")
    return read_checkpoint(prefix)


def _signature(meta: Message) -> tuple[OutputReference, ...]:
    """Return the outputs of a SavedModel's signature, the serving one if there is one."""
    signatures = {entry.key: entry.value for entry in meta.signature_def if entry.value.outputs}
    signatures.pop("__saved_model_init_op", None)
    if not signatures:
        return ()
    signature = signatures.get(_SIGNATURE, next(iter(signatures.values())))
    return tuple(reference(entry.value.name or "") for entry in signature.outputs)


def _needed(nodes: list[Node], ends: Sequence[str]) -> list[Node]:
    """Return the nodes that make the `ends`; in a graph that saves itself, else, those that a picture reaches."""
    by_name = {node.name: node for node in nodes}
    if not ends:
        if not any(node.op in _SAVING for node in nodes):
            return nodes
        ends = _reached(nodes)
    needed = set().union(*(behind(by_name[end], by_name) for end in ends if end in by_name))
    return [node for node in nodes if node.name in needed]


def _reached(nodes: Sequence[Node]) -> list[str]:
    """Return the names of the nodes that anything which goes in comes to."""
    readers: dict[str, list[Node]] = {}
    for node in nodes:
        for read in node.inputs:
            readers.setdefault(read.node, []).append(node)
    waiting = [node for node in nodes if node.op in _ENTRANCES and node.text("dtype") != "DT_STRING"]
    names: dict[str, None] = {}
    while waiting:
        node = waiting.pop()
        if node.name not in names and node.op not in _SAVING and not _trains(node):
            names[node.name] = None
            waiting += readers.get(node.name, [])
    return list(names)


def _trains(node: Node) -> bool:
    """Whether a node is of the training that a graph was saved in the middle of: a gradient, or what applies one."""
    return node.name.startswith("gradients") or node.op.removeprefix("Resource").startswith("Apply")


def _expect_graph(head: bytes, file: str) -> None:
    type_name = identify(head) if head else "empty"
    if type_name != TEXT and (not head or head[0] not in b"\x0a\x08\x12\x22"):
        raise NetworkFileError(
            f"{file} is {type_name}, not a TensorFlow graph (GraphDef). Download or copy it again"
        )


def _read(source: ByteSource, name: str) -> Message:
    message = Message(load_schema(__package__)[name])
    if identify(bytes(source.view[:HEAD])) != TEXT:
        read_fields(source, message, 0, len(source.view))
        return message
    if len(source.view) > _LARGEST_TEXT:
        raise NetworkFileError(
            f"{source.file} is text of over {_LARGEST_TEXT // 2**20} MB: save it as binary"
        )
    Parser(decoded(bytes(source.view)), source.file, budget=records_of(len(source.view))).read_fields(message)
    return message


def _meta_graph(source: ByteSource) -> Message:
    model = _read(source, "SavedModel")
    if not model.meta_graphs:
        raise NetworkFileError(f"{source.file} is a SavedModel without a graph")
    meta: Message = model.meta_graphs[0]
    return meta


def _require_frozen(nodes: Sequence[Node], graph: Message, path: Path) -> None:
    for node in nodes:
        newer = node.op in CALLS or bool(graph.library.function)
        how = _FREEZE_2 if newer else _FREEZE_1
        if node.op in VARIABLES:
            raise NetworkFileError(
                f"{path} is not frozen: its weights are kept apart, in variables (node {node.name!r}, a {node.op}). "
                f"Give their checkpoint as its weights (NAME.index), or freeze it. {how}"
            )
        if node.op in CALLS:
            raise NetworkFileError(
                f"{path} is not frozen: it calls functions that it does not hold (node {node.name!r}, a {node.op}). "
                f"{how}"
            )
