import io
import zipfile

import h5py
import numpy as np
import pytest

from convscope.errors import NetworkFileError
from convscope.formats.recognition import (
    expect_description,
    expect_mean,
    expect_weights,
    identify,
    refuse_foreign,
)
from protobuf_oracle import message_class

PROTOTXT, WEIGHTS = "a network's description (prototxt text)", "a network's weights (caffemodel)"
STATE, MEAN = "a solver's state, saved while training", "a mean picture (binaryproto)"


def made(kind, /, **values):
    return message_class(kind)(**values).SerializeToString()


def hdf5():
    stream = io.BytesIO()
    h5py.File(stream, "w").close()
    return stream.getvalue()


def npy():
    stream = io.BytesIO()
    np.save(stream, np.ones(3))
    return stream.getvalue()


def zipped():
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("a", "b")
    return stream.getvalue()


KINDS = [
    (b'name: "LeNet"\nlayer {\n', PROTOTXT),
    (b"# a comment\r\n\r\ninput: 'data'", PROTOTXT),
    (b"\n\nname: 'x'", PROTOTXT),
    ("# 网络\nname: 'x'".encode("gbk"), PROTOTXT),
    ('name: "x"'.encode("utf-16"), PROTOTXT),
    (b'\xef\xbb\xbfname: "x"', PROTOTXT),
    (made("NetParameter", name="x", layer=[{"name": "a"}]), WEIGHTS),
    (made("NetParameter", layers=[{"name": "a", "type": 4}]), WEIGHTS),
    (made("NetParameter", layer=[{"name": "a" * 200}]), WEIGHTS),
    (made("NetParameter", input=["data"]), WEIGHTS),
    (made("SolverState", iter=5000, learned_net="x_iter_5000.caffemodel"), STATE),
    (made("SolverState", iter=5, history=[{"data": [1]}]), STATE),
    (made("BlobProto", num=1, channels=3, height=2, width=2, data=[0] * 12), MEAN),
    (made("BlobProto", shape={"dim": [3, 2, 2]}, data=[0] * 12), MEAN),
    (hdf5(), "an HDF5 file"),
    (npy(), "a NumPy array (npy)"),
    (zipped(), "a zip archive"),
    (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n", "a Git LFS pointer"),
    (b"\n\n<!DOCTYPE html>\n<html>", "a web page (HTML)"),
    (b"<HTML><head>", "a web page (HTML)"),
    (b"\xff\xd8\xff\xe0\0\x10JFIF", "a picture"),
    (b"\x89PNG\r\n\x1a\n", "a picture"),
    (b"\x80\x02}q\x00", "a Python pickle"),
    (b"\x1f\x8b\x08\x00", "a gzip archive"),
    (b"\x08\x07\x12\x07pytorch\x1a\x032.1", "an ONNX network"),
    (b"\xff\x00\x01\x02", "binary data"),
]


@pytest.mark.parametrize(
    ("head", "kind"), KINDS, ids=[f"{index}-{kind}" for index, (_, kind) in enumerate(KINDS)]
)
def test_identify(head, kind):
    assert identify(head) == kind


@pytest.mark.parametrize("expect", [expect_description, expect_weights, expect_mean])
def test_exactly_the_right_kind_is_accepted(expect):
    accepted = {kind for head, kind in KINDS if accepts(expect, head, kind)}
    wanted = {expect_description: PROTOTXT, expect_weights: WEIGHTS, expect_mean: MEAN}[expect]
    assert accepted == {wanted, "binary data"} - ({"binary data"} if wanted == PROTOTXT else set())


def accepts(expect, head, kind):
    try:
        expect(head, "file")
    except NetworkFileError as error:
        message = str(error)
        assert message.startswith(f"file is {kind}, not ")
        assert message.endswith((".", "?"))
        assert "\n" not in message
        return False
    return True


def test_an_empty_file():
    with pytest.raises(NetworkFileError, match=r"^deploy\.prototxt is empty, not a network's description"):
        expect_description(b"", "deploy.prototxt")


def test_advice_says_what_to_do():
    with pytest.raises(NetworkFileError, match=r"use the \.caffemodel saved beside it\.$"):
        expect_weights(made("SolverState", iter=5000, learned_net="x.caffemodel"), "x.solverstate")
    with pytest.raises(NetworkFileError, match=r"run `git lfs pull` in its repository\.$"):
        expect_weights(b"version https://git-lfs.github.com/spec/v1\n", "x.caffemodel")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (
            b"\x1c\0\0\0TFL3" + bytes(40),
            "is a TensorFlow Lite network, which convscope does not read. Open the",
        ),
        (
            b"[net]\nwidth=416\n",
            "which convscope does not read. Convert it with its .weights to ONNX and open that",
        ),
        (
            b"7767517\n2 2\n",
            "is an ncnn network's description, which convscope does not read. Open the network",
        ),
        (b'<?xml version="1.0"?>\n<net name="a">', "which convscope does not read. Open the ONNX network"),
    ],
)
def test_another_programs_network_is_not_called_no_network(tmp_path, content, says):
    (tmp_path / "net.onnx").write_bytes(content)
    with pytest.raises(NetworkFileError) as raised:
        refuse_foreign(tmp_path / "net.onnx")
    assert says in str(raised.value)
    assert "not a network" not in str(raised.value)
