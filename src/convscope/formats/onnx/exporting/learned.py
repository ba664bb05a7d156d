"""What has learned numbers: convolutions, fully-connected layers, normalizations."""

from __future__ import annotations

from typing import Any

import numpy as np

from convscope.formats.onnx.exporting.registry import exports
from convscope.formats.onnx.exporting.writer import Part

_SAME = {"same": "SAME_UPPER", "same_lower": "SAME_LOWER"}


def each(value: Any, axes: int) -> tuple[int, ...]:
    """Return one number an axis."""
    sizes = (value,) if isinstance(value, int) else tuple(value)
    return sizes * axes if len(sizes) == 1 else sizes


def pads(padding: Any, axes: int) -> dict[str, Any]:
    """Return the attribute that says the padding."""
    if isinstance(padding, str):
        return {"auto_pad": _SAME[padding]}
    sides = each(padding, axes)
    return {"pads": sides if len(sides) == 2 * axes else sides * 2}


def _window(part: Part) -> dict[str, Any]:
    weight = part.tensor("weight")
    axes = 0 if weight is None else weight.ndim - 2
    if axes < 1 or part.attributes.get("axis", 1) != 1:
        raise part.refusal("its channels are not on axis 1")
    return {
        "strides": each(part.attributes.get("stride", 1), axes),
        "dilations": each(part.attributes.get("dilation", 1), axes),
        "group": int(part.attributes.get("groups", 1)),
        **pads(part.attributes.get("padding", 0), axes),
    }


@exports("convolution", "deconvolution")
def convolution(part: Part) -> None:
    """Write a Conv or a ConvTranspose for each input: they share the filters."""
    attributes = _window(part)
    op_type = "Conv" if part.operation.kind == "convolution" else "ConvTranspose"
    if more := part.attributes.get("output_padding"):
        attributes["output_padding"] = each(more, len(attributes["strides"]))
    weights = [name for role in ("weight", "bias") if (name := part.parameter(role))]
    for value, output in zip(part.inputs, part.outputs, strict=True):
        part.writer.node(op_type, [value, *weights], [output], **attributes)


@exports("dense")
def dense(part: Part) -> None:
    """Write a Gemm of rows, or a MatMul along the last axis."""
    rank, value = len(part.shape()), part.inputs[0]
    axis, turned = part.attributes.get("axis", 1) % rank, int(not part.attributes.get("transpose", False))
    bias = part.parameter("bias")
    if axis == 1:
        value = part.step("Flatten", value, axis=1) if rank > 2 else value
        part.write("Gemm", value, part.parameter("weight"), *([bias] if bias else []), transB=turned)
    elif axis == rank - 1:
        weight = part.parameter("weight")
        weight = part.step("Transpose", weight, perm=(1, 0)) if turned else weight
        product = ("MatMul", value, weight)
        part.write("Add", part.step(*product), bias) if bias else part.write(*product)
    else:
        raise part.refusal(f"it flattens from axis {axis} on")


@exports("matmul")
def matmul(part: Part) -> None:
    """Write a MatMul."""
    other = part.inputs[1] if len(part.inputs) > 1 else part.parameter("weight")
    if part.attributes.get("transpose"):
        rank = len(part.shape(1)) if len(part.inputs) > 1 else len(part.parameter_shape("weight"))
        other = part.step("Transpose", other, perm=(*range(rank - 2), rank - 1, rank - 2))
    first, second = part.inputs[0], other
    part.write("MatMul", *((second, first) if part.attributes.get("swapped") else (first, second)))


@exports("embed")
def embed(part: Part) -> None:
    """Write a Gather of rows."""
    rows, bias = ("Gather", part.parameter("weight"), part.whole(part.inputs[0])), part.parameter("bias")
    part.write("Add", part.step(*rows), bias) if bias else part.write(*rows)


@exports("scale", "bias")
def scale(part: Part) -> None:
    """Write a product with numbers along an axis and a sum with others."""
    rank, axis = len(part.shape()), part.attributes.get("axis", 1)
    axis += rank if axis < 0 else 0
    terms = [("Mul", "weight")] if part.operation.kind == "scale" else []
    found = part.inputs[0]
    chain = [(op_type, _along(part, role, axis, rank)) for op_type, role in [*terms, ("Add", "bias")]]
    chain = [(op_type, name) for op_type, name in chain if name]
    if len(part.inputs) > 1:
        behind = rank - axis - len(part.shape(1))
        other = part.inputs[1]
        if behind:
            where = part.numbers(np.arange(-behind, 0))
            other = part.step("Unsqueeze", other, where)
        chain = [("Mul" if terms else "Add", other), *chain]
    for op_type, name in chain[:-1]:
        found = part.step(op_type, found, name)
    part.write(chain[-1][0], found, chain[-1][1])


