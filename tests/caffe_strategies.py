"""Hypothesis strategies: any Caffe message at all, and damaged copies of a file."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from convscope.formats.caffe.message import Message
from convscope.formats.caffe.schema import message_type
from convscope.formats.protobuf.schema import INTEGER_RANGES, Field, MessageType

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
SCALARS = {
    "bool": st.booleans(),
    "string": TEXT,
    "bytes": st.binary(max_size=12),
    "float": st.floats(width=32, allow_nan=False),
    "double": st.floats(allow_nan=False),
    **{kind: st.integers(low, high) for kind, (low, high) in INTEGER_RANGES.items()},
}


@st.composite
def messages(draw: st.DrawFn, name: str = "NetParameter", depth: int = 4) -> Message:
    """Draw a message with a few of its fields set, messages inside it too."""
    kind = message_type(name)
    made = Message(name)
    chosen = draw(st.lists(st.sampled_from(sorted(kind.fields)), max_size=4, unique=True))
    for field in map(kind.fields.__getitem__, chosen):
        if not (field.kind == "message" and depth == 0):
            setattr(made, field.name, draw(_values(field, depth)))
    return made


def _values(field: Field, depth: int) -> st.SearchStrategy:
    single = _single(field, depth)
    if not field.repeated:
        return single
    many = st.lists(single, min_size=1, max_size=3)
    return many.map(lambda numbers: np.array(numbers, field.kind + "32" * (field.kind == "float"))) if (
        field.packed and field.kind in ("float", "double")
    ) else many  # fmt: skip


def _single(field: Field, depth: int) -> st.SearchStrategy:
    if isinstance(field.message, MessageType):
        return messages(field.message.name, depth - 1)
    return st.sampled_from(sorted(field.enumeration.numbers)) if field.enumeration else SCALARS[field.kind]


@st.composite
def damaged(draw: st.DrawFn, data: bytes) -> bytes:
    """Draw the data cut short, with bytes changed, with bytes put in, or nothing of it."""
    copy = bytearray(data)
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, max(len(copy) - 1, 0)))
        match draw(st.integers(0, 3)):
            case 0 if copy:
                copy[place] ^= 1 << draw(st.integers(0, 7))
            case 1:
                copy[place:place] = draw(st.binary(min_size=1, max_size=8))
            case 2:
                del copy[place:]
            case 3 if copy:
                copy[place] = draw(st.sampled_from([0, 1, 127, 128, 255]))
    return bytes(copy)
