"""`Message`: one message of a Caffe file, whose fields are its attributes.

>>> layer = Message("LayerParameter", name="pool1", type="Pooling")
>>> layer.pooling_param.pool, layer.pooling_param.has("pool")
('MAX', False)
>>> layer.ensure("pooling_param").kernel_size = 3
>>> layer.pooling_param.kernel_size
3
"""

from __future__ import annotations

from typing import Any

from convscope.formats.caffe.schema import message_type
from convscope.formats.protobuf import message
from convscope.formats.protobuf.schema import MessageType


class Message(message.Message):
    """A message of Caffe's, made by its type's name; see `convscope.formats.protobuf.message`."""

    __slots__ = ()

    def __init__(self, kind: str | MessageType, /, **values: Any) -> None:
        super().__init__(message_type(kind) if isinstance(kind, str) else kind, **values)