def _along(part: Part, role: str, axis: int, rank: int) -> str:
    tensor = part.tensor(role)
    if tensor is None:
        return ""
    behind = rank - axis - tensor.ndim
    name = part.parameter(role)
    return part.step("Reshape", name, part.numbers([*tensor.shape, *[1] * behind])) if behind else name


@exports("batch_norm")
def batch_norm(part: Part) -> None:
    """Write a BatchNormalization; Caffe's sums become means."""
    mean, variance = part.tensor("mean"), part.tensor("variance")
    if mean is None or variance is None or part.attributes.get("of_batch"):
        raise part.refusal("it normalizes by the batch's own mean")
    kept = part.tensor("scale_factor")
    names = [part.parameter("mean"), part.parameter("variance")]
    if kept is not None:
        share = np.float32(0 if kept.reshape(()) == 0 else 1 / kept.reshape(()))
        names = [part.numbers(mean * share), part.numbers(variance * share)]
    weight = part.parameter("weight") or part.numbers(np.ones_like(mean))
    bias = part.parameter("bias") or part.numbers(np.zeros_like(mean))
    epsilon = float(part.attributes.get("epsilon", 1e-5))
    part.write("BatchNormalization", part.inputs[0], weight, bias, *names, epsilon=epsilon)


@exports("layer_norm")
def layer_norm(part: Part) -> None:
    """Write a LayerNormalization."""
    axis = part.attributes.get("axis", -1)
    shape = part.shape()[axis:]
    weight = part.parameter("weight") or part.numbers(np.ones(shape, np.float32))
    bias = part.parameter("bias")
    epsilon = float(part.attributes.get("epsilon", 1e-5))
    names = [part.inputs[0], weight, *([bias] if bias else [])]
    part.write("LayerNormalization", *names, axis=int(axis), epsilon=epsilon)


@exports("group_norm")
def group_norm(part: Part) -> None:
    """Write an InstanceNormalization of each group, then the channels' own scales and biases."""
    shape, groups = part.shape(), int(part.attributes["groups"])
    ones, zeros = np.ones(groups, np.float32), np.zeros(groups, np.float32)
    rows = part.step("Reshape", part.inputs[0], part.numbers([0, groups, -1]))
    epsilon = float(part.attributes.get("epsilon", 1e-5))
    normal = part.step(
        "InstanceNormalization", rows, part.numbers(ones), part.numbers(zeros), epsilon=epsilon
    )
    steps = [("Reshape", part.step("Shape", part.inputs[0]))]
    for op_type, role in (("Mul", "weight"), ("Add", "bias")):
        if name := _along(part, role, 1, len(shape)):
            steps.append((op_type, name))
    for op_type, other in steps[:-1]:
        normal = part.step(op_type, normal, other)
    part.write(steps[-1][0], normal, steps[-1][1])


@exports("lrn_across_channels", "lrn_of_even_size")
def lrn(part: Part) -> None:
    """Write an LRN."""
    names = {"alpha": 1.0, "beta": 0.75, "k": 1.0}
    alpha, beta, bias = (float(part.attributes.get(name, default)) for name, default in names.items())
    size = int(part.attributes.get("size", 5))
    part.write("LRN", part.inputs[0], size=size, alpha=alpha, beta=beta, bias=bias)


@exports("prelu")
def prelu(part: Part) -> None:
    """Write a PRelu whose slopes lie along the channels."""
    slopes = part.tensor("weight")
    count = 1 if slopes is None else slopes.size
    shape = [count, *[1] * (len(part.shape()) - 2)] if count > 1 else [1]
    part.write("PRelu", part.inputs[0], part.step("Reshape", part.parameter("weight"), part.numbers(shape)))


@exports("constant", "stored")
def constant(part: Part) -> None:
    """Write parameters that are values themselves."""
    for key, output in zip(part.operation.parameters.values(), part.operation.outputs, strict=True):
        value = part.writer.parameter(key)
        if shape := part.attributes.get("shape"):
            value = part.step("Reshape", value, part.numbers(list(shape)))
        if order := part.attributes.get("order"):
            value = part.step("Transpose", value, perm=tuple(order))
        part.writer.node("Identity", [value], [output])
