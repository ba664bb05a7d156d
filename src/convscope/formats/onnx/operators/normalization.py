"""Normalizations, and scales and biases by themselves."""

from __future__ import annotations

import numpy as np

from convscope.formats.onnx.node import Node
from convscope.formats.onnx.operators.registry import (
    reads,
    writes,
)
from convscope.formats.onnx.writer import Part
from convscope.formats.operation_plan import OperationPlan


@reads("BatchNormalization", inputs=5)
def read_batch_norm(node: Node) -> OperationPlan:
    """Turn a BatchNormalization into one; in training mode it is by the batch's own mean."""
    node.require("spatial", 1)
    attributes = {"epsilon": node.attributes.get("epsilon", 1e-5)}
    if node.attributes.get("training_mode", 0):
        roles = _learned(node, "weight", "bias")
        return OperationPlan("batch_norm", node.inputs[:1], roles, {**attributes, "of_batch": True})
    roles = _learned(node, "weight", "bias", "mean", "variance")
    return OperationPlan("batch_norm", node.inputs[:1], roles, attributes)


@reads("LayerNormalization", inputs=2)
def read_layer_norm(node: Node) -> OperationPlan:
    """Turn a LayerNormalization into one."""
    attributes = {
        "axis": int(node.attributes.get("axis", -1)),
        "epsilon": node.attributes.get("epsilon", 1e-5),
    }
    return OperationPlan("layer_norm", node.inputs[:1], _learned(node, "weight", "bias"), attributes)


@reads("InstanceNormalization", "GroupNormalization", inputs=3)
def read_group_norm(node: Node) -> OperationPlan:
    """Turn an InstanceNormalization or a GroupNormalization into a group normalization."""
    roles, scale, shape = _learned(node, "weight", "bias"), node.shape(1), node.shape(0)
    groups = node.attributes.get("num_groups", scale[0] if scale else 1)
    if shape is None or len(shape) < 2 or scale != (shape[1],):
        raise node.refusal("its scales are not one a channel")
    attributes = {"groups": int(groups), "epsilon": node.attributes.get("epsilon", 1e-5)}
    return OperationPlan("group_norm", node.inputs[:1], roles, attributes)


@reads("LRN")
def read_lrn(node: Node) -> OperationPlan:
    """Turn an LRN into a local response normalization."""
    attributes = {
        "size": int(node.attributes["size"]),
        "alpha": node.attributes.get("alpha", 1e-4),
        "beta": node.attributes.get("beta", 0.75),
        "k": node.attributes.get("bias", 1.0),
    }
    kind = "lrn_across_channels" if attributes["size"] % 2 else "lrn_of_even_size"
    return OperationPlan(kind, node.inputs, attributes=attributes)


def _learned(node: Node, *roles: str) -> dict[str, str]:
    """Return the inputs after the first as parameters; they must be constants."""
    found = {}
    for index, role in enumerate(roles, start=1):
        if node.has(index):
            if node.constant(index) is None:
                raise node.refusal(f"its {role} is worked out while the network runs")
            found[role] = node.inputs[index]
    return found


@writes("scale", "bias")
def write_scale(part: Part) -> None:
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


@writes("batch_norm")
def write_batch_norm(part: Part) -> None:
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


@writes("layer_norm")
def write_layer_norm(part: Part) -> None:
    """Write a LayerNormalization."""
    axis = part.attributes.get("axis", -1)
    shape = part.shape()[axis:]
    weight = part.parameter("weight") or part.numbers(np.ones(shape, np.float32))
    bias = part.parameter("bias")
    epsilon = float(part.attributes.get("epsilon", 1e-5))
    names = [part.inputs[0], weight, *([bias] if bias else [])]
    part.write("LayerNormalization", *names, axis=int(axis), epsilon=epsilon)


@writes("group_norm")
def write_group_norm(part: Part) -> None:
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


@writes("lrn_across_channels", "lrn_of_even_size")
def write_lrn(part: Part) -> None:
    """Write an LRN."""
    names = {"alpha": 1.0, "beta": 0.75, "k": 1.0}
    alpha, beta, bias = (float(part.attributes.get(name, default)) for name, default in names.items())
    size = int(part.attributes.get("size", 5))
    part.write("LRN", part.inputs[0], size=size, alpha=alpha, beta=beta, bias=bias)


@writes("lrn_within_channel")
def write_lrn_within_channel(part: Part) -> None:
    """Write what it is made of: the mean of the squares around, scaled, to a power."""
    size = int(part.attributes.get("size", 5))
    alpha, beta = (float(part.attributes.get(*item)) for item in (("alpha", 1.0), ("beta", 0.75)))
    (value,) = part.inputs
    window = {"kernel_shape": (size, size), "strides": (1, 1), "pads": (size // 2,) * 4}
    means = part.step("AveragePool", part.step("Mul", value, value), count_include_pad=1, **window)
    base = part.step("Add", part.step("Mul", means, part.numbers(alpha)), part.numbers(1.0))
    part.write("Mul", value, part.step("Pow", base, part.numbers(-beta)))
