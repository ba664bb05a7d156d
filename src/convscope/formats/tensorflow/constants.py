"""What is known before a network runs: its weights, what is worked out from them, and sizes worked out from sizes.

A frozen graph is full of arithmetic that no picture changes: batch normalization written out in steps, shapes taken
apart and put together again. It is done once here. A size that depends on the input's is a `Size`, a number that
knows how it was worked out, so that it is right for every input.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from convscope.errors import NetworkFileError
from convscope.formats.folding_budget import FoldingBudget
from convscope.formats.sizes import SizeFraction, in_single_precision, largest, smallest, whole
from convscope.formats.tensorflow.node import Node
from convscope.formats.tensorflow.tensors import CODES
from convscope.network.operations.ranges import dequantize_range
from convscope.network.parameters import Shape

Array: TypeAlias = NDArray[Any]
Folder = Callable[[Node, Sequence[Array]], Array]

FOLDERS: dict[str, Folder] = {}


def folds(*ops: str) -> Callable[[Folder], Folder]:
    """Register how these ops are worked out when all they read is known."""

    def register(function: Folder) -> Folder:
        FOLDERS.update(dict.fromkeys(ops, function))
        return function

    return register


def folded(node: Node, inputs: Sequence[Array], budget: FoldingBudget) -> Array:
    """Return what a node makes of known numbers; NetworkFileError where these make no sense to it, or too many."""
    try:
        budget.spend(node.name, _size(node, inputs))
        result = FOLDERS[node.op](node, inputs)
        return np.asarray(
            result, object if _has_sizes(inputs) else None
        )  # else numpy makes plain numbers of them
    except (ValueError, IndexError, TypeError, ArithmeticError) as error:
        shapes = ", ".join(str(array.shape) for array in inputs)
        raise NetworkFileError(
            f"node {node.name!r}: a {node.op} cannot be worked out of {shapes}: {error}"
        ) from error


def _size(node: Node, inputs: Sequence[Array]) -> Shape:
    """Return how many numbers a node makes, as a shape, at most; nothing where they only lie otherwise."""
    if node.op in _ELEMENTWISE or node.op in ("Select", "SelectV2"):
        return np.broadcast_shapes(*(array.shape for array in inputs))
    if node.op == "Range":
        start, stop, step = (array.item() for array in inputs)
        return (int(abs((stop - start) / step)),)
    if node.op == "LinSpace":
        return (int(inputs[2].item()),)
    if node.op == "Fill":
        return tuple(int(size) for size in inputs[0])
    if node.op == "Tile":
        return inputs[0].size, *(int(times) for times in inputs[1])
    if node.op in ("Gather", "GatherV2"):
        axis = int(inputs[2].item()) if len(inputs) > 2 else 0
        return inputs[1].size, inputs[0].size // max(inputs[0].shape[axis], 1)
    if node.op.endswith("MatMul") or "MatMulV" in node.op:
        return np.broadcast_shapes(inputs[0].shape[:-2], inputs[1].shape[:-2]) + tuple(
            array.size // max(min(array.shape[-2:]), 1) for array in inputs
        )
    return (0,) if node.op in _VIEWS else (sum(array.size for array in inputs),)


_VIEWS = (
    "Identity",
    "StopGradient",
    "CheckNumerics",
    "PreventGradient",
    "Snapshot",
    "ReadVariableOp",
    "ExpandDims",
    "Squeeze",
    "Slice",
    "Shape",
    "Rank",
    "Size",
)
_ELEMENTWISE: dict[str, Callable[..., Array]] = {
    "Add": np.add,
    "AddV2": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "RealDiv": np.divide,
    "FloorDiv": np.floor_divide,
    "FloorMod": np.mod,
    "Maximum": np.maximum,
    "Minimum": np.minimum,
    "Neg": np.negative,
    "Square": np.square,
    "Sqrt": np.sqrt,
    "Rsqrt": lambda x: 1 / np.sqrt(x),
    "Exp": np.exp,
    "Abs": np.abs,
    "Equal": np.equal,
    "Greater": np.greater,
    "Less": np.less,
    "LogicalNot": np.logical_not,
    "LogicalAnd": np.logical_and,
    "LogicalOr": np.logical_or,
    "GreaterEqual": np.greater_equal,
    "LessEqual": np.less_equal,
    "NotEqual": np.not_equal,
    "SquaredDifference": lambda x, y: np.square(x - y),
    "Pow": np.power,
}


def _toward_zero(x: Array, y: Array) -> Array:
    """Divide whole numbers as C does; a size is never below 0, where that is Python's way."""
    quotient = np.floor_divide(np.abs(x), np.abs(y)) if x.dtype != object else np.floor_divide(x, y)
    return quotient * np.sign(x) * np.sign(y) if quotient.dtype != object else quotient


