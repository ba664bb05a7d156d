"""What a file really is, whatever its name says: swapped and foreign files get a sentence each."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

from convscope.errors import NetworkFileError
from convscope.formats.foreign import in_another_format

HEAD = 4096

TEXT = _DESCRIPTION = "a network's description (prototxt text)"
_WEIGHTS = "a network's weights (caffemodel)"
HDF5 = "an HDF5 file"
_MEAN = "a mean picture (binaryproto)"
_ONNX = "an ONNX network"
_STATE = "a solver's state, saved while training"
PICKLE = "a Python pickle"
NUMPY = "a NumPy array (npy)"

_TAR = "a tar archive"
_PACKED = "a packed archive"
_MATLAB = "a MATLAB file"
_TFLITE = "a TensorFlow Lite network"
_DARKNET = "Darknet's description of a network (cfg)"
_NCNN = "an ncnn network's description"
_OPENVINO = "OpenVINO's description of a network (XML)"
_GGUF = "a GGUF file"
_PYTHON = "a program in Python"
_SCRIPT = "a program"

_ADVICE = {
    _DESCRIPTION: "Give it first, as the network, and the .caffemodel as its weights",
    _WEIGHTS: "Give the .prototxt first, as the network, and this file as its weights",
    HDF5: "If it holds the weights, give the .prototxt first, as the network, and this file as its weights",
    _MEAN: "It belongs to the preprocessing; weights are in a .caffemodel and the network in a .prototxt",
    _ONNX: "Open it by itself",
    _STATE: "It holds no weights: use the .caffemodel saved beside it",
    "a Git LFS pointer": "The file itself was never downloaded: run `git lfs pull` in its repository",
    "a web page (HTML)": "A download or login page was saved under this name: download the file itself",
    "a picture": "Give the network first and the picture second",
    "a PDF document": "A paper or a data sheet: the network itself is another file",
    "a server's answer (JSON)": "The download failed and its error was saved: look into it, then download again",
    NUMPY: "As weights use a .caffemodel; as the mean, give it as the mean",
    "a zip archive": "Unpack it first and open the network in it",
    "a gzip archive": "Unpack it first",
    _TAR: "Unpack it first and open the network in it",
    _PACKED: "Unpack it first and open the network in it",
    _MATLAB: "MatConvNet's networks are not read: export the network to ONNX, or find its Caffe original",
    _TFLITE: "Open the network it was made from, or convert it to ONNX (tf2onnx --tflite)",
    _DARKNET: "Convert it with its .weights to ONNX and open that (demo_darknet2onnx.py of pytorch-YOLOv4 does)",
    _NCNN: "Open the network it was made from",
    _OPENVINO: "Open the ONNX network it was made from",
    _GGUF: "It is a language model: convscope looks into convolutional networks",
    _PYTHON: "Give its weights, and this file with the class in it as the architecture (FILE.py:CLASS)",
    _SCRIPT: "A program is no network: give the file that holds the network",
}

_MAGIC = [
    (b"\x89HDF\r\n\x1a\n", HDF5),
    (b"version https://git-lfs", "a Git LFS pointer"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"GIF8", "a picture"),
    (b"BM", "a picture"),
    (b"II*\0", "a picture"),
    (b"MM\0*", "a picture"),
    (b"RIFF", "a picture"),
    *((b"MATLAB " + version + b" MAT-file", _MATLAB) for version in (b"5.0", b"7.3")),
    (b"GGUF", _GGUF),
    (b"\x7fELF", _SCRIPT),
    (b"MZ\x90", _SCRIPT),
    (b"BZh", _PACKED),
    (b"\xfd7zXZ", _PACKED),
    (b"7z\xbc\xaf", _PACKED),
    (b"Rar!", _PACKED),
    (b"\x28\xb5\x2f\xfd", _PACKED),
    (b"7767517\n", _NCNN),
    (b"7767517\r\n", _NCNN),
    (b"%PDF", "a PDF document"),
    (b"\x93NUMPY", NUMPY),
    (b"PK\x03\x04", "a zip archive"),
    (b"\x1f\x8b", "a gzip archive"),
    *((bytes([0x80, protocol, opcode]), PICKLE) for protocol in range(2, 6) for opcode in b"\x8a}c]\x95"),
]


_OF_OTHERS = (_TFLITE, _DARKNET, _NCNN, _OPENVINO)  # networks, in forms that are not read
_NEVER_A_NETWORK = (
    "a Git LFS pointer",
    "a web page (HTML)",
    "a picture",
    "a PDF document",
    "a gzip archive",
    "a server's answer (JSON)",
    *(_TAR, _PACKED, _MATLAB, _GGUF, _PYTHON, _SCRIPT),
)


def unknown_file(path: Path, endings: tuple[str, ...]) -> NetworkFileError:
    """Return the error for a file that neither its content nor its name tells: what it seems to be, and what to do."""
    with path.open("rb") as stream:
        type_name = identify(stream.read(HEAD))
    if path.suffix.lower() != ".zip" and (format_name := in_another_format(path.name)):
        return NetworkFileError(f"{path} is {format_name}")
    if type_name == "a zip archive" and (inside := _networks_in(path, endings)):
        return NetworkFileError(f"{path} is an archive that holds {inside}: unpack it and open that")
    seems = "text, and describes no network that convscope knows" if type_name == TEXT else type_name
    advice = f"{_ADVICE[type_name]}. " if type_name in _ADVICE and type_name != TEXT else ""
    return NetworkFileError(
        f"{path} is {seems}. {advice}convscope opens {', '.join(endings)}; this ends otherwise"
    )


def _networks_in(path: Path, endings: tuple[str, ...]) -> str:
    """Return the names of the networks in a zip, a few of them."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if name.lower().endswith(endings)]
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, RuntimeError):
        return ""
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


