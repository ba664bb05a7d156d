"""What people give by mistake, each with its own sentence and its own remedy."""

import io
import json
import os
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from convscope import open_network
from convscope.errors import ConvscopeError

LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
PAGE = b"<!DOCTYPE html><html><head><title>Sign in</title></head></html>"
REFUSED = b'{"error": "Repository not found"}'
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 100
GZIP = b"\x1f\x8b\x08" + b"\0" * 50


class Own(torch.nn.Conv2d):
    """A layer of somebody's own, whose code no file brings along."""


def saved(what: object) -> bytes:
    stream = io.BytesIO()
    torch.save(what, stream)
    return stream.getvalue()


def zipped(**members: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def weights_only_h5() -> bytes:
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        file.attrs["layer_names"] = np.array([b"conv1"])
        file.attrs["backend"] = b"tensorflow"
        file.create_group("conv1").attrs["weight_names"] = np.array([b"conv1/kernel:0"])
        file["conv1"]["conv1/kernel:0"] = np.zeros((3, 3, 3, 2), np.float32)
    return stream.getvalue()


STATE = {"conv.weight": torch.zeros(2, 3, 3, 3)}
CASES = {
    "pointer.pb": (LFS, "is a Git LFS pointer.*git lfs pull"),
    "pointer.h5": (LFS, "is a Git LFS pointer.*git lfs pull"),
    "pointer.onnx": (LFS, "is a Git LFS pointer.*git lfs pull"),
    "pointer.pth": (LFS, "is a Git LFS pointer.*git lfs pull"),
    "pointer.safetensors": (LFS, "is a Git LFS pointer.*git lfs pull"),
    "pointer.caffemodel": (LFS, "is a Git LFS pointer.*git lfs pull"),
    "page.keras": (PAGE, "is a web page.*download the file itself"),
    "page.pt": (PAGE, "is a web page.*download the file itself"),
    "page.convscope": (PAGE, "is a web page.*download the file itself"),
    "refused.onnx": (REFUSED, "is a server's answer.*download again"),
    "cat.pb": (PNG, "is a picture.*network first and the picture second"),
    "paper.onnx": (b"%PDF-1.7", "is a PDF document.*another file"),
    "packed.h5": (GZIP, "is a gzip archive.*Unpack it first"),
    "nothing.keras": (b"", "is empty. Download or copy it again"),
    "notes.pb": (b"node { name: 'a' }", "has no input .Placeholder. that takes numbers"),
    "checkpoint.pt": (
        saved({"epoch": 3, "state_dict": STATE, "optimizer": {}}),
        "holds weights.*--architecture",
    ),
    "weights.pth": (saved(STATE), "holds weights.*--architecture"),
    "module.pt": (saved(Own(3, 2, 3)), "holds the weights.*--architecture"),
    "model.weights.h5": (weights_only_h5(), "weights"),
    "archive.keras": (zipped(**{"readme.txt": b"hello"}), "config.json"),
    "array.h5": (b"\x93NUMPY\x01\x00" + b" " * 80, "HDF5"),
    "damaged.onnx": (b"\x08\x07" + b"\xff" * 60, "damaged.onnx"),
    "wrong.keras": (zipped(**{"config.json": json.dumps({"class_name": "Nothing"}).encode()}), "wrong.keras"),
    "mean.npy": (b"\x93NUMPY", "give the network first and this as its mean"),
    "network.tflite": (b"\x1c\0\0\0TFL3", "TensorFlow Lite.*convert it to ONNX"),
    "network.mlmodel": (b"\x08\x01", "Core ML"),
    "model.ckpt.meta": (b"\x0a\x01", "inside a field: it is incomplete or damaged"),
    "yolo.weights": (b"\0" * 20, "Darknet"),
    "network.zip": (zipped(a=b"b"), "a zip archive. Unpack it first"),
    "network.pkl": (b"\x80\x04}.", "holds no weights: nothing"),
    "network.txt": (b"hello", "convscope opens .*this ends otherwise"),
}


@pytest.mark.filterwarnings("ignore::convscope.errors.ConvscopeWarning")
@pytest.mark.parametrize("name", CASES)
def test_each_has_its_sentence(name: str, tmp_path: Path) -> None:
    content, words = CASES[name]
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ConvscopeError, match=words) as caught:
        open_network(path)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("builtinn", "Did you mean 'builtin'"),
        ("https://example.org/net.pb", "download it first"),
        ("zoo:vgg", "the zoo has no network 'vgg'"),
        ("keras:VGG61", "keras"),
        ("torchvision:resnet19", "torchvision"),
        (12, "found int"),
    ],
)
def test_each_wrong_name_has_its_sentence(source: object, words: str) -> None:
    with pytest.raises(ConvscopeError, match=words):
        open_network(source)


def test_a_close_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "network.onnx").write_bytes(b"x")
    with pytest.raises(ConvscopeError, match=r"Did you mean 'network\.onnx'"):
        open_network(tmp_path / "netwrok.onnx")


@pytest.mark.skipif(sys.platform != "linux", reason="a name is any bytes there")
@pytest.mark.parametrize(("write", "ending"), [(torch.save, b".pth"), (save_file, b".safetensors")])
def test_a_name_that_the_library_cannot_open_is_no_damage(
    write: Callable[..., object], ending: bytes, tmp_path: Path
) -> None:
    write(STATE, tmp_path / "weights")
    path = (tmp_path / "weights").rename(tmp_path / os.fsdecode(b"caf\xe9" + ending))
    with pytest.raises(ConvscopeError, match=r"opens no file whose name, .* is not UTF-8: rename it"):
        open_network(path, architecture=lambda: torch.nn.Conv2d(3, 2, 3))
