"""Poolings, and the normalization that is made of one."""

from __future__ import annotations

from typing import Any

from convscope.formats.onnx.exporting.learned import each, pads
from convscope.formats.onnx.exporting.registry import EXPORTERS, exports, straight
from convscope.formats.onnx.exporting.writer import Part

EXPORTERS |= {
    "global_average_pool": straight("GlobalAveragePool"),
    "global_max_pool": straight("GlobalMaxPool"),
}


def _window(part: Part) -> dict[str, Any]:
    found = {
        "kernel_shape": each(part.attributes["kernel"], 2),
        "strides": each(part.attributes.get("stride", 1), 2),
        "ceil_mode": int(part.attributes.get("rounding", "ceil") == "ceil"),
        **pads(part.attributes.get("padding", 0), 2),
    }
    if "auto_pad" in found:
        del found["ceil_mode"]
    elif found["ceil_mode"] and any(
        stride > kernel for stride, kernel in zip(found["strides"], found["kernel_shape"], strict=True)
    ):
        raise part.refusal("its windows lie further apart than they are wide, rounded up")
    return found


@exports("max_pool")
def max_pool(part: Part) -> None:
    """Write a MaxPool."""
    dilations = each(part.attributes.get("dilation", 1), 2)
    part.write("MaxPool", part.inputs[0], dilations=dilations, **_window(part))


@exports("average_pool")
def average_pool(part: Part) -> None:
    """Write an AveragePool."""
    counted = int(part.attributes.get("count_padding", True))
    part.write("AveragePool", part.inputs[0], count_include_pad=counted, **_window(part))


@exports("lrn_within_channel")
def lrn_within_channel(part: Part) -> None:
    """Write what it is made of: the mean of the squares around, scaled, to a power."""
    size = int(part.attributes.get("size", 5))
    alpha, beta = (float(part.attributes.get(*item)) for item in (("alpha", 1.0), ("beta", 0.75)))
    (value,) = part.inputs
    window = {"kernel_shape": (size, size), "strides": (1, 1), "pads": (size // 2,) * 4}
    means = part.step("AveragePool", part.step("Mul", value, value), count_include_pad=1, **window)
    base = part.step("Add", part.step("Mul", means, part.numbers(alpha)), part.numbers(1.0))
    part.write("Mul", value, part.step("Pow", base, part.numbers(-beta)))
