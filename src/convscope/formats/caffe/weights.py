"""The weights of a Caffe network: layer names to blobs, whose numbers stay in the file until they are asked for."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from os import PathLike
from typing import Any

import numpy as np

from convscope.errors import NetworkFileError, WeightsMismatch
from convscope.formats.caffe.hdf5 import Dataset, read_hdf5
from convscope.formats.caffe.message import Message
from convscope.formats.caffe.schema import message_type
from convscope.formats.protobuf.records import LENGTH, VARINT, ByteSource, Record, open_source, read_record
from convscope.formats.protobuf.unknown import Unknown
from convscope.formats.protobuf.wire import as_text, read_fields
from convscope.formats.recognition import HDF5, HEAD, expect_weights, identify
from convscope.network.engine.execution import ALIGNMENT
from convscope.network.operations.checks import dimensions

Shape = tuple[int, ...]
Array = np.ndarray[Any, np.dtype[np.float32]]

_COPIED_AT_ONCE = 2**22
_BYTES = 4  # of a number in single precision
_FILM_AXES = 5


@dataclass(frozen=True)
class Blob:
    """One array of a layer's parameters; ``place`` says where it is, for messages.

    ``legacy`` marks a blob of the years when every blob had four axes: `fits` looks past its leading ones.
    """

    shape: Shape
    place: str
    legacy: bool = False
    load: Callable[[], Array] = field(repr=False, default=lambda: np.empty(0, np.float32))

    def array(self) -> Array:
        """Read the numbers: a new array of single precision in the blob's shape, each time."""
        return self.load().reshape(self.shape)

    def fits(self, wanted: Shape) -> bool:
        """Whether Caffe would load this blob into a parameter of that shape."""
        return fits(self.shape, wanted) if self.legacy else self.shape == tuple(wanted)


@dataclass(frozen=True)
class Weights(Mapping[str, "tuple[Blob | None, ...]"]):
    """Layer names, in the file's order, to their blobs (None: one that an HDF5 file leaves out as shared).

    `types` are those of all layers in the file, with or without weights; an HDF5 file has none. `net` reads what the
    file says of the net it was written from: its layers without their numbers, of the generation they are.
    """

    file: str
    layers: dict[str, tuple[Blob | None, ...]]
    types: Mapping[str, str] = field(default_factory=dict)
    net: Callable[[], Message] = field(repr=False, default=lambda: Message("NetParameter"))

    def __getitem__(self, layer: str) -> tuple[Blob | None, ...]:
        return self.layers[layer]

    def __iter__(self) -> Iterator[str]:
        return iter(self.layers)

    def __len__(self) -> int:
        return len(self.layers)


def read_weights(path: str | PathLike[str]) -> Weights:
    """Read which weights a ``.caffemodel`` or ``.caffemodel.h5`` of any age holds; the content decides, not the name.

    Only names and shapes are read: a file of hundreds of megabytes opens in milliseconds. Layers without weights
    are left out. `NetworkFileError` names the file and the byte or the layer of what is damaged.
    """
    source = open_source(path)
    head = bytes(source.view[:HEAD])
    if identify(head) == HDF5:
        stored = read_hdf5(source.file)
        return Weights(source.file, {name: tuple(map(_from_hdf5, blobs)) for name, blobs in stored.items()})
    expect_weights(head, source.file)
    return _read_layers(source)


def require_same_types(net: Message, weights: Weights) -> None:
    """WeightsMismatch where layers of the net have another type in the file that has their weights.

    Types that differ in nothing but how or what for they are computed are the same.
    """
    misfits = [
        f"{layer.name!r} is a {layer.type}, in the weights a {stored}"
        for layer in net.layer
        if (stored := weights.types.get(layer.name or ""))
        and layer.bottom
        and (plain_type(stored) != plain_type(layer.type or ""))
    ]
    if misfits:
        more = f" and {len(misfits) - 3} more" if len(misfits) > 3 else ""
        raise WeightsMismatch(
            f"{weights.file} are the weights of another network: layer {', layer '.join(misfits[:3])}{more}. "
            "Use the weights' own prototxt"
        )


def plain_type(type_name: str) -> str:
    """Return a type as it computes when nothing is trained, in small letters."""
    name = type_name.lower().replace("_", "")
    return _SAME_TYPE.get(name, name)


def fits(found: Shape, wanted: Shape) -> bool:
    """Whether a blob of four axes, or of C3D's five, holds a parameter of that shape behind leading ones.

    >>> fits((1, 1, 4096, 9216), (4096, 9216)), fits((3, 1, 3, 2), (3, 2))
    (True, False)
    """
    return (1,) * (len(found) - len(wanted)) + tuple(wanted) == tuple(found)


@dataclass(frozen=True)
class _Layout:
    """The field numbers of a layer's name and blobs, and of older layers inside it."""

    name: int
    blobs: int
    type: int = -1
    inside: dict[int, _Layout] = field(default_factory=dict)
    field: str = ""  # its name in what is around it


_FIRST = _Layout(name=1, blobs=50, type=2, field="layer")
_SECOND = _Layout(name=4, blobs=6, type=5, inside={1: _FIRST}, field="layers")
_OLD_TYPES = message_type("V1LayerParameter").fields["type"].enumeration
_THIRD = _Layout(name=1, blobs=7, type=2, field="layer")
_NETWORK = _Layout(name=-1, blobs=-1, inside={2: _SECOND, 100: _THIRD})
_SAME_TYPE = {
    "softmaxwithloss": "softmax",
    "softmaxloss": "softmax",
    "depthwiseconvolution": "convolution",
    "convolutiondepthwise": "convolution",
    "depthwiseconv": "convolution",
    "conv": "convolution",  # of 2013
    "pool": "pooling",
}


