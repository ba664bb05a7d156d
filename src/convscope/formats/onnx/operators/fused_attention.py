"""Onnxruntime's own attention, the products or sums before it in one: what its optimizer makes of a transformer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Any

from convscope.formats.onnx.constants import Array, Constant
from convscope.formats.onnx.node import Node
from convscope.formats.onnx.operators.registry import reads
from convscope.formats.operation_plan import OperationPlan

Plans = list[OperationPlan]


@reads("com.microsoft.Attention", inputs=2)
def read_attention_of_one_product(node: Node) -> Plans:
    """Turn an Attention into a product that makes queries, keys and values beside each other, and an attention."""
    _require_absent(node, {3: "a mask", 4: "a past", 6: "a past"})
    node.require("do_rotary", 0)
    weight = node.shape(1) or (0, 0)
    widths = tuple(node.attributes.get("qkv_hidden_sizes", ())) or (weight[-1] // 3,) * 3
    plans = [_with(node, "matmul", "weight", 1, node.inputs[0])]
    if node.has(2):
        plans.append(_with(node, "add", "operand", 2, ""))
    product = f"#{len(plans) - 1}"
    parts = [
        OperationPlan(
            "slice_steps", (product,), attributes={"starts": (start,), "ends": (end,), "axes": (2,)}
        )
        for start, end in pairwise(accumulate(widths, initial=0))
    ]
    names = [f"#{len(plans) + at}" for at in range(3)]
    return [*plans, *parts, _attention(node, names)]


@reads("MultiHeadAttention", inputs=3)
def read_attention_of_heads(node: Node) -> Plans:
    """Turn a MultiHeadAttention into an attention of flat heads, after the sums where it has biases."""
    _require_absent(node, {4: "a mask of keys", 6: "a past", 7: "a past", 8: "a past", 9: "a past"})
    if node.rank() != 3 or node.rank(1) not in (3, 4) or node.rank(1) != node.rank(2):
        raise node.refusal("its queries, keys and values are packed together")
    plans: Plans = []
    names: list[str] = []
    start, biases = 0, node.constant(3)
    if node.has(3) and (biases is None or node.rank(1) == 4):
        raise node.refusal("its biases are worked out while the network runs, or its keys have heads already")
    for at in range(3):
        name, width = node.inputs[at], (node.shape(0 if at < 2 else 2) or ())[-1]
        if biases is not None:
            end = biases.size if at == 2 else start + width
            bias = node.derived("bias", (end - start,), _part(biases, slice(start, end)))
            plans.append(OperationPlan("add", (name,), {"operand": bias}))
            name, start = f"#{len(plans) - 1}", end
        if at and node.rank(at) == 4:
            plans.append(OperationPlan("permute", (name,), attributes={"order": (0, 2, 1, 3)}))
            plans.append(OperationPlan("reshape", ("",), attributes={"shape": (0, 0, -1)}))
            name = f"#{len(plans) - 1}"
        names.append(name)
    return [*plans, _attention(node, names)]


def _attention(node: Node, tensors: Sequence[str]) -> OperationPlan:
    """Return the attention itself; what is added to its scores is input 5 of both operators."""
    heads = int(node.attributes["num_heads"])
    node.attributes.get("mask_filter_value")  # there is no mask
    attributes: dict[str, Any] = {
        "heads": heads,
        "key_heads": heads,
        "causal": bool(node.attributes.get("unidirectional", 0)),
        "given": ("mask",) if node.has(5) else (),
    }
    if scale := float(node.attributes.get("scale", 0.0)):
        attributes["scale"] = scale
    read = (*tensors, *([node.inputs[5]] if node.has(5) else []))
    return OperationPlan("attention", read, attributes=attributes)


def _part(stored: Constant, span: slice) -> Callable[[], Array]:
    def load() -> Array:
        part: Array = stored.load()[span]
        return part

    return load


def _with(node: Node, kind: str, role: str, index: int, value: str) -> OperationPlan:
    name = node.inputs[index]
    if node.constant(index) is None:
        return OperationPlan(kind, (value, name))
    return OperationPlan(kind, (value,), {role: name})


def _require_absent(node: Node, inputs: Mapping[int, str]) -> None:
    for index, what in inputs.items():
        if node.has(index):
            raise node.refusal(f"it has {what}: export the network for one picture at a time")
