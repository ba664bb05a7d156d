"""ATen's operators, which PyTorch's networks have beside convscope's own, as ONNX's: sizes stay arithmetic.

Each function has the arguments of the torch operator it is named for, in the codes of
`convscope.network.operations.aten.aten`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from convscope.formats.onnx.operators.convolution import each
from convscope.formats.onnx.operators.registry import (
    writes,
)
from convscope.formats.onnx.writer import Part

_OPERATORS = {"+": "Add", "-": "Sub", "*": "Mul", "//": "Div", "%": "Mod"}


_END = 2**63 - 1


_UPSAMPLED = {"nearest": "nearest", "bilinear": "linear", "bicubic": "cubic"}


def _tensor(part: Part, code: Any) -> str:
    """Return the name of the tensor a code stands for."""
    name = str(code)[1:]
    if not str(code).startswith("$") or "." in name or ":" in name:
        raise part.refusal(f"{code!r} is no tensor by itself")
    return part.inputs[int(name)] if name.isdigit() else part.parameter(name)


def _size(part: Part, code: Any) -> str:
    """Return the name of one whole number, in an axis of its own: a plain one, an input's size, arithmetic of such."""
    if isinstance(code, int):
        return part.numbers([code])
    if isinstance(code, str):
        tensor, _, axis = code.partition(".")
        return part.step("Shape", _tensor(part, tensor), start=int(axis), end=int(axis) + 1)
    sign, a, b = code[0], _size(part, code[1]), _size(part, code[2])
    if sign == "ceil":
        return part.step("Div", part.step("Sub", part.step("Add", a, b), part.numbers([1])), b)
    return part.step(_OPERATORS[sign], a, b)


def _sizes(part: Part, codes: Sequence[Any]) -> str:
    if all(isinstance(code, int) for code in codes):
        return part.numbers(np.array(codes, np.int64))
    return part.step("Concat", *(_size(part, code) for code in codes), axis=0)


def reshape(part: Part, input: str, shape: Sequence[Any]) -> None:
    """Write a Reshape."""
    part.write("Reshape", _tensor(part, input), _sizes(part, shape))


def unflatten(part: Part, input: str, dim: int, sizes: Sequence[Any]) -> None:
    """Write a Reshape that keeps what lies around the axis."""
    tensor, rank = _tensor(part, input), len(part.shape())
    dim %= rank
    around = [part.step("Shape", tensor, start=0, end=dim)] if dim else []
    behind = [part.step("Shape", tensor, start=dim + 1, end=rank)] if dim + 1 < rank else []
    part.write("Reshape", tensor, part.step("Concat", *around, _sizes(part, sizes), *behind, axis=0))


def expand(part: Part, input: str, size: Sequence[Any]) -> None:
    """Write an Expand; what stays as it is has size 1 there."""
    part.write("Expand", _tensor(part, input), _sizes(part, [1 if code == -1 else code for code in size]))


def unbind(part: Part, input: str, dim: int = 0) -> None:
    """Write a Gather for each part."""
    for index, output in enumerate(part.outputs):
        numbers = [_tensor(part, input), part.numbers(np.int64(index))]
        part.writer.node("Gather", numbers, [output], axis=dim)


def chunk(part: Part, input: str, chunks: int, dim: int = 0) -> None:
    """Write a Split into the sizes the parts have."""
    sizes = [(part.writer.shapes[output] or ())[dim] for output in part.outputs]
    part.writer.node("Split", [_tensor(part, input), part.numbers(sizes)], part.outputs, axis=dim)


