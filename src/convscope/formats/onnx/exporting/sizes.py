"""Sizes as numbers: floats here, as in convscope, whole where ONNX asks for them."""

from __future__ import annotations

import numpy as np

from convscope.formats.onnx.exporting.registry import exports
from convscope.formats.onnx.exporting.writer import FLOAT, Part


@exports("shape_of")
def shape_of(part: Part) -> None:
    """Write a Shape."""
    named = {name: value for name in ("start", "end") if (value := part.attributes.get(name)) is not None}
    part.write("Cast", part.step("Shape", *part.inputs, **named), to=FLOAT)


@exports("numbers")
def numbers(part: Part) -> None:
    """Write plain numbers."""
    values = np.array(part.attributes["values"], np.float32)
    shape = part.attributes.get("shape")
    part.write("Identity", part.numbers(values if shape is None else values.reshape(tuple(shape))))


@exports("fill")
def fill(part: Part) -> None:
    """Write a number as often as a size says."""
    size = part.whole(part.inputs[0])
    part.write("Expand", part.numbers(float(part.attributes.get("value", 0.0))), size)


@exports("count_up")
def count_up(part: Part) -> None:
    """Write a Range."""
    part.write(
        "Range", *(part.step("Reshape", value, part.numbers(np.array([], np.int64))) for value in part.inputs)
    )
