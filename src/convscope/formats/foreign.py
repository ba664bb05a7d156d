"""Networks of other programs: what each file is, by its content or else its name, and how it becomes one that opens."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterable
from pathlib import Path

from convscope.errors import NetworkFileError
from convscope.formats.protobuf.records import LENGTH, VARINT, ByteSource, Record, open_source, top_records

_HEAD = 1 << 16

_ORIGINAL = "open the network it was made from"
_ONNX_ORIGINAL = "open the ONNX network it was made from"
_MXNET = "in MXNet, mx.onnx.export_model(symbol, params) writes ONNX: open that"
_PADDLE = "paddle2onnx (--model_dir, --model_filename, --params_filename) writes ONNX: open that"
_COREML = (
    "a Core ML network: open the network it was made from, or write ONNX of it (onnxmltools.convert_coreml, "
    "for neural networks of before ML programs)"
)
_CAFFE2 = (
    "half of a Caffe2 network: convert-caffe2-to-onnx of older PyTorch makes ONNX of both halves: open that"
)
_CHECKPOINT = "give it as weights of its graph (.pb, .pbtxt), open its .meta, or open the SavedModel"
_DARKNET = (
    "Darknet's weights: demo_darknet2onnx.py of pytorch-YOLOv4 makes ONNX of them and their .cfg; open that"
)
_CHIP = f"made for one kind of chip: {_ONNX_ORIGINAL}"
_MXNET_PARAMS, _MXNET_SYMBOL = f"an MXNet network's weights: {_MXNET}", f"an MXNet network's layers: {_MXNET}"
_PADDLE_LAYERS, _PADDLE_WEIGHTS = f"a PaddlePaddle network: {_PADDLE}", f"PaddlePaddle's weights: {_PADDLE}"
_FLAX = (
    "Flax's weights, of JAX: convscope reads none of them; transformers 4 turns those of its own networks into "
    "PyTorch's (from_pretrained(FOLDER, from_flax=True), then save_pretrained)"
)
_EXECUTORCH = "an ExecuTorch program: open the .pt2 it was made from"
_ORT = f"a network in onnxruntime's own form: {_ONNX_ORIGINAL}"
_NCNN = f"an ncnn network's weights: {_ORIGINAL}"
_OPENVINO = f"OpenVINO's weights: {_ONNX_ORIGINAL}"
_CNTK = "a network of Microsoft's CNTK: its save(path, format=ModelFormat.ONNX) writes ONNX: open that"
_AOTI = (
    "PyTorch's package of machine code (AOTInductor), made for one processor: torch.export.save(program, 'net.pt2') "
    "keeps the program it was made of: open that"
)
_TENSORRT = f"a TensorRT engine, made for one graphics card: {_ONNX_ORIGINAL}"

BY_ENDING: dict[str, str] = {
    ".tflite": f"a TensorFlow Lite network: {_ORIGINAL}, or convert it to ONNX (tf2onnx --tflite)",
    **dict.fromkeys((".mlmodel", ".mlpackage", ".mlmodelc"), _COREML),
    **dict.fromkeys((".engine", ".trt", ".plan"), _TENSORRT),
    ".index": f"half of a TensorFlow checkpoint: {_CHECKPOINT}",
    ".weights": _DARKNET,
    ".t7": "a Torch 7 network: OpenCV 4 reads it, or convert it to PyTorch",
    ".params": _MXNET_PARAMS,
    ".pdmodel": _PADDLE_LAYERS,
    **dict.fromkeys((".pdiparams", ".pdparams"), _PADDLE_WEIGHTS),
    ".msgpack": _FLAX,
    ".mnn": f"an MNN network: {_ORIGINAL}",
    ".nnef": f"an NNEF network: {_ORIGINAL}",
    **dict.fromkeys((".tnnproto", ".tnnmodel"), f"half of a TNN network: {_ORIGINAL}"),
    **dict.fromkeys((".cntk", ".dnn"), _CNTK),
    **dict.fromkeys(
        (".yaml", ".yml"), "settings in YAML: the network is another file, its weights or its ONNX export"
    ),
    ".pte": _EXECUTORCH,
    ".ort": _ORT,
    **dict.fromkeys(
        (".rknn", ".hef", ".om", ".dlc", ".bmodel", ".kmodel", ".blob", ".uff"), f"a network {_CHIP}"
    ),
    ".mar": "an archive of TorchServe's: unpack it (it is a zip) and open the weights in it with their --architecture",
    ".npy": "a NumPy array: if it is the mean picture, give the network first and this as its mean",
    ".binaryproto": "a mean picture: give the network first and this as its mean",
    ".npz": "arrays without a network: convscope cannot know what they belong to",
    **dict.fromkeys((".zip", ".tar", ".gz"), "an archive: unpack it and open the file inside"),
    ".xml": f"OpenVINO's description: {_ONNX_ORIGINAL}",
}

_BEGINNINGS = (
    (0, (0x112).to_bytes(8, "little"), _MXNET_PARAMS),
    (0, b"RKNN", f"a network {_CHIP}"),
    *((0, magic, _TENSORRT) for magic in (b"ftrt", b"ptrt")),
    (0, (7767517).to_bytes(4, "little"), _NCNN),
    (1, b"\xa6params", _FLAX),
    (4, b"ORTM", _ORT),
    (4, b"ET12", _EXECUTORCH),
    (0, b"\0\0\0\0\2\0\0\0", _DARKNET),
    (
        0,
        b"model_checkpoint_path:",
        f"a list of TensorFlow's checkpoints: take one of them, and {_CHECKPOINT}",
    ),
)

_TFJS = (
    "a network of TensorFlow.js: tf2onnx --tfjs writes ONNX of it, and tensorflowjs_converter a Keras file where it is "
    "one of Keras's layers: open that"
)
_TEXTS = (
    (r'\{\s*"nodes"\s*:\s*\[\s*\{\s*"op"\s*:', _MXNET_SYMBOL),
    (r'\{\s*"base_code"\s*:', _PADDLE_LAYERS),
    (r'\{[^\0]*"modelTopology"\s*:', _TFJS),
    (
        r'\{[^\0]*"model_type"\s*:',
        "a configuration of the Hugging Face hub: its weights (model.safetensors or pytorch_model.bin) belong into one "
        "folder with it: give that",
    ),
    (r'\{[^\0]*"itemInfoEntries"\s*:', _COREML),
    (
        r"item\s*\{\s*(id|name|display_name)\s*:",
        "a list of a detector's classes, without a network: open the frozen graph (.pb) beside it",
    ),
    (
        r"model\s*\{\s*(faster_rcnn|ssd|center_net)\s*\{",
        "a file of settings of TensorFlow's detectors: open the frozen graph (.pb) beside it",
    ),
)


def foreign_network(path: Path) -> NetworkFileError | None:
    """Return the error for a file that is certainly another program's network, with what to do; None for others."""
    with path.open("rb") as stream:
        head = stream.read(_HEAD)
    sentence = (
        _told_by_name(path)
        or next((what for at, magic, what in _BEGINNINGS if head[at:].startswith(magic)), None)
        or _told_by_text(head)
        or _told_by_records(path, head)
        or _told_by_archive(path, head)
    )
    return None if sentence is None else NetworkFileError(f"{path} is {sentence}")