def _read_layers(source: ByteSource) -> Weights:
    """Walk the layers of any generation, looking at nothing but their names and blobs."""
    layers: dict[str, tuple[Blob | None, ...]] = {}
    types: dict[str, str] = {}
    places: list[tuple[Record, _Layout]] = []
    for record in _records(source, 0, len(source.view)):
        if layout := _NETWORK.inside.get(record.number):
            if record.wire != LENGTH:
                source.fail(record.tag, "a layer is not where it belongs: the file is damaged.")
            places.append((record, layout))
            name, type_name, blobs_of_layer = _read_layer(source, record, layout)
            types[name] = type_name
            if blobs_of_layer:
                layers[name] = tuple(
                    _read_blob(source, name, index, blob) for index, blob in enumerate(blobs_of_layer)
                )
    if not layers:
        count = len(places)
        what = f"{count} layers, none of them with weights" if count else "no layers of a Caffe network"
        raise NetworkFileError(f"{source.file} holds {what}. Give the .caffemodel that training wrote.")
    if any(
        blob and len(blob.shape) == _FILM_AXES and blob.legacy for blobs in layers.values() for blob in blobs
    ):
        return Weights(source.file, layers)  # C3D numbers the types after its own fashion
    return Weights(source.file, layers, types, partial(_read_net, source, places))


def _read_net(source: ByteSource, places: Sequence[tuple[Record, _Layout]]) -> Message:
    """Read the layers without their numbers."""
    net = Message("NetParameter")
    for record, layout in places:
        _read_settings(source, net.add(layout.field), record, layout)
    return net


def _read_settings(source: ByteSource, layer: Message, place: Record, layout: _Layout) -> None:
    """Read a layer's fields but for its blobs; what a fork has under a number of Caffe's is kept as unknown."""
    for record in _records(source, place.start, place.stop):
        if inner := layout.inside.get(record.number):
            _read_settings(source, layer.ensure(inner.field), record, inner)
        elif record.number != layout.blobs:
            try:
                read_fields(source, layer, record.tag, record.stop)
            except NetworkFileError:
                data = source.view[record.tag : record.stop]
                layer.unknown.append(Unknown(str(record.number), data, f"byte {record.tag}"))


def _records(source: ByteSource, start: int, stop: int) -> Iterator[Record]:
    while start < stop:
        record = read_record(source, start, stop)
        yield record
        start = record.stop


def _read_layer(source: ByteSource, layer: Record, layout: _Layout) -> tuple[str, str, list[Record]]:
    name, type_name, blobs = "", "", []
    for record in _records(source, layer.start, layer.stop):
        if record.number in (layout.name, layout.blobs, *layout.inside) and record.wire != LENGTH:
            source.fail(
                record.tag, "a layer's name or weights are not where they belong: the file is damaged."
            )
        if record.number == layout.name:
            name = as_text(bytes(source.view[record.start : record.stop]))
        elif record.number == layout.type:
            is_text = record.wire == LENGTH
            text = as_text(bytes(source.view[record.start : record.stop])) if is_text else None
            type_name = text or (_OLD_TYPES and _OLD_TYPES.name_of(record.value)) or ""
        elif record.number == layout.blobs:
            blobs.append(record)
        elif inner := layout.inside.get(record.number):
            inner_name, inner_type, blobs_of_layer = _read_layer(source, record, inner)
            name, type_name, blobs = inner_name or name, inner_type or type_name, blobs + blobs_of_layer
    return name, type_name, blobs


def _read_blob(source: ByteSource, layer: str, index: int, record: Record) -> Blob:
    first = islice(_records(source, record.start, record.stop), _FILM_AXES)
    of_film = any(one.number == _FILM_AXES and one.wire == VARINT for one in first)  # the fifth is no number
    message = Message("VolumeBlobProto" if of_film else "BlobProto")
    read_fields(source, message, record.start, record.stop)
    return blob_of(message, f"{source.file}, layer {layer!r}, blob {index}", source.forget)


def blob_of(message: Message, place: str, forget: Callable[[], None] = lambda: None) -> Blob:
    """Return what a ``BlobProto`` message holds; `NetworkFileError` when its shape and its numbers disagree.

    `forget` is called while the numbers are copied out of the file, so that not both are in memory.
    """
    axes: tuple[str, ...] = ("num", "channels", "height", "width")
    if message.type_name == "VolumeBlobProto":
        axes = ("num", "channels", "length", "height", "width")
    legacy = any(message.has(axis) for axis in axes)
    numbers = message.data
    if message.type_name == "BlobProto" and message.has("double_data"):
        numbers = message.double_data
    shape = tuple(getattr(message, axis) for axis in axes) if legacy else tuple(message.shape.dim)
    if math.prod(shape) != len(numbers) or min(shape, default=0) < 0:
        raise NetworkFileError(
            f"{place} says its shape is {dimensions(shape)} but holds {len(numbers):,} numbers."
        )
    return Blob(shape, place, legacy, lambda: _copy(numbers, forget))


def _copy(numbers: np.ndarray[Any, Any], forget: Callable[[], None]) -> Array:
    room = np.empty(len(numbers) + ALIGNMENT // _BYTES, np.float32)
    # Elsewhere than where computing needs it it would be copied once more.
    first = -room.ctypes.data % ALIGNMENT // _BYTES
    copied = room[first : first + len(numbers)]
    for start in range(0, len(numbers), _COPIED_AT_ONCE):
        copied[start : start + _COPIED_AT_ONCE] = numbers[start : start + _COPIED_AT_ONCE]
        forget()
    return copied


def _from_hdf5(stored: Dataset | None) -> Blob | None:
    if stored is None:
        return None
    return Blob(stored.shape, stored.place, len(stored.shape) == 4, stored.load)
