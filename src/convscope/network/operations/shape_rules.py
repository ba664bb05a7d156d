"""Shapes by arithmetic, for the operations nearly every network is made of.

Running an operation on memory-less tensors gives the same answer (a test holds that), but the first time torch
does so it imports for a second or two, and opening a network should take milliseconds. A rule returns None wherever
anything is out of the ordinary; then the operation itself is asked, and raises what is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

from convscope.network.operations.checks import margins
from convscope.network.operations.registry import Shape, ShapeRule, kind_of


def same_shape(
    inputs: Sequence[Shape], parameters: Mapping[str, Shape], attributes: Mapping[str, Any]
) -> Shape | None:
    """What changes each number by itself."""
    return inputs[0] if len(inputs) == 1 else None


def shape_rule(kind: str) -> ShapeRule | None:
    """Return the rule of a kind of operation, None where there is none."""
    facts = kind_of(kind)
    return facts.shape or (same_shape if facts.pointwise else None)


def shape_as_of(
    inputs: Sequence[Shape], parameters: Mapping[str, Shape], attributes: Mapping[str, Any]
) -> Shape | None:
    """What differs from the kind named `of` only in its gradient."""
    rule = shape_rule(attributes["of"])
    return rule(inputs, parameters, attributes) if rule else None


def single_number_shape(
    inputs: Sequence[Shape], parameters: Mapping[str, Shape], attributes: Mapping[str, Any]
) -> Shape | None:
    """What is one number, whatever it is made of."""
    return ()


def one_input(rule: ShapeRule) -> ShapeRule:
    """Return a rule that is sure of nothing where there are several inputs."""

    def guarded(
        inputs: Sequence[Shape], parameters: Mapping[str, Shape], attributes: Mapping[str, Any]
    ) -> Shape | None:
        return rule(inputs, parameters, attributes) if len(inputs) == 1 else None

    return guarded


@one_input
def convolution_shape(
    inputs: Sequence[Shape], parameters: Mapping[str, Shape], attributes: Mapping[str, Any]
) -> Shape | None:
    """Windows of the filters' size, along axis 1."""
    (input,), weight = inputs, parameters["weight"]
    axes, groups = len(weight) - 2, attributes.get("groups", 1)
    if len(input) != len(weight) or axes < 1 or attributes.get("axis", 1) != 1:
        return None
    if input[1] != weight[1] * groups:
        return None
    stride, dilation = (_each(attributes, name, axes) for name in ("stride", "dilation"))
    if not len(stride) == len(dilation) == axes or min(*stride, *dilation) < 1:
        return None
    borders = margins(attributes.get("padding", 0), input[2:], weight[2:], stride, dilation)
    sizes = []
    for size, kernel, s, border, d in zip(input[2:], weight[2:], stride, borders, dilation, strict=True):
        room = size + sum(border) - (d * (kernel - 1) + 1)
        if room < 0 or min(border) < 0:
            return None
        sizes.append(room // s + 1)
    return (input[0], weight[0], *sizes)


@one_input
def pool_shape(
    inputs: Sequence[Shape], parameters: Mapping[str, Shape], attributes: Mapping[str, Any]
) -> Shape | None:
    """Windows counted as `windows_along` counts them."""
    input = inputs[0]
    if len(input) != 4:
        return None
    kernel, stride, dilation = (_each(attributes, name, 2) for name in ("kernel", "stride", "dilation"))
    if min(*kernel, *stride, *dilation) < 1:
        return None
    borders = margins(attributes.get("padding", 0), input[2:], kernel, stride, dilation)
    rounding, padded = attributes.get("rounding", "ceil"), any(map(any, borders))
    sizes = []
    for size, k, s, d, border in zip(input[2:], kernel, stride, dilation, borders, strict=True):
        if min(border) < 0 or max(border) >= d * (k - 1) + 1:
            return None
        count = windows_along(size, (k, s, d), border, rounding, padded)
        if count < 1:
            return None
        sizes.append(count)
    return (*input[:2], *sizes)


@one_input
def dense_shape(
    inputs: Sequence[Shape], parameters: Mapping[str, Shape], attributes: Mapping[str, Any]
) -> Shape | None:
    """One number a row of the weight, from the axis on."""
    axis, weight = attributes.get("axis", 1), parameters["weight"]
    outputs, count = weight[::-1] if attributes.get("transpose") else weight
    batch, rest = inputs[0][:axis], inputs[0][axis:]
    return (*batch, outputs) if rest and prod(rest) == count else None


def concat_shape(
    inputs: Sequence[Shape], parameters: Mapping[str, Shape], attributes: Mapping[str, Any]
) -> Shape | None:
    """The sizes along the axis together, all others alike."""
    axis, first = attributes.get("axis", 1), inputs[0] if inputs else ()
    if not -len(first) <= axis < len(first):
        return None
    axis %= len(first)
    if len({(*shape[:axis], *shape[axis + 1 :]) for shape in inputs}) != 1:
        return None
    return (*first[:axis], sum(shape[axis] for shape in inputs), *first[axis + 1 :])


def shape_of_equals(
    inputs: Sequence[Shape], parameters: Mapping[str, Shape], attributes: Mapping[str, Any]
) -> Shape | None:
    """Inputs of one shape, added without coefficients."""
    return inputs[0] if len(set(inputs)) == 1 and not attributes.get("coefficients") else None


@one_input
def per_channel_shape(
    inputs: Sequence[Shape], parameters: Mapping[str, Shape], attributes: Mapping[str, Any]
) -> Shape | None:
    """Batch normalization and scales: the shape stays when there is one parameter a channel."""
    channels = {shape for role, shape in parameters.items() if role != "scale_factor"}
    plain = len(inputs[0]) > 1 and attributes.get("axis", 1) == 1
    return inputs[0] if plain and channels == {inputs[0][1:2]} else None


def stretched_shape(
    inputs: Sequence[Shape], parameters: Mapping[str, Shape], attributes: Mapping[str, Any]
) -> Shape | None:
    """Shapes stretched over each other, as torch broadcasts."""
    shapes = [*inputs, *parameters.values()]
    axes = max(map(len, shapes))
    columns = zip(*((*(1 for _ in range(axes - len(shape))), *shape) for shape in shapes), strict=True)
    sizes = [set(column) - {1} or {1} for column in columns]
    return tuple(size.pop() for size in sizes) if all(len(size) == 1 for size in sizes) else None


@one_input
def padded_shape(
    inputs: Sequence[Shape], parameters: Mapping[str, Shape], attributes: Mapping[str, Any]
) -> Shape | None:
    """A constant border around the axes from one on."""
    (input,), axis, padding = inputs, attributes.get("axis", 2), attributes.get("padding", ())
    if attributes.get("mode", "constant") != "constant" or not 0 <= axis < len(input):
        return None
    if len(padding) != 2 * (len(input) - axis):
        return None
    borders = margins(padding, input[axis:], 1, 1)
    sizes = tuple(size + sum(border) for size, border in zip(input[axis:], borders, strict=True))
    return (*input[:axis], *sizes) if min(sizes) > 0 else None


@one_input
def reduced_shape(
    inputs: Sequence[Shape], parameters: Mapping[str, Shape], attributes: Mapping[str, Any]
) -> Shape | None:
    """Without the axes, or with one position of them."""
    (input,), axes = inputs, attributes.get("axes")
    if axes is None or not all(-len(input) <= axis < len(input) for axis in axes):
        return None
    dropped_axes = {axis % len(input) for axis in axes}
    if attributes.get("keep_axes", True):
        return tuple(1 if axis in dropped_axes else size for axis, size in enumerate(input))
    return tuple(size for axis, size in enumerate(input) if axis not in dropped_axes)


@one_input
def layer_norm_shape(
    inputs: Sequence[Shape], parameters: Mapping[str, Shape], attributes: Mapping[str, Any]
) -> Shape | None:
    """Parameters of the shape from the axis on."""
    axis = attributes.get("axis", -1)
    inside = -len(inputs[0]) <= axis < len(inputs[0])
    return inputs[0] if inside and set(parameters.values()) <= {inputs[0][axis:]} else None


@one_input
def squeezed_shape(
    inputs: Sequence[Shape], parameters: Mapping[str, Shape], attributes: Mapping[str, Any]
) -> Shape | None:
    """Without axes of one position."""
    (input,) = inputs
    axes = {axis % len(input) for axis in attributes.get("axes", ()) if -len(input) <= axis < len(input)}
    if len(axes) != len(attributes.get("axes", ())) or not axes or any(input[axis] != 1 for axis in axes):
        return None
    return tuple(size for axis, size in enumerate(input) if axis not in axes)


@one_input
def reshaped_shape(
    inputs: Sequence[Shape], parameters: Mapping[str, Shape], attributes: Mapping[str, Any]
) -> Shape | None:
    """Only whole shapes without a 0, with at most one size to be worked out."""
    shape, count = tuple(attributes.get("shape", ())), prod(inputs[0])
    plain = attributes.get("axis", 0) == 0 and attributes.get("num_axes", -1) == -1
    if not plain or not all(shape) or shape.count(-1) > 1 or min(shape, default=0) < -1:
        return None
    product = prod(size for size in shape if size != -1)
    if count % product if -1 in shape else count != product:
        return None
    return tuple(count // product if size == -1 else size for size in shape)


def initializer_shape(
    inputs: Sequence[Shape], parameters: Mapping[str, Shape], attributes: Mapping[str, Any]
) -> Shape | None:
    """The parameter's own, in another shape or order."""
    shape = tuple(attributes.get("shape", ())) or parameters["value"]
    order = tuple(attributes.get("order", ())) or tuple(range(len(shape)))
    fits = prod(shape) == prod(parameters["value"]) and sorted(order) == list(range(len(shape)))
    return tuple(shape[axis] for axis in order) if fits else None


def tensor_shape(
    inputs: Sequence[Shape], parameters: Mapping[str, Shape], attributes: Mapping[str, Any]
) -> Shape | None:
    """As many as are listed."""
    count, shape = len(attributes["values"]), attributes.get("shape")
    if shape is None:
        return (count,)
    return tuple(shape) if prod(shape) == count else None


def _each(attributes: Mapping[str, Any], name: str, axes: int) -> tuple[int, ...]:
    value = attributes.get(name, 1)
    sizes = (value,) if isinstance(value, int) else tuple(value)
    return sizes * axes if len(sizes) == 1 else sizes


def windows_along(
    size: int, window: tuple[int, int, int], border: tuple[int, int], rounding: str, padded: bool
) -> int:
    """Return how many windows (kernel, stride, dilation) lie along an axis; `padded` where any axis has padding."""
    (kernel, stride, dilation), (before, behind) = window, border
    room = size + before + behind - (dilation * (kernel - 1) + 1)
    count = (room // stride if rounding == "floor" else -(-room // stride)) + 1
    return count - ((padded or rounding == "ceil_inside") and (count - 1) * stride >= size + before)


@one_input
def softmax_shape(
    inputs: Sequence[Shape], parameters: Mapping[str, Shape], attributes: Mapping[str, Any]
) -> Shape | None:
    """Along an axis that there is."""
    return inputs[0] if -len(inputs[0]) <= attributes.get("axis", 1) < len(inputs[0]) else None


@one_input
def pooled_to_one_shape(
    inputs: Sequence[Shape], parameters: Mapping[str, Shape], attributes: Mapping[str, Any]
) -> Shape | None:
    """One number a channel."""
    return (*inputs[0][:2], 1, 1) if len(inputs[0]) == 4 else None
