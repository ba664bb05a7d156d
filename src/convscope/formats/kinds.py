"""Which kind of network a file holds, told from its content; its name's ending counts only where that says nothing."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Mapping
from enum import Enum
from pathlib import Path

from convscope.errors import NetworkFileError
from convscope.files import require_regular
from convscope.formats.hdf5 import OwnFile, opened_hdf5
from convscope.formats.protobuf.records import LENGTH, VARINT, open_source, top_records
from convscope.formats.recognition import HDF5, PICKLE, TEXT, identify

HEAD = 1 << 16


class FileKind(Enum):
    """A kind of file that a network, or its weights, is opened from; its value names it in messages."""

    CAFFE_TEXT = "a Caffe network's description (prototxt text)"
    CAFFE_WEIGHTS = "a Caffe network's weights (caffemodel)"
    CAFFE_HDF5 = "a Caffe network's weights (HDF5)"
    KERAS_ZIP = "a Keras model (.keras)"
    KERAS_HDF5 = "a Keras model (HDF5)"
    KERAS_JSON = "a Keras model's description (JSON)"
    ONNX = "an ONNX network"
    TENSORFLOW = "a TensorFlow graph (GraphDef)"
    TENSORFLOW_TEXT = "a TensorFlow graph as text (pbtxt)"
    SAVED_MODEL = "a TensorFlow SavedModel"
    META_GRAPH = "a TensorFlow 1 checkpoint's graph (.meta)"
    CHECKPOINT = "a PyTorch file of weights"
    SAFETENSORS = "a safetensors file"
    SHARDS = "a list of a network's files of weights"


BY_SUFFIX: Mapping[str, FileKind] = {
    **dict.fromkeys((".prototxt", ".pt.txt"), FileKind.CAFFE_TEXT),
    ".pbtxt": FileKind.TENSORFLOW_TEXT,
    ".caffemodel": FileKind.CAFFE_WEIGHTS,
    ".caffemodel.h5": FileKind.CAFFE_HDF5,
    **dict.fromkeys((".convscope", ".safetensors"), FileKind.SAFETENSORS),
    **dict.fromkeys((".pth", ".pt", ".pth.tar", ".ckpt", ".bin", ".pt2"), FileKind.CHECKPOINT),
    ".pb": FileKind.TENSORFLOW,
    ".meta": FileKind.META_GRAPH,
    ".onnx": FileKind.ONNX,
    ".keras": FileKind.KERAS_ZIP,
    **dict.fromkeys((".h5", ".hdf5"), FileKind.KERAS_HDF5),
    ".json": FileKind.KERAS_JSON,
    ".index.json": FileKind.SHARDS,
}
"""How a file's name ends, in capitals or not, to what it usually is."""

USUAL: Mapping[str, FileKind] = {
    **dict.fromkeys((".pkl", ".pickle", ".tar", ".jit", ".ts", ".torchscript", ".ptl"), FileKind.CHECKPOINT),
    **dict.fromkeys((".txt", ".prototext"), FileKind.CAFFE_TEXT),
    ".graphdef": FileKind.TENSORFLOW,
    ".hdf": FileKind.KERAS_HDF5,
}
"""What else such files are called: no surprise, but so many others are too that their content alone tells them."""

SAVED_MODELS = ("saved_model.pb", "saved_model.pbtxt")  # in the folder that one is


_ABOUT = (b"\x12", b"\x1a", b"\x22", b"\x2a")  # operators, anything, tags, TensorFlow's version


def kind_of_name(path: Path) -> FileKind | None:
    """Return what a file is by the longest known ending of its name; None for none of them.

    >>> kind_of_name(Path("Deploy.PROTOTXT")) is FileKind.CAFFE_TEXT
    True
    """
    name = path.name.lower()
    ending = max((suffix for suffix in BY_SUFFIX if name.endswith(suffix)), key=len, default=None)
    return None if ending is None else BY_SUFFIX[ending]