_ELEMENTWISE["TruncateDiv"] = _toward_zero
_TRUTHS = frozenset(
    op for op in _ELEMENTWISE if op.startswith(("Logical", "Greater", "Less")) or "Equal" in op
)


_EXTREME_SIZES = {"Maximum": np.frompyfunc(largest, 2, 1), "Minimum": np.frompyfunc(smallest, 2, 1)}


_PLAIN = frozenset(
    (
        "Cast",
        "Ceil",
        "Fill",
        "Floor",
        "Gather",
        "GatherV2",
        "Reshape",
        "Rint",
        "Round",
        "Slice",
        "StridedSlice",
        "Tile",
    )
)


# Of `20.0 / size` Python's float makes a plain number before the size is asked; a fraction remembers.
_WITH_ORIGIN: Any = np.frompyfunc(lambda number: SizeFraction(number, float(number)), 1, 1)


def decides(node: Node, inputs: Sequence[Array]) -> bool:
    """Whether what comes out may be another number at another size: sizes compared, or made plain numbers of."""
    if node.op in _EXTREME_SIZES:  # of whole numbers that is arithmetic, of shares one is picked
        return any(isinstance(number, SizeFraction) for array in inputs for number in array.flat)
    return (node.op in _TRUTHS or node.op in _PLAIN) and _has_sizes(inputs)


def is_live(node: Node, inputs: Sequence[Array]) -> bool:
    """Whether a node makes as many numbers as a size of the picture says: an operation does, at any size."""
    return node.op in ("LinSpace", "Range") and _has_sizes(inputs)


def _has_sizes(inputs: Sequence[Array]) -> bool:
    return any(array.dtype == object for array in inputs)


def _elementwise(node: Node, inputs: Sequence[Array]) -> Array:
    has_sizes, stays = _has_sizes(inputs), node.op not in _TRUTHS
    function = _EXTREME_SIZES.get(node.op) if has_sizes else None
    if has_sizes:
        inputs = [_WITH_ORIGIN(array) if array.dtype.kind == "f" else array for array in inputs]
    # Of single numbers numpy gives the number itself: a size would become a plain one.
    result = np.asarray((function or _ELEMENTWISE[node.op])(*inputs), object if has_sizes and stays else None)
    return result.astype(inputs[0].dtype) if stays and result.dtype != object else result


FOLDERS.update(dict.fromkeys(_ELEMENTWISE, _elementwise))


@folds("Identity", "StopGradient", "CheckNumerics", "PreventGradient", "Snapshot", "ReadVariableOp")
def _same(node: Node, inputs: Sequence[Array]) -> Array:
    return inputs[0]


@folds("Div")
def _div(node: Node, inputs: Sequence[Array]) -> Array:
    """Divide as Python 2 did: whole numbers stay whole."""
    whole = inputs[0].dtype.kind in "iuO"
    return np.floor_divide(*inputs) if whole else np.divide(*inputs)


def _cut_off(number: Any) -> Any:
    """Return a share of a size without what is behind its point; TensorFlow has it in single precision."""
    exact = not isinstance(number, SizeFraction) or number.ratio is not None
    return whole(number) if exact else whole(float(np.float32(float(number))))


