"""Matrix products and fully-connected layers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from convscope.formats.onnx.node import Node
from convscope.formats.onnx.operators.registry import (
    reads,
    writes,
)
from convscope.formats.onnx.writer import Part
from convscope.formats.operation_plan import OperationPlan


@reads("MatMul", inputs=2)
def read_matmul(node: Node) -> OperationPlan:
    """Turn a MatMul into a fully-connected layer where its second operand is a matrix of weights."""
    if node.constant(1) is not None:
        weight = {"weight": node.inputs[1]}
        if node.rank() == 2 and len(node.constants[node.inputs[1]].shape) == 2:
            return OperationPlan("dense", node.inputs[:1], weight, {"transpose": True})
        return OperationPlan("matmul", node.inputs[:1], weight)
    if node.constant(0) is not None:
        return OperationPlan("matmul", node.inputs[1:], {"weight": node.inputs[0]}, {"swapped": True})
    return OperationPlan("matmul", node.inputs)


@reads("Gemm", inputs=2)
def read_gemm(node: Node) -> Sequence[OperationPlan]:
    """Turn a Gemm into a fully-connected layer, or into its parts where it is another product."""
    alpha, beta = node.attributes.get("alpha", 1.0), node.attributes.get("beta", 1.0)
    transposes = bool(node.attributes.get("transB", 0))
    weight, addend = node.constant(1), node.constant(2)
    plain = not node.attributes.get("transA", 0) and alpha == 1 and weight is not None
    if plain and (not node.has(2) or (beta == 1 and addend is not None and len(addend.shape) == 1)):
        outputs = weight.shape[0 if transposes else 1] if weight and len(weight.shape) == 2 else None
        if addend is None or addend.shape == (outputs,):
            roles = {"weight": node.inputs[1]} | ({"bias": node.inputs[2]} if node.has(2) else {})
            return [OperationPlan("dense", node.inputs[:1], roles, {} if transposes else {"transpose": True})]
    return _parts(node, alpha, beta, transposes)


def _parts(node: Node, alpha: float, beta: float, transposes: bool) -> Sequence[OperationPlan]:
    first, product = node.inputs[0], {"transpose": True} if transposes else {}
    steps: list[OperationPlan] = []
    if node.attributes.get("transA", 0):
        steps.append(OperationPlan("permute", (first,), attributes={"order": (1, 0)}))
        first = ""
    if node.constant(1) is None:
        steps.append(OperationPlan("matmul", (first, node.inputs[1]), attributes=product))
    else:
        steps.append(OperationPlan("matmul", (first,), {"weight": node.inputs[1]}, product))
    if alpha != 1:
        steps.append(OperationPlan("multiply", ("",), attributes={"number": float(alpha)}))
    if node.has(2) and beta != 0:
        steps += _plus(node, beta, len(steps))
    return steps


def _plus(node: Node, beta: float, count: int) -> Sequence[OperationPlan]:
    addend, scaled = node.inputs[2], {"number": float(beta)}
    if beta != 1 and node.constant(2) is None:
        times = OperationPlan("multiply", (addend,), attributes=scaled)
        return [times, OperationPlan("add", (f"#{count - 1}", f"#{count}"))]
    if beta != 1:
        bias = node.constants[addend]
        addend = node.derived("scaled", bias.shape, lambda: bias.load() * np.float32(beta))
    if addend not in node.constants:
        return [OperationPlan("add", ("", addend))]
    return [OperationPlan("add", ("",), {"operand": addend})]


@reads("Einsum", inputs=1)
def read_einsum(node: Node) -> OperationPlan:
    """Turn an Einsum into torch's."""
    roles = {f"p{index}": name for index, name in enumerate(node.inputs) if node.constant(index) is not None}
    read = [name for name in node.inputs if name not in roles.values()]
    codes = [f"$p{i}" if f"p{i}" in roles else f"${read.index(name)}" for i, name in enumerate(node.inputs)]
    attributes = {"operator": "einsum", "arguments": (str(node.attributes["equation"]), tuple(codes))}
    return OperationPlan("aten", tuple(read), roles, attributes)


@writes("dense")
def write_dense(part: Part) -> None:
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


@writes("matmul")
def write_matmul(part: Part) -> None:
    """Write a MatMul."""
    other = part.inputs[1] if len(part.inputs) > 1 else part.parameter("weight")
    if part.attributes.get("transpose"):
        rank = len(part.shape(1)) if len(part.inputs) > 1 else len(part.parameter_shape("weight"))
        other = part.step("Transpose", other, perm=(*range(rank - 2), rank - 1, rank - 2))
    first, second = part.inputs[0], other
    part.write("MatMul", *((second, first) if part.attributes.get("swapped") else (first, second)))


@writes("embed")
def write_embed(part: Part) -> None:
    """Write a Gather of rows."""
    rows, bias = ("Gather", part.parameter("weight"), part.whole(part.inputs[0])), part.parameter("bias")
    part.write("Add", part.step(*rows), bias) if bias else part.write(*rows)
