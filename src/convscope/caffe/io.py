"""`caffe.io`: pictures in, the Transformer between a picture and a network's input, and blobs to arrays.

Arrays are height x width x channels outside a network, channels x height x width inside. Nothing here changes
the array it is given (pycaffe's `Transformer.preprocess` does).
"""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convscope.caffe.proto import caffe_pb2 as caffe_pb2
from convscope.caffe.proto.message import ProtoMessage
from convscope.caffe.transformer import Transformer as Transformer
from convscope.caffe.transformer import resize_image as resize_image
from convscope.errors import InputError
from convscope.network.resizing import ten_crops
from convscope.pictures.photograph import read_picture

Array = NDArray[Any]

_LUMINANCE = np.array([0.2125, 0.7154, 0.0721], np.float32)  # skimage's rgb2gray, which pycaffe calls


def load_image(filename: str | PathLike[str], color: bool = True) -> NDArray[np.float32]:
    """Return a picture file as floats in 0 to 1: (height, width, 3) in RGB, or (height, width, 1) in gray.

    Raises PictureError, naming the file, for what is no readable picture.
    """
    picture = read_picture(filename)
    return picture if color else (picture @ _LUMINANCE)[:, :, np.newaxis]


def oversample(images: Sequence[Array] | Array, crop_dims: Sequence[int]) -> NDArray[np.float32]:
    """Return ten crops of every image, (10 N, height, width, channels): corners, center, and all five mirrored.

    The order is top left, top right, bottom left, bottom right, center: index 4 is the center crop.
    """
    height, width = (int(size) for size in crop_dims)
    if not len(images):
        raise InputError("there is no image to crop: give at least one (height, width, channels) array")
    return np.concatenate([ten_crops(np.asarray(image), (height, width)) for image in images]).astype(
        np.float32
    )


def blobproto_to_array(blob: ProtoMessage, return_diff: bool = False) -> Array:
    """Return a BlobProto's numbers (or its diff) in its shape; a legacy one has four axes."""
    values = np.array(blob.diff if return_diff else blob.data)
    legacy = ("num", "channels", "height", "width")
    shape = (
        [getattr(blob, name) for name in legacy] if any(map(blob.HasField, legacy)) else list(blob.shape.dim)
    )
    return values.reshape(shape)


def array_to_blobproto(arr: Array, diff: Array | None = None) -> ProtoMessage:
    """Return an array of any shape as a BlobProto, with a diff of the same shape where one is given."""
    blob: ProtoMessage = caffe_pb2.BlobProto()
    blob.shape.dim.extend(arr.shape)
    blob.data.extend(arr.astype(float).flat)
    if diff is not None:
        blob.diff.extend(diff.astype(float).flat)
    return blob


def arraylist_to_blobprotovector_str(arraylist: Sequence[Array]) -> bytes:
    """Return arrays as the bytes of a BlobProtoVector."""
    vector: ProtoMessage = caffe_pb2.BlobProtoVector()
    vector.blobs.extend([array_to_blobproto(array) for array in arraylist])
    return vector.SerializeToString()


def blobprotovector_str_to_arraylist(str: bytes) -> list[Array]:
    """Return the arrays in the bytes of a BlobProtoVector."""
    vector: ProtoMessage = caffe_pb2.BlobProtoVector()
    vector.ParseFromString(str)
    return [blobproto_to_array(blob) for blob in vector.blobs]


def array_to_datum(arr: Array, label: int | None = None) -> ProtoMessage:
    """Return a (channels, height, width) array as a Datum: bytes for uint8, floats otherwise."""
    if arr.ndim != 3:
        raise InputError(
            f"a datum has the three axes channels, height, width; the array's shape is {arr.shape}"
        )
    datum: ProtoMessage = caffe_pb2.Datum()
    datum.channels, datum.height, datum.width = arr.shape
    if arr.dtype == np.uint8:
        datum.data = arr.tobytes()
    else:
        datum.float_data.extend(arr.astype(float).flat)
    if label is not None:
        datum.label = label
    return datum


def datum_to_array(datum: ProtoMessage) -> Array:
    """Return a Datum's (channels, height, width) array; its label is `datum.label`."""
    shape = (datum.channels, datum.height, datum.width)
    if len(datum.data):
        return np.frombuffer(datum.data, np.uint8).reshape(shape)
    return np.array(datum.float_data, dtype=float).reshape(shape)