def whole_sizes(numbers: Array) -> Array:
    """Return sizes, and shares of them, as whole numbers."""
    return np.asarray(_CUT_OFF(numbers), object)


_CUT_OFF: Any = np.frompyfunc(_cut_off, 1, 1)


_ROUNDED: dict[str, Callable[[Any], Any]] = {
    "Ceil": in_single_precision(math.ceil),
    "Floor": in_single_precision(math.floor),
    "Round": in_single_precision(round),
    "Rint": in_single_precision(round),
}


@folds(*_ROUNDED)
def _round(node: Node, inputs: Sequence[Array]) -> Array:
    function: Any = np.frompyfunc(_ROUNDED[node.op], 1, 1)
    return np.asarray(function(inputs[0]), object if inputs[0].dtype == object else inputs[0].dtype)


@folds("BroadcastArgs")
def _broadcast_args(node: Node, inputs: Sequence[Array]) -> Array:
    return np.array(np.broadcast_shapes(*(tuple(map(int, shape)) for shape in inputs)), np.int64)


@folds("Shape", "Rank", "Size")
def _measured(node: Node, inputs: Sequence[Array]) -> Array:
    """Measure known numbers: ``tf.transpose(weights)`` of TensorFlow 1 counts their axes so."""
    counts = {"Shape": inputs[0].shape, "Rank": inputs[0].ndim, "Size": inputs[0].size}
    return np.array(counts[node.op], np.int64 if node.text("out_type") == "DT_INT64" else np.int32)


@folds("Reshape")
def _reshape(node: Node, inputs: Sequence[Array]) -> Array:
    return inputs[0].reshape([int(size) for size in inputs[1].ravel()])


@folds("ExpandDims")
def _expand_dims(node: Node, inputs: Sequence[Array]) -> Array:
    return np.expand_dims(inputs[0], int(inputs[1].item()))


@folds("Squeeze")
def _squeeze(node: Node, inputs: Sequence[Array]) -> Array:
    return np.squeeze(inputs[0], node.integers("squeeze_dims", "axis") or None)


@folds("Transpose")
def _transpose(node: Node, inputs: Sequence[Array]) -> Array:
    return np.transpose(inputs[0], [int(axis) for axis in inputs[1]])


@folds("ReverseV2")
def _reverse(node: Node, inputs: Sequence[Array]) -> Array:
    return np.flip(inputs[0], tuple(int(axis) for axis in inputs[1].ravel()))


@folds("InvertPermutation")
def _invert(node: Node, inputs: Sequence[Array]) -> Array:
    return np.argsort(inputs[0].astype(np.int64))


@folds("Tile")
def _tile(node: Node, inputs: Sequence[Array]) -> Array:
    return np.tile(inputs[0], [int(times) for times in inputs[1]])


@folds("Pack")
def _pack(node: Node, inputs: Sequence[Array]) -> Array:
    return np.stack(inputs, node.integer("axis"))


@folds("ConcatV2")
def _concat(node: Node, inputs: Sequence[Array]) -> Array:
    return np.concatenate(inputs[:-1], int(inputs[-1].item()))


@folds("Concat")
def _old_concat(node: Node, inputs: Sequence[Array]) -> Array:
    return np.concatenate(inputs[1:], int(inputs[0].item()))


@folds("Gather", "GatherV2")
def _gather(node: Node, inputs: Sequence[Array]) -> Array:
    axis = int(inputs[2].item()) if len(inputs) > 2 else 0
    return np.take(inputs[0], inputs[1].astype(np.int64), axis)


@folds("Slice")
def _slice(node: Node, inputs: Sequence[Array]) -> Array:
    begins, sizes = ([int(number) for number in array] for array in inputs[1:3])
    pairs = zip(begins, sizes, strict=True)
    return inputs[0][tuple(slice(begin, None if size < 0 else begin + size) for begin, size in pairs)]


