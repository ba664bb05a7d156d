"""Normalizations, and scales and biases by themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from convscope.formats.onnx.node import Node
from convscope.formats.onnx.operators.parameters import inputs_by_role, with_parameters
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
        roles = inputs_by_role(node, "weight", "bias")
        return with_parameters(node, "batch_norm", roles, {**attributes, "of_batch": True})
    roles = inputs_by_role(node, "weight", "bias", "mean", "variance")
    return with_parameters(node, "batch_norm", roles, attributes)


@reads("LayerNormalization", inputs=2)
def read_layer_norm(node: Node) -> OperationPlan:
    """Turn a LayerNormalization into one."""
    attributes = {
        "axis": int(node.attributes.get("axis", -1)),
        "epsilon": node.attributes.get("epsilon", 1e-5),
    }
    kind, outputs = ("layer_norm_with_statistics", 3) if len(node.outputs) > 1 else ("layer_norm", 1)
    return with_parameters(node, kind, inputs_by_role(node, "weight", "bias"), attributes, outputs=outputs)


@reads("RMSNormalization", "SimplifiedLayerNormalization", inputs=2)
def read_rms_norm(node: Node) -> OperationPlan:
    """Turn an RMSNormalization into one."""
    attributes = {
        "axis": int(node.attributes.get("axis", -1)),
        "epsilon": node.attributes.get("epsilon", 1e-5),
    }
    return with_parameters(node, "rms_norm", inputs_by_role(node, "weight"), attributes)


@reads("LpNormalization")
def read_norm_along(node: Node) -> OperationPlan:
    """Turn an LpNormalization into a division by the length along an axis."""
    attributes = {
        "axes": (int(node.attributes.get("axis", -1)),),
        "exponent": float(node.attributes.get("p", 2)),
    }
    return OperationPlan("norm_along", node.inputs, attributes=attributes)


@reads("MeanVarianceNormalization")
def read_mean_variance(node: Node) -> Sequence[OperationPlan]:
    """Turn a MeanVarianceNormalization into its parts; ONNX adds 1e-9 to the standard deviation."""
    axes = tuple(node.attributes.get("axes", (0, 2, 3)))
    mean: dict[str, Any] = {"summary": "mean", "axes": axes}
    return [
        OperationPlan("reduce", node.inputs[:1], attributes=mean),
        OperationPlan("subtract", (node.inputs[0], "")),
        OperationPlan("power", ("#1",), attributes={"power": 2.0}),
        OperationPlan("reduce", ("#2",), attributes=mean),
        OperationPlan("power", ("#3",), attributes={"power": 0.5}),
        OperationPlan("add", ("#4",), attributes={"number": 1e-9}),
        OperationPlan("divide", ("#1", "#5")),
    ]


@reads("InstanceNormalization", "GroupNormalization", inputs=3)
def read_group_norm(node: Node) -> OperationPlan:
    """Turn an InstanceNormalization or a GroupNormalization into a group normalization."""
    roles, scale, shape = inputs_by_role(node, "weight", "bias"), node.shape(1), node.shape(0)
    groups = int(node.attributes.get("num_groups", scale[0] if scale else 1))
    if shape is None or len(shape) < 2 or scale not in ((shape[1],), (groups,)) or shape[1] % groups:
        raise node.refusal("its scales are not one a channel, or one a group")
    if scale != (shape[1],):  # as opset 18 has it
        roles = {role: _for_channels(node, name, shape[1] // groups) for role, name in roles.items()}
    attributes = {"groups": groups, "epsilon": node.attributes.get("epsilon", 1e-5)}
    return with_parameters(node, "group_norm", roles, attributes)


def _for_channels(node: Node, name: str, times: int) -> str:
    """Return the name of stored numbers, one a group, once for each of the group's channels."""
    parameter = node.constants.get(name)
    if parameter is None:
        raise node.refusal("its scales, one a group, are worked out while the network runs")
    return node.derived("channels", (parameter.size * times,), lambda: parameter.load().repeat(times))


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