def kind_of_content(path: Path) -> FileKind | None:
    """Return what a file is by what is in it; None for what is no network, or too damaged to tell.

    NetworkFileError for what is no file (a device, a pipe).
    """
    require_regular(path)
    with path.open("rb") as file:
        head = file.read(HEAD)
    kind = identify(head) if head else ""
    if kind == HDF5:
        return _kind_of_hdf5(path)
    if head.startswith(b"PK\x03\x04"):
        return _kind_of_zip(path)
    if kind == PICKLE:
        return FileKind.CHECKPOINT
    if head[8:9] == b"{" and 2 <= int.from_bytes(head[:8], "little") <= path.stat().st_size - 8:
        return FileKind.SAFETENSORS
    return _kind_of_text(head) if kind == TEXT else _kind_of_protobuf(path)


def _kind_of_hdf5(path: Path) -> FileKind | None:
    try:
        with opened_hdf5(OwnFile(str(path))) as opened:
            is_keras = "model_config" in opened.attrs or "data" not in opened
    except NetworkFileError:
        return None
    return FileKind.KERAS_HDF5 if is_keras else FileKind.CAFFE_HDF5


def _kind_of_zip(path: Path) -> FileKind | None:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()[:10_000]
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, RuntimeError):
        return None
    if "config.json" in names:
        return FileKind.KERAS_ZIP
    inside = {name.partition("/")[2] for name in names}
    members = {"data.pkl", "constants.pkl", "data/weights/model_weights_config.json"}
    exported = {"serialized_exported_program.json", "serialized_state_dict.pt"}
    return FileKind.CHECKPOINT if members & inside or exported & {*names, *inside} else None


def _kind_of_text(head: bytes) -> FileKind | None:
    text = head.decode(
        "utf-16" if head[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig", "replace"
    ).lstrip()
    if text.startswith("{"):
        if '"weight_map"' in text:
            return FileKind.SHARDS
        keras = '"class_name"' in text and '"config"' in text
        return FileKind.KERAS_JSON if keras else None
    plain = re.sub(r"(?m)#.*$", "", text).lstrip()
    if re.match(r"(node|library|versions)\s*:?\s*\{", plain) and re.search(r"\bop\s*:", plain):
        return FileKind.TENSORFLOW_TEXT
    if re.match(r"(saved_model_schema_version|meta_graphs)\s*[:{]", plain):
        return FileKind.SAVED_MODEL
    fields = r"name|layers?|input|input_dim|input_shape|force_backward|state|debug_info"
    is_net = re.match(rf"({fields})\s*[:{{]", plain) and re.search(r"\b(layers?|input)\s*[:{]", plain)
    return FileKind.CAFFE_TEXT if is_net else None


def _kind_of_protobuf(path: Path) -> FileKind | None:
    """Tell the four binary forms apart by the fields that stand at the top."""
    source = open_source(path)
    records = top_records(source, 0, len(source.view))
    fields = {(record.number, record.wire) for record in records}
    if (7, LENGTH) in fields and {(1, VARINT), (8, LENGTH)} & fields:
        return FileKind.ONNX
    if fields == {(1, VARINT), (2, LENGTH)}:
        return FileKind.SAVED_MODEL
    nodes = [record for record in records if record.number == 1 and record.wire == LENGTH]
    graphs = [record for record in records if record.number == 2 and record.wire == LENGTH]
    # What a MetaGraphDef says of itself begins with a field behind its version, which nobody states.
    if len(nodes) == len(graphs) == 1 and bytes(source.view[nodes[0].start : nodes[0].stop][:1]) in _ABOUT:
        return FileKind.META_GRAPH
    if nodes and fields <= {(1, LENGTH), (2, LENGTH), (3, VARINT), (4, LENGTH), (5, LENGTH)}:
        # A node begins with a field, its name; where Caffe has a field 1 it is the network's name, plain text.
        begins = bytes(source.view[nodes[0].start : nodes[0].stop][:1])
        if begins in (b"\x0a", b"\x12"):
            return FileKind.TENSORFLOW
    layers = {(2, LENGTH), (100, LENGTH)} & fields
    return FileKind.CAFFE_WEIGHTS if layers and (1, VARINT) not in fields else None
