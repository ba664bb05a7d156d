"""Networks of other programs: each is named by what is in it, whatever it is called, and what to do is said."""

import json
import struct
import zipfile
from pathlib import Path

import pytest

from convscope import open_network
from convscope.errors import NetworkFileError


def varint(number: int) -> bytes:
    low, number = number & 127, number >> 7
    return bytes([low | 128]) + varint(number) if number else bytes([low])


def field(number: int, value: int | str | bytes) -> bytes:
    """Write one field of protobuf's."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value % 2**64)
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


def paddle() -> bytes:
    """Write PaddlePaddle's ProgramDesc: a block has its own number, its parent's (none), variables and operators."""
    variable, operator = (
        field(1, "conv2d_0.w_0"),
        field(1, field(1, "Input") + field(2, "x")) + field(3, "conv2d"),
    )
    return field(1, field(1, 0) + field(2, -1) + field(3, variable) + field(4, operator)) + field(
        4, field(1, 0)
    )


def caffe2(halves: str) -> bytes:
    """Write Caffe2's NetDef, whose operators have their type as a text; the weights' half fills in numbers."""
    if halves == "weights":
        filled = field(2, "w") + field(3, "") + field(4, "GivenTensorFill") + field(5, field(1, "shape"))
        return field(1, "init") + field(2, filled)
    operator = (
        field(1, "data") + field(1, "w") + field(2, "conv") + field(4, "Conv") + field(5, field(1, "kernel"))
    )
    return field(1, "net") + field(2, operator) + field(7, "data") + field(8, "conv")


COREML = field(1, 4) + field(2, field(1, field(1, "image"))) + field(500, field(1, field(1, "conv")))
MXNET = {"nodes": [{"op": "null", "name": "data", "inputs": []}], "arg_nodes": [0], "heads": [[0, 0, 0]]}
TFJS = {"format": "graph-model", "modelTopology": {"node": []}, "weightsManifest": [{"paths": ["w.bin"]}]}
PIR = {"base_code": {"magic": "pir", "version": 1}, "program": {"regions": []}}
DARKNET = struct.pack("<iiiQ", 0, 2, 5, 32013312) + b"\1\2\3\4" * 9

BY_CONTENT = {
    "MXNet network's layers.*export_model": json.dumps(MXNET, indent=2).encode(),
    "MXNet network's weights.*export_model": struct.pack("<QQQ", 0x112, 0, 1) + bytes(40),
    "PaddlePaddle network.*paddle2onnx": paddle(),
    "PaddlePaddle network: paddle2onnx": json.dumps(PIR).encode(),
    "Core ML network.*convert_coreml": COREML,
    "TensorFlow.js.*tf2onnx --tfjs": json.dumps(TFJS).encode(),
    "half of a Caffe2 network.*convert-caffe2-to-onnx": caffe2("layers"),
    "half of a Caffe2 network": caffe2("weights"),
    "Darknet's weights: .*demo_darknet2onnx.py of pytorch-YOLOv4": DARKNET,
    "onnxruntime's own form: open the ONNX": b"\x20\0\0\0ORTM" + bytes(40),
    "ExecuTorch program: open the .pt2": b"\x20\0\0\0ET12" + bytes(40),
    "TensorRT engine, made for one graphics card": b"ftrt" + bytes(40),
    "ncnn network's weights": struct.pack("<iii", 7767517, 3, 3) + bytes(40),
    "Flax's weights, of JAX": b"\x81\xa6params\x81\xa5Dense" + bytes(40),
    "MATLAB file.*ONNX": b"MATLAB 7.3 MAT-file, Platform: GLNXA64" + bytes(100),
    "one kind of chip": b"RKNN\0\0\0\0" + bytes(40),
    "list of TensorFlow's checkpoints": b'model_checkpoint_path: "model.ckpt-9"\n',
    "list of a detector's classes": b"item {\n  id: 1\n  name: 'cat'\n}\n",
    "settings of TensorFlow's detectors": b"model {\n  faster_rcnn {\n    num_classes: 90\n  }\n}\n",
    "configuration of the Hugging Face hub.*one folder": b'{"architectures": ["R"], "model_type": "resnet"}',
}
BY_NAME = {
    "inference.pdiparams": "PaddlePaddle's weights: paddle2onnx",
    "model.pdparams": "PaddlePaddle's weights",
    "flax_model.msgpack": "Flax's weights, of JAX",
    "model.ckpt-1000.data-00000-of-00001": "half of a TensorFlow checkpoint: give it as weights",
    "net.plan": "TensorRT engine",
    "net.hef": "made for one kind of chip: open the ONNX network",
    "net.mnn": "an MNN network",
    "net.cntk": "network of Microsoft's CNTK: its save",
    "net.tnnmodel": "half of a TNN network",
}


@pytest.mark.parametrize("called", ["net.pb", "net.onnx", "net.json", "net.bin", "net"])
@pytest.mark.parametrize("words", BY_CONTENT)
def test_the_content_tells(words: str, called: str, tmp_path: Path) -> None:
    (tmp_path / called).write_bytes(BY_CONTENT[words])
    with pytest.raises(NetworkFileError, match=words) as caught:
        open_network(tmp_path / called)
    assert str(caught.value).startswith(f"{tmp_path / called} is ")


@pytest.mark.parametrize("called", BY_NAME)
def test_the_name_tells_where_the_content_does_not(called: str, tmp_path: Path) -> None:
    (tmp_path / called).write_bytes(b"\x81\xa6\0\1" * 20)
    with pytest.raises(NetworkFileError, match=BY_NAME[called]):
        open_network(tmp_path / called)


def test_a_folder_is_told_by_what_lies_in_it(tmp_path: Path) -> None:
    package = tmp_path / "Net.mlpackage"
    package.mkdir()
    (package / "Manifest.json").write_text('{"itemInfoEntries": {}}')
    with pytest.raises(NetworkFileError, match=r"Net\.mlpackage is a Core ML network"):
        open_network(package)
    page = tmp_path / "page"
    page.mkdir()
    (page / "model.json").write_text(json.dumps(TFJS))
    (page / "group1-shard1of1.bin").write_bytes(b"\1\2\3\4" * 9)
    with pytest.raises(NetworkFileError, match=r"model\.json is a network of TensorFlow\.js"):
        open_network(page)
    served = tmp_path / "served"
    served.mkdir()
    with zipfile.ZipFile(served / "net.mar", "w") as archive:
        archive.writestr("MAR-INF/MANIFEST.json", "{}")
        archive.writestr("weights.pth", "")
    with pytest.raises(NetworkFileError, match=r"TorchServe's: unpack it"):
        open_network(served)


@pytest.mark.parametrize(("beside", "words"), [("net.param", "an ncnn network's"), ("net.xml", "OpenVINO's")])
def test_numbers_are_told_by_what_describes_them(beside: str, words: str, tmp_path: Path) -> None:
    (tmp_path / beside).write_text("7767517\n")
    (tmp_path / "net.bin").write_bytes(b"\1\2\3\4" * 9)
    with pytest.raises(NetworkFileError, match=rf"net\.bin is {words} weights: open the"):
        open_network(tmp_path / "net.bin")


@pytest.mark.parametrize("folder", ["", "net/"])
def test_packages_of_machine_code_are_called_so(folder: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "net.pt2", "w") as archive:
        archive.writestr(f"{folder}archive_format", "pt2")
        archive.writestr(f"{folder}data/aotinductor/model/net.so", b"\x7fELF")
    with pytest.raises(NetworkFileError, match=r"machine code \(AOTInductor\).*torch\.export\.save"):
        open_network(tmp_path / "net.pt2")


@pytest.mark.parametrize(
    ("held", "words"),
    [
        ([".metadata", "__0_0.distcp"], "distributed checkpoint of PyTorch's.*dcp_to_torch"),
        (["latest", "zero_to_fp32.py", "global_step1/states.pt"], "DeepSpeed's: its zero_to_fp32"),
        (["_CHECKPOINT_METADATA", "d/0"], r"JAX's \(Orbax\)"),
        (["config.json", "flax_model.msgpack"], "Flax's weights"),
        (["config.json", "tf_model.h5"], "TensorFlow's weights alone"),
        (["config.json", "onnx/model.onnx", "onnx/model_int8.onnx"], "inside it lie onnx/model.onnx, onnx/"),
        (
            ["hparams.yaml", "version_0/checkpoints/last.ckpt"],
            "inside it lie version_0/checkpoints/last.ckpt:",
        ),
        (["notes.txt"], r"holds no network \(.*\), but notes.txt$"),
        ([], r"holds no files; give a network's file"),
        ([".hidden.onnx", "labels.json", *"12345"], r"but 1, 2, 3, 4 and 2 more$"),
        (
            [".run.json", "frame-00001.png"],
            "folder of a film's frames, and no network: it belongs behind --f",
        ),
        (["atlas.json", "index.html"], "atlas, and no network: open its index.html"),
        (["measurement.json"], "measurements of photographs, and no network"),
    ],
)
def test_folders_in_which_nothing_opens(held: list[str], words: str, tmp_path: Path) -> None:
    for name in held:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text('{"model_type": "vit"}' if name == "config.json" else "?")
    with pytest.raises(NetworkFileError, match=words):
        open_network(tmp_path)