@writes("scale", "bias")
def write_scale(part: Part) -> None:
    """Write a product with numbers along an axis and a sum with others."""
    rank, axis = len(part.shape()), part.attributes.get("axis", 1)
    axis += rank if axis < 0 else 0
    terms = [("Mul", "weight")] if part.operation.kind == "scale" else []
    product = part.inputs[0]
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
        product = part.step(op_type, product, name)
    part.write(chain[-1][0], product, chain[-1][1])


def _along(part: Part, role: str, axis: int, rank: int) -> str:
    tensor = part.tensor(role)
    if tensor is None:
        return ""
    behind = rank - axis - tensor.ndim
    name = part.parameter(role)
    return part.step("Reshape", name, part.numbers([*tensor.shape, *[1] * behind])) if behind else name


@writes("batch_norm")
def write_batch_norm(part: Part) -> None:
    """Write a BatchNormalization; Caffe's sums become means, and an epsilon behind the root a part of the variance."""
    mean, variance = part.tensor("mean"), part.tensor("variance")
    if mean is None or variance is None or part.attributes.get("of_batch"):
        raise part.refusal("it normalizes by the batch's own mean")
    factor = part.tensor("scale_factor")
    names = [part.parameter("mean"), part.parameter("variance")]
    epsilon = float(part.attributes.get("epsilon", 1e-5))
    if factor is not None and part.attributes.get("sums", True):
        share = np.float32(0 if factor.reshape(()) == 0 else 1 / factor.reshape(()))
        mean, variance = mean * share, variance * share
        names = [part.numbers(mean), part.numbers(variance)]
    if part.attributes.get("behind_root"):
        names[1], epsilon = part.numbers((np.sqrt(variance) + np.float32(epsilon)) ** 2), 0.0
    weight = part.parameter("weight") or part.numbers(np.ones_like(mean))
    bias = part.parameter("bias") or part.numbers(np.zeros_like(mean))
    part.write("BatchNormalization", part.inputs[0], weight, bias, *names, epsilon=epsilon)


@writes("layer_norm")
def write_layer_norm(part: Part) -> None:
    """Write a LayerNormalization."""
    if not part.attributes.get("centered", True):
        raise part.refusal("its mean stays, which LayerNormalization takes off")
    axis = part.attributes.get("axis", -1)
    shape = part.shape()[axis:]
    weight = part.parameter("weight") or part.numbers(np.ones(shape, np.float32))
    bias = part.parameter("bias")
    epsilon = float(part.attributes.get("epsilon", 1e-5))
    names = [part.inputs[0], weight, *([bias] if bias else [])]
    part.write("LayerNormalization", *names, axis=int(axis), epsilon=epsilon)


@writes("rms_norm")
def write_rms_norm(part: Part) -> None:
    """Write what it is made of: the operator is younger than the version that is written."""
    (value,), rank = part.inputs, len(part.shape())
    axes = tuple(range(part.attributes.get("axis", -1) % rank, rank))
    mean = part.step("ReduceMean", part.step("Mul", value, value), axes=axes)
    length = part.step(
        "Sqrt", part.step("Add", mean, part.numbers(float(part.attributes.get("epsilon", 1e-5))))
    )
    if weight := part.parameter("weight"):
        part.write("Mul", part.step("Div", value, length), weight)
    else:
        part.write("Div", value, length)


@writes("norm_along")
def write_norm_along(part: Part) -> None:
    """Write an LpNormalization."""
    (axis,), exponent = part.attributes["axes"], float(part.attributes.get("exponent", 2.0))
    if exponent not in (1.0, 2.0):
        raise part.refusal(f"ONNX knows lengths of exponent 1 and 2, not {exponent}")
    part.write("LpNormalization", part.inputs[0], axis=int(axis), p=int(exponent))


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