@folds("StridedSlice")
def _strided_slice(node: Node, inputs: Sequence[Array]) -> Array:
    begins, ends, steps = ([int(number) for number in array] for array in inputs[1:4])
    return np.asarray(inputs[0][subscripts(node, begins, ends, steps)], inputs[0].dtype)


def subscripts(
    node: Node, begins: Sequence[int], ends: Sequence[int], steps: Sequence[int]
) -> tuple[Any, ...]:
    """Return a StridedSlice as numpy's subscripts: its masks say which bounds do not count, and which axes go."""

    def masked(name: str, place: int) -> bool:
        return bool(node.integer(f"{name}_mask") >> place & 1)

    items: list[Any] = []
    for place, (begin, end, step) in enumerate(zip(begins, ends, steps, strict=True)):
        if masked("ellipsis", place):
            items.append(...)
        elif masked("new_axis", place):
            items.append(None)
        elif masked("shrink_axis", place):
            items.append(begin)
        else:
            first, last = (
                None if masked(name, place) else bound for name, bound in (("begin", begin), ("end", end))
            )
            items.append(slice(first, last, step))
    return tuple(items)


@folds("Select", "SelectV2")
def _select(node: Node, inputs: Sequence[Array]) -> Array:
    """Choose by truths, which ``tf.linspace`` and ``tf.signal`` do with sizes; the old op of whole rows, too."""
    truths, chosen, other = inputs
    if node.op == "Select" and truths.ndim == 1 < chosen.ndim:
        truths = truths.reshape(-1, *(1,) * (chosen.ndim - 1))
    return np.where(truths.astype(bool), chosen, other)


@folds("Range")
def _range(node: Node, inputs: Sequence[Array]) -> Array:
    start, stop, step = (array.item() for array in inputs)
    return np.arange(start, stop, step)


@folds("LinSpace")
def _linspace(node: Node, inputs: Sequence[Array]) -> Array:
    first, last, count = (array.item() for array in inputs)
    return np.linspace(first, last, int(count), dtype=np.float32)


@folds("Fill")
def _fill(node: Node, inputs: Sequence[Array]) -> Array:
    return np.broadcast_to(inputs[1], [int(size) for size in inputs[0]])


@folds("Prod", "Mean", "Sum", "Max", "Min")
def _reduced(node: Node, inputs: Sequence[Array]) -> Array:
    function = {"Prod": np.prod, "Mean": np.mean, "Sum": np.sum, "Max": np.max, "Min": np.min}[node.op]
    axes = tuple(int(axis) for axis in inputs[1].ravel())
    keep = node.flag("keep_dims") or node.flag("keepdims")
    return np.asarray(function(inputs[0], axis=axes, keepdims=keep), inputs[0].dtype)  # type: ignore[operator]


@folds("Dequantize")
def _dequantize(node: Node, inputs: Sequence[Array]) -> Array:
    """Return what eight-bit weights stand for, between a lowest and a highest number."""
    values, low, high = (torch.from_numpy(np.array(array, np.float32)) for array in inputs)
    return dequantize_range(values, low, high, **code_settings(node)).numpy()


def code_settings(node: Node) -> dict[str, Any]:
    """Return the keywords of `dequantize_range` that a node states."""
    bits, signed = CODES[node.text("T", "DT_QUINT8")]
    axis = node.integer("axis", -1)
    return {
        "mode": node.text("mode", "MIN_COMBINED"),
        "bits": bits,
        "signed": signed,
        "narrow": node.flag("narrow_range"),
        "axis": None if axis < 0 else axis,
    }


def quantize_settings(node: Node) -> dict[str, Any]:
    """Return the keywords of `quantize_range` that a node states."""
    return {
        **code_settings(node),
        "to_even": node.text("round_mode", "HALF_AWAY_FROM_ZERO") == "HALF_TO_EVEN",
        "widen": node.number("ensure_minimum_range", 0.01),
    }
