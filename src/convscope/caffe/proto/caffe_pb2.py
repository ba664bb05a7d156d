"""A class for each message of Caffe's files: `NetParameter`, `LayerParameter`, `BlobProto`, `Datum` and the rest.

>>> net = caffe_pb2.NetParameter()
>>> net.layer.add(name="data", type="Input").top.append("data")
>>> caffe_pb2.PoolingParameter.AVE
1
"""

from __future__ import annotations

from typing import Any

from convscope.caffe.proto.enumeration import EnumType
from convscope.caffe.proto.message import class_of
from convscope.errors import did_you_mean
from convscope.formats.caffe.schema import message_type

_phase = message_type("NetState").fields["phase"].enumeration
assert _phase  # Caffe's only enumeration that belongs to no message
Phase = EnumType(_phase)
TRAIN, TEST = Phase.Value("TRAIN"), Phase.Value("TEST")


def __getattr__(name: str) -> Any:
    try:
        message_type(name)
    except KeyError:
        names = ("NetParameter", "LayerParameter", "BlobProto", "BlobProtoVector", "Datum", "SolverParameter")
        raise AttributeError(f"caffe_pb2 has no message {name!r}.{did_you_mean(name, names)}") from None
    return class_of(name)
