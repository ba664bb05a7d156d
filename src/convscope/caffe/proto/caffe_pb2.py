"""A class for each message of Caffe's files: `NetParameter`, `LayerParameter`, `BlobProto`, `Datum` and the rest.

>>> net = caffe_pb2.NetParameter()
>>> net.layer.add(name="data", type="Input").top.append("data")
>>> caffe_pb2.PoolingParameter.AVE
1
"""

from __future__ import annotations

from typing import Any

from convscope.caffe.proto.message import class_of
from convscope.errors import did_you_mean
from convscope.formats.caffe.schema import message_type

TRAIN, TEST = 0, 1


class Phase:
    """The two phases by name, as protobuf's enumerations give them."""

    @staticmethod
    def Value(name: str) -> int:  # noqa: N802
        """Return the number of a phase: 0 for TRAIN, 1 for TEST."""
        return {"TRAIN": TRAIN, "TEST": TEST}[name]

    @staticmethod
    def Name(number: int) -> str:  # noqa: N802
        """Return the name of a phase."""
        return {TRAIN: "TRAIN", TEST: "TEST"}[number]


def __getattr__(name: str) -> Any:
    try:
        message_type(name)
    except KeyError:
        names = ("NetParameter", "LayerParameter", "BlobProto", "BlobProtoVector", "Datum", "SolverParameter")
        raise AttributeError(f"caffe_pb2 has no message {name!r}.{did_you_mean(name, names)}") from None
    return class_of(name)
