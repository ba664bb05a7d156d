"""Operators that ONNX had once, in files of WinML, CoreML and Caffe2: read, and written as what they are made of."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from convscope.formats.onnx.node import Node
from convscope.formats.onnx.operators.registry import reads
from convscope.formats.operation_plan import OperationPlan


@reads("ImageScaler")
def read_image_scaler(node: Node) -> OperationPlan:
    """Turn an ImageScaler into a factor, then a bias for each channel."""
    bias = np.array(node.attributes.get("bias", (0.0,)), np.float32)
    factor = np.full(bias.shape, node.attributes.get("scale", 1.0), np.float32)
    roles = {
        "weight": node.derived("scale", factor.shape, lambda: factor),
        "bias": node.derived("bias", bias.shape, lambda: bias),
    }
    return OperationPlan("scale", node.inputs[:1], roles)


@reads("Affine", "Scale")
def read_affine(node: Node) -> OperationPlan:
    """Turn an Affine, alpha x + beta, or a Scale without a bias, into one."""
    factor = node.attributes.get("alpha" if node.type_name == "Affine" else "scale", 1.0)
    plain = {"scale": float(factor), "shift": float(node.attributes.get("beta", 0.0))}
    return OperationPlan("power", node.inputs[:1], attributes=plain)


@reads("Crop")
def read_crop(node: Node) -> OperationPlan:
    """Turn a Crop into a part of height and width: what lies within a border, or a size from its corner on."""
    left, top, right, bottom = (int(size) for size in node.attributes.get("border", (0, 0, 0, 0)))
    scale = tuple(map(int, node.attributes.get("scale", ())))
    shape = node.shape(0)
    if shape is None or len(shape) != 4:
        raise node.refusal("it crops maps of height and width only")
    ends = (top + scale[0], left + scale[1]) if scale else (shape[2] - bottom, shape[3] - right)
    if not scale:  # counted from behind, so that other sizes fit too
        ends = (-bottom if bottom else 2**31 - 1, -right if right else 2**31 - 1)
    plain = {"starts": (top, left), "ends": ends, "axes": (2, 3)}
    return OperationPlan("slice_steps", node.inputs[:1], attributes=plain)


@reads("ParametricSoftplus")
def read_parametric_softplus(node: Node) -> Sequence[OperationPlan]:
    """Turn a ParametricSoftplus, alpha softplus(beta x), into its parts."""
    return _scaled("bnll", node)


@reads("ScaledTanh")
def read_scaled_tanh(node: Node) -> Sequence[OperationPlan]:
    """Turn a ScaledTanh, alpha tanh(beta x), into its parts."""
    return _scaled("tanh", node)


def _scaled(kind: str, node: Node) -> Sequence[OperationPlan]:
    alpha, beta = (float(node.attributes.get(name, 1.0)) for name in ("alpha", "beta"))
    return [
        OperationPlan("multiply", node.inputs[:1], attributes={"number": beta}),
        OperationPlan(kind, ("",)),
        OperationPlan("multiply", ("",), attributes={"number": alpha}),
    ]


@reads("ThresholdedRelu")
def read_thresholded_relu(node: Node) -> Sequence[OperationPlan]:
    """Turn a ThresholdedRelu into the numbers above its threshold, 0 elsewhere."""
    above = {"threshold": float(node.attributes.get("alpha", 1.0))}
    return [
        OperationPlan("threshold", node.inputs[:1], attributes=above),
        OperationPlan("multiply", (node.inputs[0], "")),
    ]
