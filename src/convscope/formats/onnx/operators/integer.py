"""Operators that compute with whole numbers of eight bits: the numbers they stand for are computed with instead.

What goes in is dequantized, what comes out is rounded as the operator rounds it: within one step of onnxruntime.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from convscope.formats.onnx.constants import Array, Constant
from convscope.formats.onnx.element_types import range_of
from convscope.formats.onnx.node import Node
from convscope.formats.onnx.operators.channels_last import channels_first, shape_channels_first
from convscope.formats.onnx.operators.convolution import read_convolution
from convscope.formats.onnx.operators.pooling import read_average_pool, read_global_pool
from convscope.formats.onnx.operators.reduction import read_softmax, read_summary
from convscope.formats.onnx.operators.registry import reads, writes
from convscope.formats.onnx.writer import FLOAT, Part
from convscope.formats.operation_plan import OperationPlan

Plans = list[OperationPlan]
_SIGMOIDS = {"QLinearSigmoid": "sigmoid", "QLinearLeakyRelu": "relu"}
_OF_NUMBERS: dict[str, Callable[[Node], OperationPlan | Sequence[OperationPlan]]] = {
    "QLinearAveragePool": read_average_pool,
    "QLinearGlobalAveragePool": read_global_pool,
    "QLinearReduceMean": read_summary,
    "QLinearSoftmax": read_softmax,
}
_NEWEST = 13  # a form says which of ONNX's versions it is of, where those differ


@reads("QLinearConv", inputs=8)
def read_quantized_convolution(node: Node) -> Plans:
    """Turn a QLinearConv into a convolution between dequantized numbers, rounded."""
    scale, scale_of_input = _stored(node, 4), _stored(node, 1)
    names = ["", _dequantized(node, 3, axis=0)]
    if node.has(8):
        bias = _stored(node, 8)
        names.append(
            node.derived("bias", bias.shape, lambda: bias.array * (scale_of_input.array * scale.array))
        )
    inner = replace(node, inputs=tuple(names))
    axis = -1 if node.attributes.get("channels_last", 0) else 1
    plans = channels_first(node, [_from_codes(node, 0), read_convolution(inner)])
    return [*plans, _sum_to_codes(node, 6, axis)]


@reads("QLinearMatMul", inputs=8)
def read_quantized_product(node: Node) -> Plans:
    """Turn a QLinearMatMul into a product of dequantized numbers, rounded."""
    return [*_two_terms(node, "matmul", "weight", axis=-1), _sum_to_codes(node, 6, -1)]


@reads("QLinearAdd", "QLinearMul", inputs=7)
def read_quantized_arithmetic(node: Node) -> Plans:
    """Turn onnxruntime's QLinearAdd or QLinearMul into arithmetic with dequantized numbers, rounded."""
    kind = "add" if node.type_name == "QLinearAdd" else "multiply"
    return [*_two_terms(node, kind, "operand"), _to_codes(node, 6)]


@reads(*_SIGMOIDS, inputs=4)
def read_quantized_activation(node: Node) -> Plans:
    """Turn onnxruntime's QLinearSigmoid or QLinearLeakyRelu into one of dequantized numbers, rounded."""
    slope = {"negative_slope": float(node.attributes.get("alpha", 0.01))}
    plain = slope if node.type_name == "QLinearLeakyRelu" else {}
    function = OperationPlan(_SIGMOIDS[node.type_name], ("",), attributes=plain)
    return [_from_codes(node, 0), function, _to_codes(node, 3)]


@reads(*_OF_NUMBERS, inputs=4)
def read_quantized_form(node: Node) -> Plans:
    """Turn onnxruntime's eight-bit form of an operator into that operator on dequantized numbers, rounded."""
    inner = replace(
        node,
        type_name=node.type_name.removeprefix("QLinear"),
        inputs=("",),
        opset=int(node.attributes.get("opset", _NEWEST)),
        shapes=ChainMap({"": shape_channels_first(node)}, dict(node.shapes)),
    )
    function = _OF_NUMBERS[node.type_name](inner)
    plans = [function] if isinstance(function, OperationPlan) else function
    return [*channels_first(node, [_from_codes(node, 0), *plans]), _to_codes(node, 3)]


