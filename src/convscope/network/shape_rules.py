"""Shapes by arithmetic, for the operations nearly every network is made of.

Running an operation on memory-less tensors gives the same answer (a test holds that), but the first time torch
does so it imports for a second or two, and opening a network should take milliseconds. A rule returns None wherever
anything is out of the ordinary; then the operation itself is asked, and raises what is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

from convscope.network.operations.checks import margins
from convscope.network.operations.pooling import windows_along
from convscope.network.parameters import Shape

Rule = Callable[[Sequence[Shape], Mapping[str, Shape], Mapping[str, Any]], "Shape | None"]


def shape_by_rule(
    kind: str, inputs: Sequence[Shape], parameters: Mapping[str, Shape], attributes: Mapping[str, Any]
) -> Shape | None:
    """Return the shape of an operation's only output, or None when no rule is sure of it."""
    if kind in _SAME and len(inputs) == 1 and all(inputs[0]):
        return inputs[0]
    rule = _RULES.get(kind)
    counted = len(inputs) == 1 or (kind in _SEVERAL and len(inputs) > 1) or kind in _OF_NOTHING
    filled = all(all(shape) for shape in inputs)
    return rule(inputs, parameters, attributes) if rule and counted and filled else None


def _convolution(
    inputs: Sequence[Shape], parameters: Mapping[str, Shape], attributes: Mapping[str, Any]
) -> Shape | None:
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


def _pool(
    inputs: Sequence[Shape], parameters: Mapping[str, Shape], attributes: Mapping[str, Any]
) -> Shape | None:
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


def _dense(
    inputs: Sequence[Shape], parameters: Mapping[str, Shape], attributes: Mapping[str, Any]
) -> Shape | None:
    axis, weight = attributes.get("axis", 1), parameters["weight"]
    outputs, count = weight[::-1] if attributes.get("transpose") else weight
    batch, rest = inputs[0][:axis], inputs[0][axis:]
    return (*batch, outputs) if rest and prod(rest) == count else None


def _concat(
    inputs: Sequence[Shape], parameters: Mapping[str, Shape], attributes: Mapping[str, Any]
) -> Shape | None:
    axis, first = attributes.get("axis", 1), inputs[0]
    if not -len(first) <= axis < len(first):
        return None
    axis %= len(first)
    if len({(*shape[:axis], *shape[axis + 1 :]) for shape in inputs}) != 1:
        return None
    return (*first[:axis], sum(shape[axis] for shape in inputs), *first[axis + 1 :])


def _of_equals(
    inputs: Sequence[Shape], parameters: Mapping[str, Shape], attributes: Mapping[str, Any]
) -> Shape | None:
    return inputs[0] if len(set(inputs)) == 1 and not attributes.get("coefficients") else None


def _per_channel(
    inputs: Sequence[Shape], parameters: Mapping[str, Shape], attributes: Mapping[str, Any]
) -> Shape | None:
    """Batch normalization and scales: the shape stays when there is one parameter a channel."""
    channels = {shape for role, shape in parameters.items() if role != "scale_factor"}
    plain = len(inputs[0]) > 1 and attributes.get("axis", 1) == 1
    return inputs[0] if plain and channels == {inputs[0][1:2]} else None


def _stretched(
    inputs: Sequence[Shape], parameters: Mapping[str, Shape], attributes: Mapping[str, Any]
) -> Shape | None:
    shapes = [*inputs, *parameters.values()]
    axes = max(map(len, shapes))
    columns = zip(*((*(1 for _ in range(axes - len(shape))), *shape) for shape in shapes), strict=True)
    sizes = [set(column) - {1} or {1} for column in columns]
    return tuple(size.pop() for size in sizes) if all(len(size) == 1 for size in sizes) else None


def _padded(
    inputs: Sequence[Shape], parameters: Mapping[str, Shape], attributes: Mapping[str, Any]
) -> Shape | None:
    (input,), axis, padding = inputs, attributes.get("axis", 2), attributes.get("padding", ())
    if attributes.get("mode", "constant") != "constant" or not 0 <= axis < len(input):
        return None
    if len(padding) != 2 * (len(input) - axis):
        return None
    borders = margins(padding, input[axis:], 1, 1)
    sizes = tuple(size + sum(border) for size, border in zip(input[axis:], borders, strict=True))
    return (*input[:axis], *sizes) if min(sizes) > 0 else None


