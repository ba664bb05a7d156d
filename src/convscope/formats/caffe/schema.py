"""What each Caffe message may hold, read once from ``fields.txt``.

>>> field = message_type("PoolingParameter").fields["pool"]
>>> field.number, field.default, sorted(field.enumeration.numbers)
(1, 'MAX', ['AVE', 'AVE_EXC_PAD', 'AVE_TF', 'MAX', 'STOCHASTIC'])
"""

from __future__ import annotations

from convscope.formats.protobuf.schema import MessageType, load_schema


def message_type(name: str) -> MessageType:
    """Return the message type of that name; KeyError when Caffe has none."""
    return load_schema(__package__)[name]
