"""Operators that onnxruntime writes when it optimizes a network: several of ONNX's in one, in domain com.microsoft."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from convscope.formats.onnx.node import Node
from convscope.formats.onnx.operators.channels_last import channels_first
from convscope.formats.onnx.operators.convolution import read_convolution
from convscope.formats.onnx.operators.product import read_gemm
from convscope.formats.onnx.operators.registry import READERS, reads, renamed
from convscope.formats.operation_plan import OperationPlan

Plans = list[OperationPlan]
_ACTIVATIONS = {"Relu": "relu", "Sigmoid": "sigmoid", "Tanh": "tanh"}

READERS |= {"QuickGelu": renamed("swish", beta=("alpha", 1.702))}  # which is SiLU where alpha is 1


@reads("FusedConv", inputs=2)
def read_fused_convolution(node: Node) -> Plans:
    """Turn a FusedConv into a convolution, a sum where it has a fourth input, and its activation."""
    plans = [read_convolution(replace(node, inputs=node.inputs[:3]))]
    if node.has(3):
        plans.append(OperationPlan("add", ("", node.inputs[3])))
    return [*plans, *activation_of(node, tuple(node.attributes.get("activation_params", ())))]


@reads("NhwcFusedConv", "NhwcConv", inputs=2)
def read_channels_last_convolution(node: Node) -> Plans:
    """Turn an NhwcFusedConv or an NhwcConv into a convolution between two turns of the axes."""
    plans = channels_first(node, [read_convolution(replace(node, inputs=node.inputs[:3]))], always=True)
    if node.has(3):
        plans.append(OperationPlan("add", ("", node.inputs[3])))
    return [*plans, *activation_of(node, tuple(node.attributes.get("activation_params", ())))]


@reads("FusedGemm", inputs=2)
def read_fused_gemm(node: Node) -> Plans:
    """Turn a FusedGemm into a Gemm and its activation."""
    names = ("activation_alpha", "activation_beta", "activation_gamma")
    return [
        *read_gemm(node),
        *activation_of(node, tuple(node.attributes[name] for name in names if name in node.attributes)),
    ]


@reads("FusedMatMul", "TransposeMatMul", inputs=2)
def read_fused_product(node: Node) -> Plans:
    """Turn a FusedMatMul, once TransposeMatMul, into a product of matrices, turned where it says so, times alpha."""
    plans: Plans = []
    terms = list(node.inputs[:2])
    for at, letter in enumerate("AB"):
        turned, batch = (bool(node.attributes.get(f"{name}{letter}", 0)) for name in ("trans", "transBatch"))
        if turned or batch:
            order = _order(node.rank(at), turned, batch)
            plans.append(OperationPlan("permute", (terms[at],), attributes={"order": order}))
            terms[at] = f"#{len(plans) - 1}"
    plans.append(OperationPlan("matmul", terms))
    if (alpha := float(node.attributes.get("alpha", 1.0))) != 1:
        plans.append(OperationPlan("multiply", ("",), attributes={"number": alpha}))
    return plans


def _order(rank: int, turned: bool, batch: bool) -> tuple[int, ...]:
    """Return the order of a factor's axes: its matrix turned around, its first axis put behind those of the batch."""
    axes = list(range(rank))
    if batch and rank > 2:
        axes = [*axes[1:-1], axes[0], axes[-1]]
    return (*axes[:-2], *(axes[:-3:-1] if turned else axes[-2:]))


@reads("BiasGelu", inputs=2)
def read_bias_gelu(node: Node) -> Plans:
    """Turn a BiasGelu into a sum and a gelu."""
    return [OperationPlan("add", node.inputs[:2]), OperationPlan("gelu", ("",))]


@reads("FastGelu")
def read_fast_gelu(node: Node) -> Plans:
    """Turn a FastGelu into a gelu by its formula with tanh, of a sum where it has a bias."""
    gelu = {"approximate": "tanh"}
    if not node.has(1):
        return [OperationPlan("gelu", node.inputs[:1], attributes=gelu)]
    return [OperationPlan("add", node.inputs[:2]), OperationPlan("gelu", ("",), attributes=gelu)]


@reads("SkipLayerNormalization", inputs=3)
def read_skip_layer_norm(node: Node) -> Plans:
    """Turn a SkipLayerNormalization into a sum and a layer normalization; the sum may be asked for too."""
    added = node.outputs[3] if node.makes(3) else ""
    terms = [*node.inputs[:2], *([node.inputs[4]] if node.has(4) else [])]
    roles = {role: node.inputs[index] for index, role in ((2, "weight"), (3, "bias")) if node.has(index)}
    if any(name not in node.constants for name in roles.values()):
        raise node.refusal("its scales are worked out while the network runs: store them in the file")
    plain = {"epsilon": float(node.attributes.get("epsilon", 1e-12))}
    return [OperationPlan("add", terms, label=added), OperationPlan("layer_norm", ("",), roles, plain)]


@reads("SkipSimplifiedLayerNormalization", inputs=3)
def read_skip_rms_norm(node: Node) -> Plans:
    """Turn a SkipSimplifiedLayerNormalization into a sum and an RMS norm; the sum may be asked for too."""
    added = node.outputs[3] if node.makes(3) else ""
    terms = [*node.inputs[:2], *([node.inputs[3]] if node.has(3) else [])]
    if node.constant(2) is None:
        raise node.refusal("its scales are worked out while the network runs: store them in the file")
    plain = {"epsilon": float(node.attributes.get("epsilon", 1e-12))}
    norm = OperationPlan("rms_norm", ("",), {"weight": node.inputs[2]}, plain)
    return [OperationPlan("add", terms, label=added), norm]


def activation_of(node: Node, numbers: Sequence[float]) -> Plans:
    """Return the activation that a node has behind it, with the numbers it takes."""
    name = node.attributes.get("activation", "")
    if not name:
        return []
    if name in _ACTIVATIONS:
        return [OperationPlan(_ACTIVATIONS[name], ("",))]
    if name == "LeakyRelu":
        return [OperationPlan("relu", ("",), attributes={"negative_slope": float((*numbers, 0.01)[0])})]
    if name == "Clip" and len(numbers) == 2:
        bounds = {"minimum": float(numbers[0]), "maximum": float(numbers[1])}
        return [OperationPlan("clip", ("",), attributes=bounds)]
    if name == "HardSigmoid" and len(numbers) == 2:
        slope = {"alpha": float(numbers[0]), "beta": float(numbers[1])}
        return [OperationPlan("hard_sigmoid", ("",), attributes=slope)]
    raise node.refusal(f"its activation is {name!r}")
