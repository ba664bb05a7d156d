"""Operators of onnxruntime's own domain that its optimizer, or an exporter, writes for a few of ONNX's."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from convscope.formats.onnx.node import Node
from convscope.formats.onnx.operators.channels_last import channels_first
from convscope.formats.onnx.operators.fused import activation_of, read_fused_product
from convscope.formats.onnx.operators.registry import reads
from convscope.formats.operation_plan import OperationPlan

Plans = list[OperationPlan]


@reads("GemmFastGelu", inputs=2)
def read_gemm_fast_gelu(node: Node) -> Plans:
    """Turn a GemmFastGelu into a product, a sum where it has a bias, and a gelu by its formula with tanh."""
    product = read_fused_product(replace(node, inputs=node.inputs[:2]))
    sums = [OperationPlan("add", ("", node.inputs[2]))] if node.has(2) else []
    return [*product, *sums, OperationPlan("gelu", ("",), attributes={"approximate": "tanh"})]


@reads("FusedMatMulActivation", inputs=2)
def read_fused_product_activation(node: Node) -> Plans:
    """Turn a FusedMatMulActivation into a product of matrices and its activation."""
    names = ("activation_alpha", "activation_beta", "activation_gamma")
    numbers = tuple(node.attributes[name] for name in names if name in node.attributes)
    return [*read_fused_product(node), *activation_of(node, numbers)]


@reads("BiasAdd", inputs=3)
def read_bias_add(node: Node) -> OperationPlan:
    """Turn a BiasAdd into a sum of its input, its bias and what is beside it."""
    return OperationPlan("add", node.inputs)


@reads("BiasSplitGelu", inputs=2)
def read_gated_gelu(node: Node) -> Plans:
    """Turn a BiasSplitGelu into a sum whose first half is multiplied with the gelu of the second one."""
    width = (node.shape(1) or (0,))[-1]
    halves = (
        OperationPlan("slice_steps", ("#0",), attributes={"starts": (start,), "ends": (end,), "axes": (-1,)})
        for start, end in ((0, width // 2), (width // 2, width))
    )
    return [
        OperationPlan("add", node.inputs),
        *halves,
        OperationPlan("gelu", ("",)),
        OperationPlan("multiply", ("#1", "#3")),
    ]


@reads("GroupNorm", "SkipGroupNorm", inputs=3)
def read_channels_last_group_norm(node: Node) -> Plans:
    """Turn a GroupNorm or a SkipGroupNorm, of sums, into a group normalization, and a SiLU where it says so."""
    node.require("activation", 0, 1)
    last, added = bool(node.attributes.get("channels_last", 1)), node.type_name == "SkipGroupNorm"
    roles = {"weight": node.inputs[1], "bias": node.inputs[2]}
    if any(name not in node.constants for name in roles.values()) or (added and node.rank(3) != node.rank()):
        raise node.refusal(
            "its scales are worked out while the network runs, or what is added has fewer axes"
        )
    groups = {
        "groups": int(node.attributes["groups"]),
        "epsilon": float(node.attributes.get("epsilon", 1e-5)),
    }
    plans: Plans = [OperationPlan("identity", node.inputs[:1])]
    if added:
        terms = [node.inputs[0], *(node.inputs[at] for at in (3, 4) if node.has(at))]
        if node.has(4) and not last:
            raise node.refusal("its channels are first, and what is added to them is along the last axis")
        plans = [OperationPlan("add", terms, label=node.outputs[1] if node.makes(1) else "")]
    norm = [OperationPlan("group_norm", ("",), roles, groups)]
    if node.attributes.get("activation", 0):
        norm.append(OperationPlan("swish", ("",)))
    if not last:
        return [*plans, *norm]
    turned = channels_first(node, norm, always=True)
    return [*plans, replace(turned[0], inputs=("",)), *turned[1:]]


@reads("ExpandDims", inputs=2)
def read_new_axis(node: Node) -> OperationPlan:
    """Turn an ExpandDims into a new axis."""
    axis = np.asarray(node.numbers(1, "axis")).reshape(())
    return OperationPlan("unsqueeze", node.inputs[:1], attributes={"axes": (int(axis),)})


@reads("Inverse")
def read_inverse(node: Node) -> OperationPlan:
    """Turn an Inverse into that of each matrix."""
    return OperationPlan("aten", node.inputs, attributes={"operator": "linalg_inv", "arguments": ("$0",)})


@reads("UnfoldTensor")
def read_windows_along(node: Node) -> OperationPlan:
    """Turn an UnfoldTensor into windows along an axis, in a new last one."""
    sizes = (int(node.attributes.get(*usual)) for usual in (("dim", -1), ("size", 0), ("step", 1)))
    return OperationPlan("aten", node.inputs, attributes={"operator": "unfold", "arguments": ("$0", *sizes)})


@reads("CDist", inputs=2)
def read_distances(node: Node) -> Plans:
    """Turn a CDist into the distance of each row of one matrix to each of another."""
    node.require("metric", "sqeuclidean", "euclidean")
    plans = [
        OperationPlan("unsqueeze", node.inputs[:1], attributes={"axes": (1,)}),
        OperationPlan("subtract", ("", node.inputs[1])),
        OperationPlan(
            "reduce", ("",), attributes={"summary": "sum_of_squares", "axes": (2,), "keep_axes": False}
        ),
    ]
    if node.attributes.get("metric", "sqeuclidean") == "euclidean":
        plans.append(OperationPlan("power", ("",), attributes={"power": 0.5}))
    return plans


@reads("CropAndResize", inputs=4)
def read_crops(node: Node) -> OperationPlan:
    """Turn a CropAndResize into boxes of a map at one size."""
    node.require("mode", "bilinear", "nearest")
    sizes = node.numbers(3, "size")
    attributes = {
        "size": tuple(int(size) for size in np.asarray(sizes).reshape(-1)),
        "interpolation": node.attributes.get("mode", "bilinear"),
        "outside": float(node.attributes.get("extrapolation_value", 0.0)),
    }
    return OperationPlan("crop_and_resize", node.inputs[:3], attributes=attributes)
