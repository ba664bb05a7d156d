"""Matrix products and fully-connected layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from convscope.formats.onnx.node import Node, Step
from convscope.formats.onnx.translation.registry import translates


@translates("MatMul", inputs=2)
def matmul(node: Node) -> Step:
    """Turn a MatMul into a fully-connected layer where its second operand is a matrix of weights."""
    if node.constant(1) is not None:
        weight = {"weight": node.inputs[1]}
        if node.rank() == 2 and len(node.constants[node.inputs[1]].shape) == 2:
            return Step("dense", node.inputs[:1], weight, {"transpose": True})
        return Step("matmul", node.inputs[:1], weight)
    if node.constant(0) is not None:
        return Step("matmul", node.inputs[1:], {"weight": node.inputs[0]}, {"swapped": True})
    return Step("matmul", node.inputs)


@translates("Gemm", inputs=2)
def gemm(node: Node) -> Sequence[Step]:
    """Turn a Gemm into a fully-connected layer, or into its parts where it is another product."""
    alpha, beta = node.attributes.get("alpha", 1.0), node.attributes.get("beta", 1.0)
    turned = bool(node.attributes.get("transB", 0))
    weight, addend = node.constant(1), node.constant(2)
    plain = not node.attributes.get("transA", 0) and alpha == 1 and weight is not None
    if plain and (not node.has(2) or (beta == 1 and addend is not None and len(addend.shape) == 1)):
        outputs = weight.shape[0 if turned else 1] if weight and len(weight.shape) == 2 else None
        if addend is None or addend.shape == (outputs,):
            roles = {"weight": node.inputs[1]} | ({"bias": node.inputs[2]} if node.has(2) else {})
            return [Step("dense", node.inputs[:1], roles, {} if turned else {"transpose": True})]
    return _parts(node, alpha, beta, turned)


def _parts(node: Node, alpha: float, beta: float, turned: bool) -> Sequence[Step]:
    first, product = node.inputs[0], {"transpose": True} if turned else {}
    steps: list[Step] = []
    if node.attributes.get("transA", 0):
        steps.append(Step("permute", (first,), attributes={"order": (1, 0)}))
        first = ""
    if node.constant(1) is None:
        steps.append(Step("matmul", (first, node.inputs[1]), attributes=product))
    else:
        steps.append(Step("matmul", (first,), {"weight": node.inputs[1]}, product))
    if alpha != 1:
        steps.append(Step("multiply", ("",), attributes={"number": float(alpha)}))
    if node.has(2) and beta != 0:
        if beta != 1:
            raise node.refusal("beta is not 1")
        steps.append(_plus(node))
    return steps


def _plus(node: Node) -> Step:
    roles: dict[str, Any] = {"operand": node.inputs[2]}
    return Step("add", ("", node.inputs[2])) if node.constant(2) is None else Step("add", ("",), roles)


@translates("Einsum", inputs=1)
def einsum(node: Node) -> Step:
    """Turn an Einsum into torch's."""
    roles = {f"p{index}": name for index, name in enumerate(node.inputs) if node.constant(index) is not None}
    read = [name for name in node.inputs if name not in roles.values()]
    codes = [f"$p{i}" if f"p{i}" in roles else f"${read.index(name)}" for i, name in enumerate(node.inputs)]
    attributes = {"operator": "einsum", "arguments": (str(node.attributes["equation"]), tuple(codes))}
    return Step("aten", tuple(read), roles, attributes)
