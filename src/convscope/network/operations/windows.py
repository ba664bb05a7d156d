"""What one position of a map sees of the map before: kernel, stride and padding, as fractions.

Position i sees the whole numbers from ``i * stride - padding`` to that plus ``kernel - 1``.

The arithmetic of Dumoulin and Visin, *A guide to convolution arithmetic* (2016). A stride below 1 enlarges.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from convscope.network.operations.registry import Pair, Shape, Window


def pair(value: int) -> Pair:
    """Return a number for both axes."""
    return Fraction(value), Fraction(value)


def _sizes(attributes: Mapping[str, Any], name: str, default: int = 1) -> Pair:
    """Return an attribute that is one number, or one an axis."""
    value = attributes.get(name, default)
    sizes = (value,) if isinstance(value, int) else tuple(value)
    return Fraction(sizes[0]), Fraction(sizes[-1])


def _extent(kernel: Pair, attributes: Mapping[str, Any]) -> Pair:
    dilation = _sizes(attributes, "dilation")
    return (kernel[0] - 1) * dilation[0] + 1, (kernel[1] - 1) * dilation[1] + 1


def convolution_window(attributes: Mapping[str, Any], weight: Shape) -> Window:
    """The filters' size, as far as dilation spreads it."""
    kernel = _extent((Fraction(weight[-2]), Fraction(weight[-1])), attributes)
    return kernel, _sizes(attributes, "stride"), _sizes(attributes, "padding", 0)


def deconvolution_window(attributes: Mapping[str, Any], weight: Shape) -> Window:
    """A position is touched by inputs from (kernel - 1 - padding) / stride before it on, (kernel - 1) / stride far."""
    kernel = _extent((Fraction(weight[-2]), Fraction(weight[-1])), attributes)
    stride, padding = _sizes(attributes, "stride"), _sizes(attributes, "padding", 0)
    touched = ((kernel[0] - 1) / stride[0] + 1, (kernel[1] - 1) / stride[1] + 1)
    before = tuple((kernel[axis] - 1 - padding[axis]) / stride[axis] for axis in (0, 1))
    return touched, (1 / stride[0], 1 / stride[1]), (before[0], before[1])


def pooling_window(attributes: Mapping[str, Any], weight: Shape) -> Window:
    """The kernel, as far as dilation spreads it."""
    kernel = _extent(_sizes(attributes, "kernel"), attributes)
    return kernel, _sizes(attributes, "stride"), _sizes(attributes, "padding", 0)


def margin_window(attributes: Mapping[str, Any], weight: Shape) -> Window:
    """How much before the rows and the columns, wherever the axes that have a margin begin."""
    padding, axis = tuple(attributes.get("padding", ())), int(attributes.get("axis", 2)) % 4
    margins = (*(0,) * axis, *padding[: len(padding) // 2], *(0,) * 4)
    return pair(1), pair(1), (Fraction(margins[2]), Fraction(margins[3]))


def within_channel_window(attributes: Mapping[str, Any], weight: Shape) -> Window:
    """Neighbors within the channel, as many before as behind."""
    size = int(attributes["size"])
    return pair(size), pair(1), pair((size - 1) // 2)