@reads("QLinearWhere", inputs=8)
def read_quantized_choice(node: Node) -> Plans:
    """Turn onnxruntime's QLinearWhere into a choice among dequantized numbers, rounded."""
    plans: Plans = []
    terms: list[str] = []
    for index in (1, 4):
        if node.constant(index) is not None:
            terms.append(_dequantized(node, index, axis=0))
            continue
        terms.append(f"#{len(plans)}")
        plans.append(_from_codes(node, index))
    return [*plans, OperationPlan("where", (node.inputs[0], *terms)), _to_codes(node, 7)]


@reads("QLinearConcat", inputs=5)
def read_quantized_concat(node: Node) -> Plans:
    """Turn onnxruntime's QLinearConcat into one of dequantized numbers, rounded."""
    parts = [_from_codes(node, index) for index in range(2, len(node.inputs), 3)]
    axis = {"axis": int(node.attributes.get("axis", 1))}
    joined = OperationPlan("concat", [f"#{index}" for index in range(len(parts))], attributes=axis)
    return [*parts, joined, _to_codes(node, 0)]


@reads("QGemm", inputs=6)
def read_quantized_gemm(node: Node) -> Plans:
    """Turn onnxruntime's QGemm into a fully-connected layer of dequantized numbers, rounded where it says so."""
    node.require("transA", 0)
    transposes, alpha = bool(node.attributes.get("transB", 0)), float(node.attributes.get("alpha", 1.0))
    scale, scale_of_input = _stored(node, 4), _stored(node, 1)
    roles = {"weight": _dequantized(node, 3, axis=0 if transposes else 1)}
    if node.has(6):
        bias = _stored(node, 6)
        roles["bias"] = node.derived(
            "bias", (bias.size,), lambda: (bias.array * (scale_of_input.array * scale.array)).reshape(-1)
        )
    if alpha != 1:
        raise node.refusal("alpha is not 1")
    dense = OperationPlan("dense", ("",), roles, {} if transposes else {"transpose": True})
    return [_from_codes(node, 0), dense, *([_sum_to_codes(node, 7, -1)] if node.has(7) else [])]


@reads("ConvInteger", inputs=2)
def read_integer_convolution(node: Node) -> Plans:
    """Turn a ConvInteger into a convolution of what is left of the zero points."""
    inner = replace(node, inputs=("", _centered(node, 1, 3, axis=0)))
    return [_less_zero(node, 0, 2), read_convolution(inner)]


@reads("MatMulInteger", inputs=2)
def read_integer_product(node: Node) -> Plans:
    """Turn a MatMulInteger into a product of what is left of the zero points."""
    first = _less_zero(node, 0, 2)
    if node.constant(1) is None:
        return [first, _less_zero(node, 1, 3), OperationPlan("matmul", ("#0", "#1"))]
    return [first, OperationPlan("matmul", ("",), {"weight": _centered(node, 1, 3, axis=-1)})]


@reads("DynamicQuantizeLinear")
def read_dynamic_quantize(node: Node) -> OperationPlan:
    """Turn a DynamicQuantizeLinear into codes, their scale and their zero point."""
    return OperationPlan("dynamic_quantize", node.inputs[:1], outputs=3)


@writes("dynamic_quantize")
def write_dynamic_quantize(part: Part) -> None:
    """Write a DynamicQuantizeLinear, its whole numbers as floats."""
    codes, zero = (part.writer.fresh(f"{part.outputs[at]}@whole") for at in (0, 2))
    part.writer.node("DynamicQuantizeLinear", part.inputs, [codes, part.outputs[1], zero])
    for name, output in ((codes, part.outputs[0]), (zero, part.outputs[2])):
        part.writer.node("Cast", [name], [output], to=FLOAT)


def _stored(node: Node, index: int) -> Constant:
    codes = node.constant(index)
    if codes is None:
        raise node.refusal(
            "its weights or scales are worked out while the network runs: store them in the file"
        )
    return codes