def in_another_format(name: str) -> str | None:
    """Return what a file or folder of another program is, by its name's ending, and what to do; None if unknown."""
    if re.search(r"\.data-\d{5}-of-\d{5}$", name):
        return f"half of a TensorFlow checkpoint: {_CHECKPOINT}"
    return BY_ENDING.get(Path(name).suffix.lower())


def _told_by_name(path: Path) -> str | None:
    """Tell what is a pickle, as PyTorch's files are, or numbers alone, beside the file that describes them."""
    if path.suffix == ".pdparams":
        return _PADDLE_WEIGHTS
    beside = {".param": _NCNN, ".xml": _OPENVINO} if path.suffix == ".bin" else {}
    return next((what for ending, what in beside.items() if path.with_suffix(ending).is_file()), None)


def _told_by_text(head: bytes) -> str | None:
    text = head.decode("utf-8", "replace").lstrip()
    return next((what for pattern, what in _TEXTS if re.match(pattern, text)), None)


def _told_by_records(path: Path, head: bytes) -> str | None:
    """Tell protobuf's forms by the fields at the top, and those of the first thing in them."""
    if head[:1] not in (b"\x08", b"\x0a", b"\x12"):
        return None
    source = open_source(path)
    records = top_records(source, 0, len(source.view))
    fields = {(record.number, record.wire) for record in records}
    if head[:1] == b"\x08" and any(number >= 200 and wire == LENGTH for number, wire in fields):
        return _COREML if (2, LENGTH) in fields else None
    blocks = _inside(source, records, 1)
    if blocks[:2] == [(1, VARINT), (2, VARINT)] and fields <= {(1, LENGTH), (4, LENGTH), (5, LENGTH)}:
        return _PADDLE_LAYERS
    operators = _inside(source, records, 2)
    if (
        (2, LENGTH) in operators
        and (4, LENGTH) in operators
        and {number for number, _ in fields} <= set(range(1, 9))
        and _names_its_type(source, records)
    ):
        # a layer of Caffe's has its type, a number, where this has what it is set to
        return None if (5, VARINT) in operators or (1, VARINT) in fields else _CAFFE2
    return None


def _names_its_type(source: ByteSource, records: Iterable[Record]) -> bool:
    """Whether what a first operator has in the place of its type is a text; a graph of TensorFlow's has its version."""
    operator = next(each for each in records if each.number == 2 and each.wire == LENGTH)
    kinds = (each for each in top_records(source, operator.start, operator.stop) if each.number == 4)
    return all(bytes(source.view[kind.start : kind.start + 1]).isalnum() for kind in kinds)


def _inside(source: ByteSource, records: Iterable[Record], number: int) -> list[tuple[int, int]]:
    first = next((each for each in records if each.number == number and each.wire == LENGTH), None)
    parts = [] if first is None else top_records(source, first.start, first.stop)
    return [(record.number, record.wire) for record in parts]


def _told_by_archive(path: Path, head: bytes) -> str | None:
    if not head.startswith(b"PK\x03\x04"):
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()[:1000]
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, RuntimeError):
        return None
    if any("data/aotinductor/" in name for name in names):
        return _AOTI
    return BY_ENDING[".mar"] if "MAR-INF/MANIFEST.json" in names else None
