"""Caffe's binary files, both ways, without protobuf: weights stay in the file until they are looked at.

>>> net = Message("NetParameter", name="tiny")
>>> net.add("layer", name="conv1", type="Convolution").add("blobs").data = np.ones(3, np.float32)
>>> read_binary(write_binary(net)).layer[0].blobs[0].data
array([1., 1., 1.], dtype=float32)
"""

from __future__ import annotations

from os import PathLike, fspath

from convscope.errors import NetworkFileError
from convscope.files import saved
from convscope.formats.caffe.message import Message
from convscope.formats.protobuf.records import ByteSource, open_source
from convscope.formats.protobuf.unknown import warn_of_unknown
from convscope.formats.protobuf.wire import chunks, read_fields, write_binary
from convscope.formats.recognition import HEAD, expect_mean, expect_weights

__all__ = ["read_binary", "write_binary", "write_binary_file"]

MAXIMUM_BYTES = 2**31 - 1  # what protobuf itself will read

_EXPECTED = {"NetParameter": expect_weights, "BlobProto": expect_mean}


def read_binary(
    source: str | PathLike[str] | bytes | bytearray | memoryview, type_name: str = "NetParameter"
) -> Message:
    """Read a message from a binary file, or from bytes.

    Packed floats and doubles are numpy arrays on top of the mapped file (not always aligned): nothing of them is
    read until they are used, and writing to them never changes the file. Unknown fields are kept, and one
    `ConvscopeWarning` lists them. A damaged file raises `NetworkFileError` with the byte:
    ``net.caffemodel, byte 1203: ...``.
    """
    if isinstance(source, (bytes, bytearray, memoryview)):
        data = ByteSource(source, "binary data")
    else:
        data = open_source(source)
        if type_name in _EXPECTED:
            _EXPECTED[type_name](bytes(data.view[:HEAD]), data.file)
    message = Message(type_name)
    read_fields(data, message, 0, len(data.view))
    warn_of_unknown(message, data.file)
    return message


def write_binary_file(message: Message, path: str | PathLike[str]) -> None:
    """Write a message to a file without a second copy of its arrays.

    The file appears whole or not at all, so it may replace the one whose weights are still mapped.
    """
    pieces, size = chunks(message)
    if size > MAXIMUM_BYTES:
        raise NetworkFileError(f"{fspath(path)} would take {size:,} bytes, and a caffemodel holds at most 2 GB. "
                               "Save it as HDF5 (.caffemodel.h5).")  # fmt: skip
    with saved(path, raises=NetworkFileError) as partial, partial.open("wb") as stream:
        stream.writelines(pieces)
