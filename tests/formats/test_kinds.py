"""The content decides: every kind of network is opened as what it is, whatever its name says, with a note."""

import os
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from convscope import open_network
from convscope.errors import ConvscopeError, NetworkFileError
from convscope.formats.kinds import USUAL, FileKind, kind_of_content, kind_of_name
from planted import planted_files, planted_network
from test_formats import write_keras, write_onnx, write_tensorflow


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The planted network in every kind of file, each in a folder of its own."""
    folder = tmp_path_factory.mktemp("kinds")
    places = {name: folder / name for name in ("caffe", "tensorflow", "keras", "onnx", "own", "weights")}
    for place in places.values():
        place.mkdir()
    description = planted_files(places["caffe"])
    weights = places["weights"] / "state"
    torch.save(dict(planted_network().parameters), weights)
    own = planted_network().save(places["own"] / "planted.convscope")
    return {
        "caffe text": next(description.glob("*.prototxt")),
        "tensorflow": write_tensorflow(places["tensorflow"]),
        "keras": write_keras(places["keras"]),
        "onnx": write_onnx(places["onnx"]),
        "own": own,
        "state": weights,
    }


KINDS = {
    "caffe text": FileKind.CAFFE_TEXT,
    "tensorflow": FileKind.TENSORFLOW,
    "keras": FileKind.KERAS_HDF5,
    "onnx": FileKind.ONNX,
    "own": FileKind.SAFETENSORS,
    "state": FileKind.CHECKPOINT,
}


@pytest.mark.parametrize("name", KINDS)
def test_the_content_tells_the_kind(networks: dict[str, Path], name: str) -> None:
    assert kind_of_content(networks[name]) is KINDS[name]


@pytest.mark.parametrize(
    "called", ["network", "network.model", "network.PB", "network.onnx", "network.H5", "x.txt"]
)
@pytest.mark.parametrize("name", ["caffe text", "tensorflow", "keras", "onnx", "own"])
def test_it_is_opened_as_what_it_is(
    networks: dict[str, Path], name: str, called: str, tmp_path: Path
) -> None:
    file = tmp_path / called
    file.write_bytes(networks[name].read_bytes())
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = open_network(file)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wanted = open_network(networks[name])
    assert list(found.layers) == list(wanted.layers)
    notes = [str(one.message) for one in caught if "whatever its name says" in str(one.message)]
    fitting = KINDS[name] in (kind_of_name(file), USUAL.get(file.suffix))
    assert len(notes) == (0 if fitting else 1), notes
    assert fitting or KINDS[name].value in notes[0]


@pytest.mark.parametrize("ending", [".pkl", ".tar", ".jit"])
def test_what_is_called_as_such_files_are_is_no_surprise(ending: str, tmp_path: Path) -> None:
    file = tmp_path / f"network{ending}"
    torch.save(torch.nn.Conv2d(3, 2, 3).state_dict(), file)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        open_network(file, architecture=lambda: torch.nn.Conv2d(3, 2, 3), input_shape=(1, 3, 8, 8))
    assert not [one for one in caught if "whatever its name says" in str(one.message)]


FOREIGN = {
    "model.prototxt": (b"[net]\nbatch=1\nwidth=416\n[convolutional]\n", "Darknet's description"),
    "model.onnx": (b"\x1c\0\0\0TFL3" + b"\0" * 20, "TensorFlow Lite"),
    "model.caffemodel": (b"7767517\n75 83\n", "ncnn"),
    "model.h5": (b"MATLAB 5.0 MAT-file, Platform: GLNX86", "MATLAB"),
    "model.pb": (b"#!/usr/bin/env python\nimport caffe\n", "a program"),
    "model.pt": (
        b"import torch\nclass Net(torch.nn.Module):\n  pass\n",
        r"program in Python.*FILE\.py:CLASS",
    ),
    "model.pth": (b"\0" * 257 + b"ustar\x0000" + b"\0" * 100, "tar archive.*Unpack"),
    "model.keras": (b"BZh91AY&SY" + b"\0" * 40, "packed archive.*Unpack"),
    "model.bin": (b"GGUF\x03\0\0\0", "language model"),
    "noending": (b"only words\n", "text, and describes no network"),
    "empty": (b"", "is empty"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_what_is_no_network_gets_a_sentence(name: str, tmp_path: Path) -> None:
    content, words = FOREIGN[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ConvscopeError, match=words) as caught:
        open_network(tmp_path / name)
    assert name in str(caught.value)


def test_an_archive_says_what_is_in_it(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "net.zip", "w") as archive:
        archive.writestr("net/deploy.prototxt", "name: 'x'")
        archive.writestr("net/readme.txt", "hello")
    with pytest.raises(NetworkFileError, match=r"holds net/deploy\.prototxt: unpack it"):
        open_network(tmp_path / "net.zip")


def test_a_pipe_and_a_device_are_refused_before_they_are_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "net.onnx")
    with pytest.raises(NetworkFileError, match=r"net\.onnx is a pipe, not a file"):
        open_network(tmp_path / "net.onnx")
    (tmp_path / "zero.pth").symlink_to("/dev/zero")
    with pytest.raises(NetworkFileError, match="is a device, not a file"):
        open_network(tmp_path / "zero.pth")
    with pytest.raises(NetworkFileError, match="is a pipe, not a file"):
        open_network("builtin", labels=tmp_path / "net.onnx")
    with pytest.raises(NetworkFileError, match="is a pipe, not a file"):
        open_network("builtin", mean=tmp_path / "net.onnx")


def test_numbers_of_a_damaged_kind_do_not_decide(tmp_path: Path) -> None:
    """Bytes without a kind are left to the reader of the ending, whose sentence names the place."""
    file = tmp_path / "random.onnx"
    file.write_bytes(np.random.default_rng(3).bytes(300))
    assert kind_of_content(file) is None
    with pytest.raises(ConvscopeError, match=r"random\.onnx"):
        open_network(file)
