"""Attention, and positions turned into it."""

from __future__ import annotations

from typing import Any

from convscope.formats.onnx.element_types import BOOL
from convscope.formats.onnx.node import Node
from convscope.formats.onnx.operators.parameters import inputs_by_role
from convscope.formats.onnx.operators.registry import reads, writes
from convscope.formats.onnx.writer import Part
from convscope.formats.operation_plan import OperationPlan

_STAGES = ("products", "capped", "biased", "weights")


@reads("Attention", inputs=3)
def read_attention(node: Node) -> OperationPlan:
    """Turn an Attention into one."""
    inputs = inputs_by_role(node, "mask", "past_key", "past_value", "lengths", first=3)
    attributes: dict[str, Any] = {
        "given": tuple(inputs),
        "heads": int(node.attributes.get("q_num_heads", 0)),
        "key_heads": int(node.attributes.get("kv_num_heads", 0)),
        "causal": bool(node.attributes.get("is_causal", 0)),
        "cap": float(node.attributes.get("softcap", 0.0)),
        "window": tuple(int(node.attributes.get(f"{side}_window_size", -1)) for side in ("left", "right")),
        "truth": node.type_of(3) == BOOL,
        "stage": _STAGES[int(node.attributes.get("qk_matmul_output_mode", 0))],
    }
    if "scale" in node.attributes:
        attributes["scale"] = float(node.attributes["scale"])
    outputs = max(at + 1 for at, name in enumerate(node.outputs) if name)
    if outputs > 1:
        attributes["outputs"] = 4
    read = (*node.inputs[:3], *inputs.values())
    return OperationPlan("attention", read, attributes=attributes, outputs=4 if outputs > 1 else 1)


@writes("attention")
def write_attention(part: Part) -> None:
    """Write the products and the Softmax of a plain one: the operator is younger than the version that is written."""
    names = ("given", "causal", "cap")
    if len(part.outputs) > 1:
        raise part.refusal("its keys and values go out too; save a .convscope instead")
    windowed = max(part.attributes.get("window", (-1, -1))) >= 0
    if windowed or any(part.attributes.get(name, 0) not in ((), 0, False) for name in names):
        raise part.refusal(
            "its attention has a mask, a past, a cap or further outputs; save a .convscope instead"
        )
    counts = [int(part.attributes.get(name, 0)) for name in ("heads", "key_heads", "key_heads")]
    flat, tensors = len(part.shape()) == 3, list(part.inputs)
    if flat:
        tensors = [_apart(part, name, count) for name, count in zip(tensors, counts, strict=True)]
    if (counts[0] if flat else part.shape()[1]) != (counts[1] if flat else part.shape(1)[1]):
        raise part.refusal("several queries share a key; save a .convscope instead")
    width = part.shape()[-1] // (counts[0] if flat else 1)
    scale = part.numbers(float(part.attributes.get("scale") or width**-0.5))
    key_transpose = part.step("Transpose", tensors[1], perm=(0, 1, 3, 2))
    weights = part.step(
        "Softmax", part.step("MatMul", part.step("Mul", tensors[0], scale), key_transpose), axis=-1
    )
    if not flat:
        part.write("MatMul", weights, tensors[2])
        return
    mixed = part.step("Transpose", part.step("MatMul", weights, tensors[2]), perm=(0, 2, 1, 3))
    part.write("Reshape", mixed, part.numbers([0, 0, -1]))


def _apart(part: Part, name: str, heads: int) -> str:
    split = part.step("Reshape", name, part.numbers([0, 0, heads, -1]))
    return part.step("Transpose", split, perm=(0, 2, 1, 3))


_RULES: dict[str, tuple[str, ...]] = {
    "linear": (),
    "gated": ("decay",),
    "delta": ("beta",),
    "gated_delta": ("decay", "beta"),
}


@reads("LinearAttention", inputs=3)
def read_linear_attention(node: Node) -> OperationPlan:
    """Turn a LinearAttention into one."""
    rule = node.attributes.get("update_rule", "gated_delta")
    node.require("update_rule", rule if rule in _RULES else "linear")
    node.require("state_window", 0)
    inputs = inputs_by_role(node, "memory", "decay", "beta", first=3)
    if inputs.keys() - {"memory"} != set(_RULES[rule]):
        raise node.refusal(f"by the rule {rule!r} it reads {_RULES[rule]}, found {tuple(inputs)}")
    heads, key_heads = (int(node.attributes[f"{name}_num_heads"]) for name in ("q", "kv"))
    attributes: dict[str, Any] = {"given": tuple(inputs), "heads": heads, "key_heads": key_heads}
    if scale := float(node.attributes.get("scale", 0.0)):
        attributes["scale"] = scale
    if heads % key_heads:
        raise node.refusal(f"{heads} queries share {key_heads} keys")
    read = (*node.inputs[:3], *inputs.values())
    return OperationPlan("linear_attention", read, attributes=attributes, outputs=2)


@reads("RotaryEmbedding", inputs=3)
def read_rotary_embedding(node: Node) -> OperationPlan:
    """Turn a RotaryEmbedding into one; com.microsoft's has its positions before its tables."""
    node.require("scale", 1.0)
    node.require("is_packed_batching", 0)
    attributes = {
        "heads": int(node.attributes.get("num_heads", 0)),
        "width": int(node.attributes.get("rotary_embedding_dim", 0)),
        "interleaved": bool(node.attributes.get("interleaved", 0)),
    }
    return OperationPlan("rotary_embedding", [name for name in node.inputs if name], attributes=attributes)