def refuse_foreign(path: Path) -> None:
    """Raise NetworkFileError for a file that is certainly no network that is read, whatever its name ends in."""
    with path.open("rb") as stream:
        head = stream.read(HEAD)
    type_name = identify(head) if head else "empty"
    if type_name == "empty":
        raise NetworkFileError(f"{path} is empty. Download or copy it again.")
    if type_name in _OF_OTHERS:
        raise NetworkFileError(f"{path} is {type_name}, which convscope does not read. {_ADVICE[type_name]}.")
    if type_name in _NEVER_A_NETWORK:
        raise NetworkFileError(f"{path} is {type_name}, not a network. {_ADVICE[type_name]}.")


def expect_description(head: bytes, file: str) -> None:
    """Raise `NetworkFileError` when the first bytes of a file are not those of a prototxt."""
    _expect(_DESCRIPTION, head, file)


def expect_weights(head: bytes, file: str) -> None:
    """Raise `NetworkFileError` when the first bytes of a file are not those of a caffemodel."""
    _expect(_WEIGHTS, head, file)


def expect_mean(head: bytes, file: str) -> None:
    """Raise `NetworkFileError` when the first bytes of a file are not those of a binaryproto."""
    _expect(_MEAN, head, file)


def expect_onnx(head: bytes, file: str) -> None:
    """Raise `NetworkFileError` when the first bytes of a file are not those of an ONNX network."""
    if identify(head) not in (_WEIGHTS, _MEAN, _STATE):  # protobuf's forms begin alike
        _expect(_ONNX, head, file)


def _expect(expected: str, head: bytes, file: str) -> None:
    if not head:
        raise NetworkFileError(f"{file} is empty, not {expected}. Download or copy it again.")
    type_name = identify(head)
    if type_name == expected or (type_name == "binary data" and expected != _DESCRIPTION):
        return
    advice = _ADVICE.get(type_name, "Is it damaged, or another kind of file?").rstrip(".")
    raise NetworkFileError(
        f"{file} is {type_name}, not {expected}. {advice}{'' if advice.endswith('?') else '.'}"
    )


def identify(head: bytes) -> str:
    """Say what a file that begins with these bytes is: ``"a web page (HTML)"``, ``"binary data"``..."""
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    if head[257:262] == b"ustar":
        return _TAR
    if head[4:8] == b"TFL3":
        return _TFLITE
    if head.startswith(b"<?xml") and b"<net" in head:
        return _OPENVINO
    if (
        head.lstrip(b"\xef\xbb\xbf \t\r\n")
        .lower()
        .startswith((b"<!doctype html", b"<html", b"<?xml", b"<head"))
    ):
        return "a web page (HTML)"
    if head.lstrip().startswith((b'{"error', b'{"message', b'{"detail')):
        return "a server's answer (JSON)"
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) or not any(
        byte < 32 and byte not in b"\t\n\v\f\r" for byte in head
    ):
        return _identify_text(head)
    return _identify_protobuf(head)


_TEXTS = (
    (rb"\s*\[(net|network|convolutional)\]", _DARKNET),
    (rb"#!", _SCRIPT),
    (rb"(\s*#[^\n]*\n|\s*\"\"\"[^\0]*?\"\"\"|\s)*(import|from) [\w.]+( import|\s*$| as)", _PYTHON),
)


def _identify_text(head: bytes) -> str:
    """Tell texts that describe no network of Caffe's apart; what is left may."""
    return next((kind for pattern, kind in _TEXTS if re.match(pattern, head, re.M)), _DESCRIPTION)


def _identify_protobuf(head: bytes) -> str:
    """Tell Caffe's own binary files apart by their first two tags."""
    first, rest = head[0], head[1:]
    if first == 0x08:  # field 1 as a number: `iter` of a solver, `num` of a picture, the version of ONNX
        while rest and rest[0] & 0x80:
            rest = rest[1:]
        if rest[1:2] in (b"\x10", b"\x18", b"\x20", b"\x2a"):
            return _MEAN
        return _STATE if rest[1:2] == b"\x1a" or b".caffemodel" in rest else _ONNX
    if first in b"\x2a\x3a":  # `data` or `shape` of a picture: a network has plain numbers in these two
        return _MEAN
    if first in b"\x0a\x12\x1a\x42" or head.startswith(b"\xa2\x06"):
        return _WEIGHTS
    return "binary data"
