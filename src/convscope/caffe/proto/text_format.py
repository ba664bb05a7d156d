"""Prototxt in and out of `caffe_pb2`'s messages, by the names protobuf's `text_format` has.

>>> net = text_format.Merge(open("deploy.prototxt").read(), caffe_pb2.NetParameter())
>>> net.force_backward = True
>>> open("changed.prototxt", "w").write(text_format.MessageToString(net))
"""

from __future__ import annotations

from convscope.caffe.proto.message import ProtoMessage, wrap
from convscope.formats.caffe.text import read_text


def Merge(text: str | bytes, message: ProtoMessage) -> ProtoMessage:  # noqa: N802
    """Read prototxt into a message, on top of what it says already, and return it."""
    text = text.decode() if isinstance(text, bytes) else text
    message.MergeFrom(wrap(read_text(text, message.type_name)))
    return message


Parse = Merge


def MessageToString(message: ProtoMessage) -> str:  # noqa: N802
    """Return a message as prototxt."""
    return str(message)