def _reduced(
    inputs: Sequence[Shape], parameters: Mapping[str, Shape], attributes: Mapping[str, Any]
) -> Shape | None:
    (input,), axes = inputs, attributes.get("axes")
    if axes is None or not all(-len(input) <= axis < len(input) for axis in axes):
        return None
    gone = {axis % len(input) for axis in axes}
    if attributes.get("keep_axes", True):
        return tuple(1 if axis in gone else size for axis, size in enumerate(input))
    return tuple(size for axis, size in enumerate(input) if axis not in gone)


def _layer_norm(
    inputs: Sequence[Shape], parameters: Mapping[str, Shape], attributes: Mapping[str, Any]
) -> Shape | None:
    axis = attributes.get("axis", -1)
    inside = -len(inputs[0]) <= axis < len(inputs[0])
    return inputs[0] if inside and set(parameters.values()) <= {inputs[0][axis:]} else None


def _squeezed(
    inputs: Sequence[Shape], parameters: Mapping[str, Shape], attributes: Mapping[str, Any]
) -> Shape | None:
    (input,) = inputs
    axes = {axis % len(input) for axis in attributes.get("axes", ()) if -len(input) <= axis < len(input)}
    if len(axes) != len(attributes.get("axes", ())) or not axes or any(input[axis] != 1 for axis in axes):
        return None
    return tuple(size for axis, size in enumerate(input) if axis not in axes)


def _reshaped(
    inputs: Sequence[Shape], parameters: Mapping[str, Shape], attributes: Mapping[str, Any]
) -> Shape | None:
    """Only whole shapes without a 0, with at most one size to be worked out."""
    shape, count = tuple(attributes.get("shape", ())), prod(inputs[0])
    plain = attributes.get("axis", 0) == 0 and attributes.get("num_axes", -1) == -1
    if not plain or not all(shape) or shape.count(-1) > 1 or min(shape, default=0) < -1:
        return None
    known = prod(size for size in shape if size != -1)
    if count % known if -1 in shape else count != known:
        return None
    return tuple(count // known if size == -1 else size for size in shape)


def _stored(
    inputs: Sequence[Shape], parameters: Mapping[str, Shape], attributes: Mapping[str, Any]
) -> Shape | None:
    shape = tuple(attributes.get("shape", ())) or parameters["value"]
    order = tuple(attributes.get("order", ())) or tuple(range(len(shape)))
    fits = prod(shape) == prod(parameters["value"]) and sorted(order) == list(range(len(shape)))
    return tuple(shape[axis] for axis in order) if fits else None


def _numbers(
    inputs: Sequence[Shape], parameters: Mapping[str, Shape], attributes: Mapping[str, Any]
) -> Shape | None:
    count, shape = len(attributes["values"]), attributes.get("shape")
    if shape is None:
        return (count,)
    return tuple(shape) if prod(shape) == count else None


def _each(attributes: Mapping[str, Any], name: str, axes: int) -> tuple[int, ...]:
    value = attributes.get(name, 1)
    sizes = (value,) if isinstance(value, int) else tuple(value)
    return sizes * axes if len(sizes) == 1 else sizes


_SAME = frozenset(
    {"relu", "elu", "swish", "sigmoid", "tanh", "absolute", "bnll", "clip", "threshold", "power"}
)
_SAME |= {"exp", "log", "identity", "lrn_across_channels"}
_SAME |= {"redirected_clip", "gelu", "selu", "mish", "softsign", "hard_sigmoid", "hard_swish"}
_ARITHMETIC = frozenset({"add", "subtract", "multiply", "divide", "maximum", "minimum"})
_SEVERAL = frozenset({"concat", "eltwise_sum", "eltwise_max", "eltwise_product"}) | _ARITHMETIC
_OF_NOTHING = frozenset({"stored", "numbers"})
_RULES: dict[str, Rule] = {
    "convolution": _convolution,
    "max_pool": _pool,
    "average_pool": _pool,
    "dense": _dense,
    "concat": _concat,
    "eltwise_sum": _of_equals,
    "eltwise_max": _of_equals,
    "eltwise_product": _of_equals,
    "batch_norm": _per_channel,
    "scale": _per_channel,
    **dict.fromkeys(_ARITHMETIC, _stretched),
    "pad": _padded,
    "bias": _per_channel,
    "squeeze": _squeezed,
    "reshape": _reshaped,
    "stored": _stored,
    "numbers": _numbers,
    "reduce": _reduced,
    "layer_norm": _layer_norm,
    "softmax": lambda inputs, parameters, attributes: (
        inputs[0] if -len(inputs[0]) <= attributes.get("axis", 1) < len(inputs[0]) else None
    ),
    "global_average_pool": lambda inputs, parameters, attributes: (
        (*inputs[0][:2], 1, 1) if len(inputs[0]) == 4 else None
    ),
}