def _from_codes(node: Node, index: int) -> OperationPlan:
    """Return what dequantizes an input whose scale and zero point come next."""
    roles = {"scale": node.inputs[index + 1]}
    if node.has(index + 2):
        roles["zero"] = node.inputs[index + 2]
    for at in (index + 1, index + 2):
        if node.has(at):
            _stored(node, at)
    return OperationPlan("dequantize", node.inputs[index : index + 1], roles)


def _to_codes(node: Node, index: int) -> OperationPlan:
    """Return what rounds to the codes of a scale and the zero point after it."""
    _stored(node, index)
    roles = {"scale": node.inputs[index]}
    if node.has(index + 1):
        _stored(node, index + 1)
        roles["zero"] = node.inputs[index + 1]
    low, high = range_of(node.output_types[0])
    return OperationPlan("quantize", ("",), roles, {"low": low, "high": high})


def _sum_to_codes(node: Node, index: int, axis: int) -> OperationPlan:
    """Return what rounds the sums of two factors' products, whole numbers times both their scales, to codes.

    The scales are inputs 1 and 4; there may be one of the second for each entry of the axis.
    """
    plan, first, second = _to_codes(node, index), _stored(node, 1), _stored(node, 4)
    if first.size != 1 or _stored(node, index).size != 1 or (second.size > 1 and len(second.shape) > 1):
        return plan
    count = () if second.size == 1 else (second.size,)
    step = node.derived("step", count, lambda: (first.array.reshape(()) * second.array).reshape(count))
    roles = {**plan.parameters, "step": step}
    return replace(plan, parameters=roles, attributes={**plan.attributes, "axis": axis})


def _two_terms(node: Node, kind: str, role: str, axis: int = 0) -> Plans:
    first = _from_codes(node, 0)
    if node.constant(0) is not None:
        return [first, _from_codes(node, 3), OperationPlan(kind, ("#0", "#1"))]
    if node.constant(3) is None:
        return [first, _from_codes(node, 3), OperationPlan(kind, ("#0", "#1"))]
    return [first, OperationPlan(kind, ("",), {role: _dequantized(node, 3, axis)})]


def _dequantized(node: Node, index: int, axis: int) -> str:
    """Return the name of a stored input's numbers, dequantized by the two inputs that come next."""
    codes, scale = _stored(node, index), _stored(node, index + 1)
    zero = _stored(node, index + 2) if node.has(index + 2) else None

    def load() -> Array:
        centered = codes.array.astype(np.float32)
        if zero is not None:
            centered = centered - _along(zero.array, codes.shape, axis)
        dequantized: Array = centered * _along(scale.array, codes.shape, axis)
        return dequantized

    return node.derived("weight", codes.shape, load)


def _centered(node: Node, index: int, zero_at: int, axis: int) -> str:
    codes = _stored(node, index)
    zero = _stored(node, zero_at) if node.has(zero_at) else None

    def load() -> Array:
        centered: Array = codes.array.astype(np.float32)
        return centered if zero is None else centered - _along(zero.array, codes.shape, axis)

    return node.derived("weight", codes.shape, load)


def _along(factor: Array, shape: tuple[int, ...], axis: int) -> Array:
    """Return numbers, one for each entry of an axis, so that they stretch over a shape."""
    wide: Array = factor.astype(np.float32)
    if wide.size == 1:
        return wide.reshape(())
    if wide.ndim > 1:
        return wide
    return wide.reshape([-1 if at == axis % len(shape) else 1 for at in range(len(shape))])


def _less_zero(node: Node, index: int, zero: int) -> OperationPlan:
    value = node.inputs[index]
    if not node.has(zero):
        return OperationPlan("identity", (value,))
    if (zero_point := node.constant(zero)) is None:
        return OperationPlan("subtract", (value, node.inputs[zero]))
    if zero_point.size == 1:
        return OperationPlan("subtract", (value,), attributes={"number": float(zero_point.array.reshape(()))})
    rows = node.derived(
        "zero", (zero_point.size, 1), lambda: zero_point.array.reshape(-1, 1), zero_point.type
    )
    return OperationPlan("subtract", (value,), {"operand": rows})
