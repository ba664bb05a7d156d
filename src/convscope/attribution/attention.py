"""How much each token takes from each, whatever way a format writes attention down."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from convscope.errors import InputError
from convscope.network.graph import Graph, Operation
from convscope.network.operations import OPERATIONS
from convscope.network.producers import made_by

FUSED_ATTENTION = "scaled_dot_product_attention"


def attends(graph: Graph, operation: Operation) -> bool:
    """Tell operations that say how much places take from each other: attention, or the softmax within one."""
    kind = made_by(graph, operation.outputs[0])
    return kind in (FUSED_ATTENTION, "attention", "multi_head_attention", "softmax", "_softmax")


def head_mean(graph: Graph, operation: Operation, values: Mapping[str, Tensor]) -> Tensor | None:
    """Return how much each token takes from each, (tokens, tokens), the mean over heads; None of another softmax.

    InputError where tokens only attend within windows.
    An attention of one piece is run again with values that are 1 for one token and 0 for all others: it answers with
    its weights then.
    """
    kind = made_by(graph, operation.outputs[0])
    inputs = [values[name] for name in operation.inputs]
    if kind in ("softmax", "_softmax"):
        weights = values[operation.outputs[0]]
    elif kind == FUSED_ATTENTION:
        weights = _of_torch(operation, inputs)
    elif kind == "attention":
        weights = _of_heads(operation, inputs)
    else:
        weights = _of_projections(graph, operation, inputs)
    if weights.dim() < 3 or weights.shape[-1] != weights.shape[-2]:
        return None
    if not torch.allclose(weights.sum(-1), weights.new_ones(()), atol=1e-3):
        return None
    windows = weights.shape[:-3].numel()
    if windows > 1:
        raise InputError(
            f"{operation.outputs[0]!r} attends within {windows} windows of the picture, not over all of it: use "
            "another method, as grad_cam"
        )
    return weights.reshape(-1, *weights.shape[-2:]).mean(0)


def fused_value(operation: Operation) -> int:
    """Return which input torch's own attention mixes."""
    keywords = operation.attributes.get("keywords") or {}
    code = keywords["value"] if "value" in keywords else operation.attributes["arguments"][2]
    return int(str(code)[1:])


def _of_torch(operation: Operation, inputs: list[Tensor]) -> Tensor:
    attributes = dict(operation.attributes)
    arguments, keywords = list(attributes.get("arguments", ())), dict(attributes.get("keywords") or {})
    mark = f"${len(inputs)}"
    if "value" in keywords:
        keywords["value"] = mark
    else:
        arguments[2] = mark
    value = inputs[fused_value(operation)]
    eye = _eye(value.shape[-2], value).expand(*value.shape[:-1], value.shape[-2])
    run: Any = OPERATIONS["aten"]
    result: Tensor = run(*inputs, eye, **{**attributes, "arguments": arguments, "keywords": keywords})
    return result


def _of_heads(operation: Operation, inputs: list[Tensor]) -> Tensor:
    query, key, value, *others = inputs
    heads = int(operation.attributes.get("key_heads", 0) or operation.attributes.get("heads", 0))
    flat = value.dim() == 3
    count = value.shape[1 if flat else 2]
    eye = _eye(count, value)
    values = eye.repeat(1, heads)[None] if flat else eye.expand(*value.shape[:3], count)
    run: Any = OPERATIONS["attention"]
    result: Any = run(query, key, values, *others, **operation.keywords)
    mixed: Tensor = result[0] if isinstance(result, tuple) else result
    return mixed.reshape(1, -1, mixed.shape[-1] // count, count).movedim(2, 1) if flat else mixed


def _of_projections(graph: Graph, operation: Operation, inputs: list[Tensor]) -> Tensor:
    query, value, *others = inputs
    count = value.shape[1]
    parameters = {role: graph.parameters[key] for role, key in operation.parameters.items()}
    heads, eye = parameters["query_weight"].shape[1], _eye(count, value)
    projections = {role: one for role, one in parameters.items() if role.startswith(("query", "key"))}
    run: Any = OPERATIONS["multi_head_attention"]
    mean: Tensor = run(
        query,
        eye[None],
        others[0] if others else value,
        value_weight=eye[:, None].expand(count, heads, count),
        output_weight=eye.expand(heads, count, count) / heads,
        **projections,
        **operation.keywords,
    )
    return mean


def _eye(count: int, like: Tensor) -> Tensor:
    return torch.eye(count, dtype=like.dtype, device=like.device)
