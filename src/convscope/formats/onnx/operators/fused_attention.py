"""Onnxruntime's own attention, the products or sums before it in one: what its optimizer makes of a transformer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate, pairwise
from typing import Any

import numpy as np

from convscope.formats.onnx.constants import Array, Constant
from convscope.formats.onnx.node import Node
from convscope.formats.onnx.operators.parameters import inputs_by_role
from convscope.formats.onnx.operators.registry import reads
from convscope.formats.operation_plan import OperationPlan

Plans = list[OperationPlan]

_UNSEEN = -10000.0
"""What onnxruntime adds to the score of a key that a mask hides, unless mask_filter_value says another number."""


@reads("com.microsoft.Attention", inputs=2)
def read_attention_of_one_product(node: Node) -> Plans:
    """Turn an Attention into a product that makes queries, keys and values beside each other, and an attention."""
    if node.has(6):
        raise node.refusal("its past keys lie in a buffer longer than they are (past_sequence_length)")
    node.require("do_rotary", 0)
    weight = node.shape(1) or (0, 0)
    widths = tuple(node.attributes.get("qkv_hidden_sizes", ())) or (weight[-1] // 3,) * 3
    plans = [_with(node, "matmul", "weight", 1, node.inputs[0])]
    if node.has(2):
        plans.append(_with(node, "add", "operand", 2, ""))
    product = f"#{len(plans) - 1}"
    for start, end in pairwise(accumulate(widths, initial=0)):
        plans.append(_slice(product, start, end, 2))
    names = [f"#{len(plans) - at}" for at in (3, 2, 1)]
    past: list[str] = []
    if node.has(4):
        for at in range(2):
            plans += [
                _slice(node.inputs[4], at, at + 1, 0),
                OperationPlan("squeeze", ("",), attributes={"axes": (0,)}),
            ]
            past.append(f"#{len(plans) - 1}")
    length = _length(node, 0, -2) + (_length(node, 4, -2) if past else 0)
    return _attention(node, plans, names, past, (3, length))


@reads("MultiHeadAttention")
def read_attention_of_heads(node: Node) -> Plans:
    """Turn a MultiHeadAttention into an attention of flat heads, after the sums where it has biases."""
    if node.has(8) or node.has(9):
        raise node.refusal("its past keys lie in a buffer longer than they are (past_sequence_length)")
    plans: Plans = []
    names: list[str] = []
    ranks = [node.rank(at) if node.has(at) else 0 for at in range(3)]
    biases = node.constant(3)
    if ranks in ([5, 0, 0], [3, 5, 0]) and not node.has(3):
        plans, packed = _unpacked(node, ranks.index(5))
        length = _length(node, ranks.index(5), 1)
        return _attention(node, plans, packed, (), (4, length))
    if ranks not in ([3, 3, 3], [3, 4, 4]):
        raise node.refusal("its queries, keys and values are packed together, with biases")
    if node.has(3) and (biases is None or ranks[1] == 4):
        raise node.refusal("its biases are worked out while the network runs, or its keys have heads already")
    start = 0
    for at in range(3):
        name, width = node.inputs[at], (node.shape(0 if at < 2 else 2) or ())[-1]
        if biases is not None:
            end = biases.size if at == 2 else start + width
            bias = node.derived("bias", (end - start,), _part(biases, slice(start, end)))
            plans.append(OperationPlan("add", (name,), {"operand": bias}))
            name, start = f"#{len(plans) - 1}", end
        if at and ranks[at] == 4:
            plans.append(OperationPlan("permute", (name,), attributes={"order": (0, 2, 1, 3)}))
            plans.append(OperationPlan("reshape", ("",), attributes={"shape": (0, 0, -1)}))
            name = f"#{len(plans) - 1}"
        names.append(name)
    past = node.inputs[6:8] if node.has(6) and node.has(7) else ()
    length = _length(node, 1, -2) + (_length(node, 6, -2) if past else 0)
    return _attention(node, plans, names, past, (4, length))


@reads("GroupQueryAttention", inputs=1)
def read_attention_of_groups(node: Node) -> OperationPlan:
    """Turn a GroupQueryAttention into one."""
    for name, usual in (("qk_output", 0), ("sliding_window_cache", 0), ("k_quant_type", "NONE")):
        node.require(name, usual)
    node.require("v_quant_type", "NONE")
    if any(node.has(at) for at in (12, 13, 14, 15)) or not (node.has(5) and node.has(6)):
        raise node.refusal("its keys are kept as codes or are normalized, or it has no lengths")
    roles = ("key", "value", "past_key", "past_value")
    more = ("cosine", "sine", "positions", "mask", "sink")
    given = inputs_by_role(node, *roles) | inputs_by_role(node, *more, first=7)
    attributes: dict[str, Any] = {
        "given": tuple(given),
        "heads": int(node.attributes["num_heads"]),
        "key_heads": int(node.attributes["kv_num_heads"]),
        "window": int(node.attributes.get("local_window_size", -1)),
        "cap": float(node.attributes.get("softcap", 0.0)),
        "rotates": bool(node.attributes.get("do_rotary", 0)),
        "interleaved": bool(node.attributes.get("rotary_interleaved", 0)),
        "causal": bool(node.attributes.get("causal", 1)),
        "smooth": bool(node.attributes.get("smooth_softmax", 0) > 0),
    }
    if scale := float(node.attributes.get("scale", 0.0)):
        attributes["scale"] = scale
    read = (node.inputs[0], *node.inputs[5:7], *given.values())
    return OperationPlan("grouped_query_attention", read, attributes=attributes, outputs=3)


def _unpacked(node: Node, index: int) -> tuple[Plans, list[str]]:
    """Return plans that take an input of (batch, places, heads, 2 or 3 things, features) apart."""
    plans: Plans = []
    names = list(node.inputs[:index])
    for at in range(3 - index):
        plans += [
            _slice(node.inputs[index], at, at + 1, 3),
            OperationPlan("reshape", ("",), attributes={"shape": (0, 0, -1)}),
        ]
        names.append(f"#{len(plans) - 1}")
    return plans, names


def _attention(
    node: Node, plans: Plans, tensors: Sequence[str], past: Sequence[str], mask: tuple[int, int]
) -> Plans:
    """Return the plans and the attention itself; `mask` is which input hides keys, and how many keys there are.

    What is added to the scores is input 5 of both operators.
    """
    heads = int(node.attributes["num_heads"])
    unseen = float(node.attributes.get("mask_filter_value", _UNSEEN))
    added = node.inputs[5] if node.has(5) else ""
    if node.has(mask[0]):
        plans = [*plans, *_hidden_keys(node, *mask, unseen, len(plans))]
        hidden = f"#{len(plans) - 1}"
        if added:
            plans.append(OperationPlan("add", (hidden, added)))
        added = f"#{len(plans) - 1}"
    attributes: dict[str, Any] = {
        "heads": heads,
        "key_heads": heads,
        "causal": bool(node.attributes.get("unidirectional", 0)),
        "given": (*(("mask",) if added else ()), *(("past_key", "past_value") if past else ())),
    }
    if scale := float(node.attributes.get("scale", 0.0)):
        attributes["scale"] = scale
    outputs = 4 if node.type_name == "MultiHeadAttention" and any(node.outputs[1:3]) else 1
    if outputs > 1:
        attributes["outputs"] = outputs
    read = (*tensors, *([added] if added else []), *past)
    return [*plans, OperationPlan("attention", read, attributes=attributes, outputs=outputs)]


def _hidden_keys(node: Node, index: int, length: int, unseen: float, behind: int) -> Plans:
    """Return what is added to the scores: 0 for a key that a mask leaves, `unseen` for one that it hides.

    A mask is ones and zeros, (batch, keys) or (batch, queries, keys), or where each row's keys end: (batch), and behind
    these where they begin: (2 batch). The plans stand `behind` others.
    """
    name, shape = node.inputs[index], node.shape(index)
    batch = (node.shape(0) or (0,))[0]
    added = OperationPlan("power", ("",), attributes={"scale": -unseen, "shift": unseen})
    within = OperationPlan("clip", ("",), attributes={"minimum": 0.0, "maximum": 1.0})
    if shape is not None and len(shape) in (2, 3):
        spread = OperationPlan("unsqueeze", (name,), attributes={"axes": (1, 2) if len(shape) == 2 else (1,)})
        return [spread, within, added]
    if shape is None or len(shape) != 1 or shape[0] not in (batch, 2 * batch):
        raise node.refusal("its mask is of a kind that is not known here")
    places = node.derived("places", (length,), lambda: np.arange(length, dtype=np.float32))
    before = node.derived("before", (length,), lambda: -np.arange(length, dtype=np.float32))
    lone = {"axes": (1, 2, 3)}
    ends = [
        _slice(name, 0, batch, 0),
        OperationPlan("unsqueeze", ("",), attributes=lone),
        OperationPlan("add", ("",), {"operand": before}),
        within,
    ]
    if shape[0] == batch:
        return [*ends, added]
    starts = [
        _slice(name, batch, 2 * batch, 0),
        OperationPlan("unsqueeze", ("",), attributes=lone),
        OperationPlan("power", ("",), attributes={"scale": -1.0, "shift": 1.0}),
        OperationPlan("add", ("",), {"operand": places}),
        within,
    ]
    both = OperationPlan(
        "multiply", (f"#{behind + len(ends) - 1}", f"#{behind + len(ends) + len(starts) - 1}")
    )
    return [*ends, *starts, both, added]


def _length(node: Node, index: int, axis: int) -> int:
    """Return how many keys an input has along an axis."""
    shape = node.shape(index)
    if shape is None or len(shape) < 3:
        raise node.refusal("how many keys it has is not known")
    return shape[axis]


def _slice(name: str, start: int, end: int, axis: int) -> OperationPlan:
    return OperationPlan(
        "slice_steps", (name,), attributes={"starts": (start,), "ends": (end,), "axes": (axis,)}
    )


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