def scaled_dot_product_attention(
    part: Part,
    query: str,
    key: str,
    value: str,
    attn_mask: str | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> None:
    """Write the two products and the Softmax between them."""
    if is_causal or enable_gqa or dropout_p:
        raise part.refusal("its attention is causal, grouped or dropped out")
    rank, width = len(part.shape()), part.shape()[-1]
    key_transpose = part.step("Transpose", _tensor(part, key), perm=(*range(rank - 2), rank - 1, rank - 2))
    scaled = part.step("Mul", _tensor(part, query), part.numbers(float(scale or width**-0.5)))
    scores = part.step("MatMul", scaled, key_transpose)
    if attn_mask is not None:
        scores = part.step("Add", scores, _tensor(part, attn_mask))
    part.write("MatMul", part.step("Softmax", scores, axis=-1), _tensor(part, value))


def einsum(part: Part, equation: str, tensors: Sequence[str]) -> None:
    """Write an Einsum."""
    part.write("Einsum", *(_tensor(part, code) for code in tensors), equation=equation)


def max_pool2d_with_indices(
    part: Part,
    input: str,
    kernel_size: Any,
    stride: Any = (),
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
) -> None:
    """Write a MaxPool; where the largest numbers lay is not written."""
    if any(set(part.outputs[1:]) & set(operation.inputs) for operation in part.writer.graph.operations):
        raise part.refusal("a later layer reads where the largest numbers lay")
    window = _window(kernel_size, stride, padding, ceil_mode)
    part.write("MaxPool", _tensor(part, input), dilations=each(dilation, 2), **window)


def avg_pool2d(
    part: Part,
    input: str,
    kernel_size: Any,
    stride: Any = (),
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> None:
    """Write an AveragePool."""
    if divisor_override is not None:
        raise part.refusal("it divides by a number of its own")
    window = _window(kernel_size, stride, padding, ceil_mode)
    part.write("AveragePool", _tensor(part, input), count_include_pad=int(count_include_pad), **window)


def _window(kernel: Any, stride: Any, padding: Any, ceil_mode: bool) -> dict[str, Any]:
    return {
        "kernel_shape": each(kernel, 2),
        "strides": each(stride or kernel, 2),
        "pads": each(padding, 2) * 2,
        "ceil_mode": int(ceil_mode),
    }


def _upsample(mode: str) -> Callable[..., None]:
    def write(part: Part, input: str, size: Any, *flags: Any) -> None:
        *aligned, factors = flags
        wanted: list[str]
        if not isinstance(factors if size is None else size, Sequence):
            raise part.refusal("its size is neither a shape nor a factor for each axis")
        tensor = _tensor(part, input)
        how = "asymmetric" if mode == "nearest" else "align_corners" if aligned[0] else "half_pixel"
        attributes = {
            "mode": _UPSAMPLED[mode],
            "coordinate_transformation_mode": how,
            "nearest_mode": "floor",
        }
        if size is None:
            wanted = [part.numbers(np.array([1, 1, *factors], np.float32))]
        else:
            begin = part.step("Shape", tensor, start=0, end=2)
            wanted = ["", part.step("Concat", begin, _sizes(part, size), axis=0)]
        part.write("Resize", tensor, "", *wanted, cubic_coeff_a=-0.75, **attributes)

    return write


ATEN: dict[str, Callable[..., None]] = {
    function.__name__: function
    for function in (
        reshape,
        unflatten,
        expand,
        unbind,
        chunk,
        scaled_dot_product_attention,
        einsum,
        max_pool2d_with_indices,
        avg_pool2d,
    )
}


ATEN |= {f"upsample_{mode}2d": _upsample(mode) for mode in _UPSAMPLED}


@writes("aten")
def write_aten(part: Part) -> None:
    """Write an ATen operator; InputError, with its name, for one that is not in the table."""
    name = part.attributes["operator"].partition(".")[0]
    if name not in ATEN:
        raise part.refusal(f"torch's {name} has no operator here; save a .convscope instead")
    ATEN[name](part, *part.attributes.get("arguments", ()), **part.attributes.get("keywords", {}))


@writes("subscript")
def write_subscript(part: Part) -> None:
    """Write a Slice of all slices, then a Squeeze of the single positions and an Unsqueeze of the new axes."""
    items, rank = list(part.attributes["items"]), len(part.shape())
    if "..." in items:
        at = items.index("...")
        used = sum(item is not None for item in items) - 1
        items[at : at + 1] = [("slice", None, None, None)] * (rank - used)
    slices: list[tuple[Any, Any, int, int]] = []
    dropped_axes, new, axis, after = [], [], 0, 0
    for item in items:
        if item is None:
            new.append(after)
            after += 1
            continue
        if isinstance(item, int):
            slices.append((item, item + 1 if item != -1 else _END, axis, 1))
            dropped_axes.append(axis)
        elif isinstance(item, tuple | list) and item[0] == "slice":
            begin, end, step = item[1:]
            if (begin, end, step) != (None, None, None):
                slices.append((begin or 0, _END if end is None else end, axis, step or 1))
            after += 1
        else:
            raise part.refusal("what it takes depends on numbers")
        axis += 1
    _write_subscript(part, slices, dropped_axes, new)


def _write_subscript(
    part: Part, slices: Sequence[tuple[Any, Any, int, int]], dropped_axes: Sequence[int], new: Sequence[int]
) -> None:
    value = part.inputs[0]
    if slices:
        columns = [_sizes(part, column) for column in zip(*slices, strict=True)]
        value = part.step("Slice", value, *columns)
    if dropped_axes:
        value = part.step("Squeeze", value, part.numbers(list(dropped_axes)))
    if new:
        value = part.step("Unsqueeze", value, part.numbers(list(new)))
    part.write("Identity", value)
